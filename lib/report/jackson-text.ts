import { isExactNumber, jacksonNumber } from "../util/exact-number.ts";

/** Longest title that DefectDojo keeps (`Finding.title`); it cuts longer ones itself (recorded, 3.2). */
export const LONGEST_TITLE = 511;

/**
 * JSON as Jackson's DefaultPrettyPrinter lays it out (`{\n  "a" : 1,\n  "b" : [ 1, 2 ]\n}`). The reference hook appends attributes in this
 * form to a finding's description, which is part of DefectDojo's hash code: another layout would make every known finding new.
 * @param longest characters after which the rest is left out, so that it takes no memory; the text is a little longer then
 */
export function jacksonJson(value: unknown, longest = Number.POSITIVE_INFINITY): string {
  let text = "";
  /** Writes what is between the brackets, each item after its separator. */
  const writeAll = <T>(items: readonly T[], separator: string, writeItem: (item: T) => void) => {
    for (const [index, item] of items.entries()) {
      if (text.length > longest) return;
      if (index > 0) text += separator;
      writeItem(item);
    }
  };
  const write = (value: unknown, indent: string): void => {
    if (Array.isArray(value)) {
      text += "[ ";
      writeAll(value, ", ", (item) => write(item, indent));
      text += value.length === 0 ? "]" : " ]";
    } else if (typeof value === "number" || isExactNumber(value)) text += jacksonNumber(value);
    else if (typeof value === "object" && value !== null) {
      const fields = Object.entries(value);
      const inner = `${indent}  `;
      text += fields.length === 0 ? "{ " : "{\n";
      writeAll(fields, ",\n", ([name, item]) => {
        text += `${inner}${jacksonText(name.slice(0, longest + 1))} : `;
        write(item, inner);
      });
      text += fields.length === 0 ? "}" : `\n${indent}}`;
    } else
      text += typeof value === "string" ? jacksonText(value.slice(0, longest + 1)) : (JSON.stringify(value) ?? "null");
  };
  write(value, "");
  return text;
}

/** Jackson writes the digits of escapes in capitals. */
function jacksonText(text: string): string {
  return JSON.stringify(text).replace(/\\(?:\\|u00[01][\da-f])/g, (sequence) =>
    sequence === "\\\\" ? sequence : `\\u${sequence.slice(2).toUpperCase()}`,
  );
}
