import type { IncomingHttpHeaders } from "node:http";
import { describeError, type Reason, RelayError } from "../errors.ts";
import { redact } from "../util/secrets.ts";

interface Refusal {
  /** `METHOD /path`: never a header, so never the key. */
  readonly what: string;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Parsed, or undefined when the answer is not JSON. */
  readonly body: unknown;
  /** The request's URL, to which redirects are compared. */
  readonly url?: URL;
}

/** Error statuses and our reasons; others are `dojo-rejected` below 500 and `dojo-unavailable` from there on. */
const BY_STATUS: Readonly<Record<number, Reason>> = {
  401: "dojo-forbidden",
  403: "dojo-forbidden",
  404: "dojo-not-found",
  408: "dojo-timeout",
  // Another request wrote the same unique row first, whatever the text says (measured on 3.2: two imports with the same new URLs).
  409: "dojo-conflict",
  413: "dojo-too-large",
  429: "dojo-busy",
  503: "dojo-busy",
};

/** Node's error codes and our reasons; others are `dojo-unreachable`. */
const BY_CODE: readonly (readonly [RegExp, Reason])[] = [
  [/^(ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|ERR_SSL|HOSTNAME_MISMATCH|EPROTO$)/, "dojo-tls"],
  [/^(ETIMEDOUT|ABORT_ERR|UND_ERR_|ERR_HTTP_REQUEST_TIMEOUT|TimeoutError)/, "dojo-timeout"],
];

/** Statuses that are clear by themselves, whoever sends them. */
const WITHOUT_JSON = new Set([408, 409, 413, 414, 429]);

/** The error for an unexpected status. */
export function statusError(refusal: Refusal): RelayError {
  const { what, status, headers, url } = refusal;
  const retryAfterSeconds = retryAfter(headers["retry-after"]);
  const detail = status < 400 ? redirectText(headers.location, url) : answerText(refusal);
  return new RelayError(reasonOf(refusal), `${what}: HTTP ${status}${detail}`, {
    object: what,
    status,
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
  });
}

function reasonOf(refusal: Refusal): Reason {
  const { status, headers, url } = refusal;
  if (status < 400) return leadsToGate(headers.location, url) ? "dojo-gate" : "dojo-redirected";
  if (isForeign(refusal)) return "dojo-not-json";
  return BY_STATUS[status] ?? (status >= 500 ? "dojo-unavailable" : "dojo-rejected");
}

/** A 4xx that is not from the API: DefectDojo's own are JSON, except for unknown paths. */
const isForeign = ({ status, body }: Refusal) =>
  status >= 400 && status < 500 && body === undefined && !WITHOUT_JSON.has(status);

function answerText(refusal: Refusal): string {
  if (!isForeign(refusal)) {
    const detail = describeAnswer(refusal.body);
    return detail === "" ? "" : `: ${detail}`;
  }
  const host = refusal.url === undefined ? "" : ` from ${refusal.url.host}`;
  return `${host} with ${refusal.headers["content-type"] ?? "no content type"} instead of JSON`;
}

const redirectText = (location: string | undefined, url: URL | undefined) =>
  location === undefined
    ? ""
    : ` to ${redirectTarget(location)}${leadsToGate(location, url) ? "; a gateway requires a login" : ""}`;

/** Whether a redirect leads to another host or a login, which DefectDojo's API never does. */
function leadsToGate(location: string | undefined, url: URL | undefined): boolean {
  if (location === undefined) return false;
  const target = URL.parse(location, url?.href ?? "http://same-host.invalid/");
  if (target === null) return false;
  if (
    /(?:^|[/_.-])(?:log-?in|sign-?in|sso|saml2?|oauth2?|oidc|auth(?:orize|enticate)?)(?:$|[/_.-])/i.test(
      target.pathname,
    )
  )
    return true;
  return url !== undefined && target.hostname !== url.hostname;
}

/** The error for a missing response. A RelayError passes unchanged. */
export function connectionError(what: string, error: unknown): RelayError {
  if (error instanceof RelayError) return error;
  const code = codeOf(error);
  const reason = BY_CODE.find(([pattern]) => pattern.test(code))?.[1] ?? "dojo-unreachable";
  const detail = describeError(error);
  const hint = /wrong version number/i.test(detail) ? "; the server answers without TLS" : "";
  return new RelayError(reason, `${what}: ${detail}${hint}`, { object: what, cause: error });
}

/** Whether the request certainly never reached DefectDojo. */
export function neverSent(error: RelayError): boolean {
  return (
    error.reason === "dojo-tls" ||
    error.reason === "internal" ||
    ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"].includes(codeOf(error.cause))
  );
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  if ("code" in error && typeof error.code === "string") return error.code;
  return error.cause === undefined ? error.name : codeOf(error.cause);
}

/** Seconds of a `Retry-After`, in either of its forms. https://www.rfc-editor.org/rfc/rfc9110#field.retry-after */
function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const seconds = /^\d+$/.test(value.trim()) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.min(seconds, 3_600)) : undefined;
}

function redirectTarget(location: string): string {
  const url = URL.parse(location, "http://same-host.invalid/");
  return url === null
    ? "an unreadable URL"
    : url.hostname === "same-host.invalid"
      ? url.pathname
      : `${url.origin}${url.pathname}`;
}

/**
 * DefectDojo's own words for a refusal: `field: message; …`, or its message without the advertisement and the repr in it.
 */
function describeAnswer(body: unknown, levels = 5): string {
  if (typeof body === "string") return redact(body).slice(0, 500);
  if (typeof body !== "object" || body === null) return "";
  if (levels === 0) return "…";
  const inner = (value: unknown) => describeAnswer(value, levels - 1);
  if (Array.isArray(body)) return body.map(inner).join("; ").slice(0, 500);
  const fields = Object.entries(body).filter(([name]) => !["message", "pro", "detail"].includes(name));
  const parts = fields.map(([name, value]) => `${name}: ${inner(value)}`);
  const message = "detail" in body ? body.detail : "message" in body ? body.message : undefined;
  if (parts.length === 0 && typeof message === "string") return redact(message).slice(0, 500);
  return redact(parts.join("; ")).slice(0, 500);
}
