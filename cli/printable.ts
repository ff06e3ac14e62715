/**
 * Text for a terminal: what would move the cursor, change colours or turn the order of letters (control characters but tab and line break, marks of
 * direction) is shown as its escape. Names come from buckets and queues, where anybody may have put them.
 */
export function printable(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is made visible here
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
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
