/** `spec.matches` of a CascadingRule. */
export interface Matches {
  readonly anyOf: readonly Readonly<Record<string, unknown>>[];
}

/**
 * Whether a CascadingRule matches a finding, as in secureCodeBox's hook (`hooks/cascading-scans/hook/hook.ts`: lodash's isMatch, then the same with
 * wildcards in texts): each field of one of `anyOf` is in the finding, at any depth; `*` stands for any text, a `!` before it for all other texts.
 */
export function ruleMatches(finding: unknown, { anyOf }: Matches): boolean {
  return anyOf.some((wanted) => has(finding, wanted));
}

function has(value: unknown, wanted: unknown): boolean {
  if (typeof wanted === "string" && typeof value === "string") return textMatches(value, wanted);
  if (Array.isArray(wanted)) {
    return Array.isArray(value) && wanted.every((one: unknown) => value.some((item: unknown) => has(item, one)));
  }
  if (typeof wanted !== "object" || wanted === null) return Object.is(value, wanted);
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(wanted).every(([name, one]) => has((value as Record<string, unknown>)[name], one));
}

function textMatches(text: string, pattern: string): boolean {
  const isOther = pattern.startsWith("!");
  const parts = (isOther ? pattern.slice(1) : pattern)
    .split("*")
    .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "s").test(text) !== isOther;
}
