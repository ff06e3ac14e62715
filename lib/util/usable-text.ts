import * as z from "zod";

/**
 * A text that is valid in URLs, headers and databases: UTF-8 cannot encode half a surrogate pair, and PostgreSQL refuses NUL. Checked
 * where a text is parsed, because any later failure would look like a fault of ours.
 */
export const usableText = () => z.string().refine(isUsable, UNUSABLE);

export const UNUSABLE = "must not contain NUL or half a surrogate pair";

export function isUsable(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/** A text that goes into a header unchanged (an ETag): RFC 9110's visible characters, spaces and Latin-1 beyond ASCII. */
export const headerText = () =>
  z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/, "must not contain characters that a header does not allow");
