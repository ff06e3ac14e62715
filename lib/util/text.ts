/**
 * The text without what a database or parser refuses: control characters except tab and line breaks, and lone surrogates.
 * PostgreSQL refuses NUL in text.
 */
export function cleanText(text: string): string {
  return text.toWellFormed().replace(/[\p{Cc}--[\t\n\r\u0080-\u009f]]/gv, "");
}

/** At most `longest` characters, the last one `…` if some are cut; never half a surrogate pair. */
export function cutText(text: string, longest: number): string {
  return text.length <= longest
    ? text
    : `${text
        .slice(0, longest - 1)
        .toWellFormed()
        .replace(/\ufffd$/, "")}…`;
}

/** `1 message`, `2 messages`. */
export const countOf = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
