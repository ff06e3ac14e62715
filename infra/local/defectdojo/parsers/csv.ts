import type { Severity } from "../model.ts";
import { item, type ParserContext, placesOfUrl, type ReportItem, reported } from "./report.ts";

/** A generic report as CSV: a header and one finding per line. */
export function parseCsv(text: string, context: ParserContext): ReportItem[] {
  const [heading, ...lines] = rows(text).filter((row) => row.some((cell) => cell !== ""));
  return lines.map((line) => {
    const cell = (name: string) => line[heading?.indexOf(name) ?? -1] ?? "";
    const finding = reported({
      title: cell("Title"),
      severity: cell("Severity") as Severity,
      description: cell("Description"),
      cwe: Number(cell("CweId")) || 0,
      mitigation: cell("Mitigation"),
      impact: cell("Impact"),
      references: cell("References"),
      active: cell("Active").toLowerCase() !== "false",
      verified: cell("Verified").toLowerCase() === "true",
      date: americanDate(cell("Date")),
    });
    return item(finding, cell("Url") === "" ? [] : placesOfUrl(cell("Url"), context));
  });
}

function americanDate(text: string): string | null {
  const [, month, day, year] = /^(\d{1,2})\/(\d{1,2})\/(\d{4})$/.exec(text) ?? [];
  return year === undefined ? null : `${year}-${month?.padStart(2, "0")}-${day?.padStart(2, "0")}`;
}

function rows(text: string): string[][] {
  const result: string[][] = [[]];
  for (const [, quoted, plain = "", end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/g)) {
    result.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === "") break;
    if (end !== ",") result.push([]);
  }
  return result;
}
