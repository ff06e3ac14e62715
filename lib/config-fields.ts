import * as z from "zod";
import { DOJO_SEVERITIES } from "./model/annotations.ts";
import { parseLabels } from "./model/hook-selector.ts";
import { isLoopback } from "./util/loopback.ts";

/** The kinds of values that the variables of `config.ts` take, each with the message for one that is invalid. */

export const flag = z
  .string()
  .trim()
  .toLowerCase()
  .pipe(z.enum(["true", "false", "1", "0"], { error: 'must be "true" or "false"' }))
  .transform((value) => value === "true" || value === "1");
export const bool = (byDefault: boolean) => flag.default(byDefault);
export const int = (byDefault: number, min = 0, max = Number.MAX_SAFE_INTEGER) =>
  z.coerce.number().int().min(min).max(max).default(byDefault);
const urlWithoutUser = z
  .url({ protocol: /^https?$/, error: "must be an http(s) URL" })
  .refine((url) => !/^https?:\/\/[^/?#]*@/i.test(url), "must not carry a user or password");
export const httpUrl = urlWithoutUser.transform((url) => url.replace(/\/+$/, ""));
/** A webhook's URL is a secret: it must not cross the network unencrypted. */
export const webhookUrl = urlWithoutUser.refine(
  (url) => /^https:/i.test(url) || isLoopback(URL.parse(url)?.hostname ?? ""),
  "must be https, unless it is on this machine",
);
/** A severity of DefectDojo, in any case. */
export const severity = z.string().transform((text, context) => {
  const found = DOJO_SEVERITIES.find((one) => one.toLowerCase() === text.trim().toLowerCase());
  if (found !== undefined) return found;
  context.addIssue({ code: "custom", message: `must be one of ${DOJO_SEVERITIES.join(", ")}` });
  return z.NEVER;
});
export const labels = z.string().transform((text, context) => {
  try {
    return parseLabels(text);
  } catch (error) {
    context.addIssue({ code: "custom", message: error instanceof Error ? error.message : String(error) });
    return z.NEVER;
  }
});
/** Names in the Host header, separated by commas; `*.example.com` matches every name below it. */
export const hostNames = z
  .string()
  .transform((text) => text.split(",").flatMap((name) => name.trim().toLowerCase() || []))
  .pipe(
    z.array(z.string().regex(/^(\*|(\*\.)?[a-z\d_-]+(\.[a-z\d_-]+)*)$/, "must be host names, separated by commas")),
  );
/** Names of Kubernetes namespaces, separated by commas. */
export const namespaces = z
  .string()
  .transform((text) => text.split(",").flatMap((name) => name.trim() || []))
  .pipe(
    z.array(z.string().regex(/^[a-z\d]([a-z\d-]{0,61}[a-z\d])?$/, "must be names of namespaces, separated by commas")),
  );
/** A day, or a time with its zone. */
export const instant = z
  .string()
  .refine(
    (text) => /^\d{4}-\d\d-\d\d(T.+(Z|[+-]\d\d:\d\d))?$/.test(text) && Date.parse(text) > 0,
    "must be a date (2026-11-24) or a time (2026-11-24T12:00:00Z)",
  );
export const objectName = z.string().regex(/^[^/\\]+$/, "must be a plain object name");

/** A name, or a pattern with one `*`. Companions are named by the word `findings` (lib/model/object-keys.ts). */
export const findingsName = objectName.refine(isUsablePattern, {
  error: "may hold one * beside the word findings, as in *-findings.json, and no other wildcard",
});

function isUsablePattern(name: string): boolean {
  if (/[?[\]{}]/.test(name)) return false;
  const parts = name.split("*");
  return parts.length === 1 || (parts.length === 2 && parts.some((part) => part.includes("findings")));
}
