/**
 * Text for a terminal: what would move the cursor, change colours or reverse text (control characters but tab and line break, marks of
 * direction) is shown as its escape. Names in buckets and queues come from anybody.
 */
export function printable(text: string): string {
  return text.replace(
    /[[\p{Cc}--[\t\n]]\p{Bidi_Control}\u2028\u2029]/gv,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A value as JSON for a terminal: the same characters as JSON escapes, so the value is unchanged. */
export function printableJson(value: unknown, indent?: number): string {
  return printable(JSON.stringify(value, undefined, indent));
}

/** The same for text that must stay on one line. */
export function printableLine(text: string): string {
  return printable(text).replaceAll("\n", "\\n").replaceAll("\t", "\\t");
}

/** The text as one word of bash and zsh: quoted, with escapes for characters that must not reach a terminal. */
export function shellWord(text: string): string {
  if (printableLine(text) === text) return `'${text.replaceAll("'", "'\\''")}'`;
  return `$'${printableLine(text.replace(/[\\']/g, "\\$&"))}'`;
}
