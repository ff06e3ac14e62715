import * as z from "zod";

/**
 * A text that can go on into addresses, headers and databases: half a surrogate pair fits into no UTF-8, and PostgreSQL refuses NUL. Checked
 * where a text is parsed, as it would fail as a fault of ours wherever it is used.
 */
export const usableText = () => z.string().refine(isUsable, UNUSABLE);

export const UNUSABLE = "must not hold NUL or half a surrogate pair";

export function isUsable(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/** A text that goes into a header as it is (an ETag): RFC 9110's visible characters, spaces and what is beyond ASCII in Latin-1. */
export const headerText = () => z.string().regex(/^[\t\x20-\x7e\x80-\xff]*$/, "must not hold what no header may carry");
