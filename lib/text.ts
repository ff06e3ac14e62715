import { isExactNumber, jacksonNumber } from "./exact-number.ts";

/** Longest title that DefectDojo keeps (`Finding.title`); it cuts longer ones itself (recorded, 3.2). */
export const LONGEST_TITLE = 511;

/**
 * The text without what a database or parser refuses: control characters but tab and line breaks, and halves of surrogate pairs.
 * PostgreSQL refuses NUL in text.
 */
export function cleanText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is removed here
  return text.toWellFormed().replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, "");
}

/** At most `longest` characters, the last one `…` where some are cut; never half a surrogate pair. */
export function cutText(text: string, longest: number): string {
  return text.length <= longest
    ? text
    : `${text
        .slice(0, longest - 1)
        .toWellFormed()
        .replace(/\ufffd$/, "")}…`;
}

/**
 * JSON as Jackson's DefaultPrettyPrinter lays it out (`{\n  "a" : 1,\n  "b" : [ 1, 2 ]\n}`). The reference hook appends attributes in this
 * form to a finding's description, which is part of DefectDojo's hash code: another layout would make every known finding new.
 */
export function jacksonJson(value: unknown, indent = ""): string {
  if (Array.isArray(value)) {
    return value.length === 0 ? "[ ]" : `[ ${value.map((item) => jacksonJson(item, indent)).join(", ")} ]`;
  }
  if (typeof value === "number" || isExactNumber(value)) return jacksonNumber(value);
  if (typeof value === "object" && value !== null) {
    const inner = `${indent}  `;
    const fields = Object.entries(value).map(
      ([name, item]) => `${inner}${jacksonText(name)} : ${jacksonJson(item, inner)}`,
    );
    return fields.length === 0 ? "{ }" : `{\n${fields.join(",\n")}\n${indent}}`;
  }
  return typeof value === "string" ? jacksonText(value) : (JSON.stringify(value) ?? "null");
}

/** Jackson writes the digits of escapes in capitals. */
function jacksonText(text: string): string {
  return JSON.stringify(text).replace(/\\(?:\\|u00[01][\da-f])/g, (sequence) =>
    sequence === "\\\\" ? sequence : `\\u${sequence.slice(2).toUpperCase()}`,
  );
}
