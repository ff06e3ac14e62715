import * as z from "zod";

/** Headers that the client itself sets; a wrong one breaks every request. */
const OURS = new Set(
  "authorization accept content-type content-length transfer-encoding connection expect upgrade".split(" "),
);
/** https://www.rfc-editor.org/rfc/rfc9110#name-field-names */
const TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/;
/** What Node sends unchanged: no control characters, one byte per character. */
const VALUE = /^[\t\u0020-\u007e\u0080-\u00ff]*$/;

/** Headers for a gateway in front of DefectDojo, by name. Messages name a header and never its value: values are secrets. */
export const gateHeaders = z.record(z.string(), z.unknown()).transform((given, context) => {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    const wrong = wrongWith(name, value);
    if (wrong !== undefined) context.addIssue({ code: "custom", message: `header ${JSON.stringify(name)} ${wrong}` });
    else headers[name] = value as string;
  }
  return headers;
});

function wrongWith(name: string, value: unknown): string | undefined {
  if (!TOKEN.test(name)) return "is not the name of an HTTP header";
  if (OURS.has(name.toLowerCase())) return "is set by dojo-relay itself";
  if (typeof value !== "string") return "must have a text value";
  return VALUE.test(value) ? undefined : "has a character that HTTP does not allow";
}
