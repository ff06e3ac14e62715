import { printableLine } from "./printable.ts";

/** Rows as a plain-text table, columns in the order of the first row's fields; numbers are right-aligned. */
export function table<T extends object>(rows: readonly T[]): string {
  const [first] = rows;
  if (first === undefined) return "(nothing)";
  const columns = Object.keys(first) as (keyof T & string)[];
  const cells = rows.map((row) => columns.map((column) => printableLine(String(row[column] ?? ""))));
  const numeric = columns.map((column) => rows.every((row) => typeof row[column] === "number"));
  const widths = columns.map((column, index) =>
    Math.max(column.length, ...cells.map((row) => row[index]?.length ?? 0)),
  );
  const line = (parts: readonly string[]) =>
    parts
      .map((part, index) => (numeric[index] ? part.padStart(widths[index] ?? 0) : part.padEnd(widths[index] ?? 0)))
      .join("  ")
      .trimEnd();
  return [line(columns), line(widths.map((width) => "-".repeat(width))), ...cells.map(line)].join("\n");
}
