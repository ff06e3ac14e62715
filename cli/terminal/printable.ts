/**
 * Text for a terminal: what would move the cursor, change colours or turn the order of letters (control characters but tab and line break, marks of
 * direction) is shown as its escape. Names come from buckets and queues, where anybody may have put them.
 */
export function printable(text: string): string {
  return text.replace(
    /[[\p{Cc}--[\t\n]]\p{Bidi_Control}\u2028\u2029]/gv,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A value as JSON for a terminal: the same characters as JSON's own escapes, so that it says the same. */
export function printableJson(value: unknown, indent?: number): string {
  return printable(JSON.stringify(value, undefined, indent));
}

/** The same for what has to stay in its line. */
export function printableLine(text: string): string {
  return printable(text).replaceAll("\n", "\\n").replaceAll("\t", "\\t");
}

/** A word for bash and zsh that means the text: quoted, and with escapes where it cannot be shown as it is. */
export function shellWord(text: string): string {
  if (printableLine(text) === text) return `'${text.replaceAll("'", "'\\''")}'`;
  return `$'${printableLine(text.replace(/[\\']/g, "\\$&"))}'`;
}
