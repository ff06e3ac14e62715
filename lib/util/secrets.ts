/**
 * The secrets that this process knows. No text that leaves the process shows one: errors, logs, dead letters, receipts and the page all go through
 * {@link redact}. Otherwise a proxy that echoes the request's headers would reveal the API key to everybody who reads the error.
 */
const secrets = new Set<string>();

/** Shorter values are not secrets, and would occur in every text. */
const SHORTEST = 8;
const REDACTED = "[secret]";

/** Registers values that must not be shown, in each form in which they may occur. */
export function rememberSecrets(values: Iterable<string | undefined>): void {
  for (const value of values)
    for (const form of formsOf(value?.trim() ?? "")) if (form.length >= SHORTEST) secrets.add(form);
}

/** The text without known secrets. Call it before a text is cut: half a secret is no longer found. */
export function redact(text: string): string {
  let shown = text;
  for (const secret of secrets) if (shown.includes(secret)) shown = shown.replaceAll(secret, REDACTED);
  return shown;
}

/** The same for every text in a value of plain objects and arrays; parts without secrets stay the same value. */
export function redactAll<T>(value: T): T {
  return (secrets.size === 0 ? value : redactValue(value)) as T;
}

function redactValue(value: unknown): unknown {
  if (typeof value === "string") return redact(value);
  if (Array.isArray(value)) return value.map(redactValue);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [redact(name), redactValue(item)]));
}

/** Plain, in JSON, in a URL, in the Base64 of a header. */
function formsOf(secret: string): string[] {
  const base64 = Buffer.from(secret, "utf8").toString("base64");
  return [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret.toWellFormed()), base64];
}
