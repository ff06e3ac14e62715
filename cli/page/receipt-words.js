// @ts-check
// Pure: what a receipt tells, in words.
import { counted, duration, when } from "./format.js";
import { SEVERITIES } from "./words.js";

/** @typedef {import("../../lib/model/receipt.ts").Receipt} Receipt */

const OUTCOMES = {
  synced: "verdicts are in findings.json",
  imported: "imported only: findings.json was not touched",
  outdated: "nothing was imported: a later run of the living test was before",
};
const DEDUPLICATION = {
  confirmed: "its end was confirmed",
  assumed: "its end was assumed; a second look corrects the counts",
};

/**
 * What it is, in rows of a name, a text and an address.
 * @param {Receipt} receipt
 * @param {string | undefined} imported ISO 8601
 * @returns {[name: string, text: string, url?: string][]}
 */
export function facts(receipt, imported) {
  const { product, engagement, test, scan, deduplication, timings } = receipt;
  const isImported = receipt.outcome !== "outdated";
  /** @type {[string, string | undefined, string?][]} */
  const rows = [
    ["Product", product.name, product.url],
    ["Engagement", engagement.name, engagement.url],
    ["Test", test.name, test.url],
    ["Scan type", scan.scanType],
    ["Imported as", isImported ? receipt.importedAs : undefined],
    ["Imported", isImported && imported !== undefined ? when(imported) : undefined],
    ["Last written", when(receipt.finishedAt)],
    ["Outcome", OUTCOMES[receipt.outcome]],
    ["Sync mode", receipt.syncMode],
    ["Deduplication", deduplication === undefined ? undefined : DEDUPLICATION[deduplication]],
    ["Took", timings["totalMs"] === undefined ? undefined : duration(timings["totalMs"])],
    ["Findings", receipt.findingsKey],
  ];
  return rows.flatMap(([name, text, url]) =>
    text === undefined ? [] : [url === undefined ? [name, text] : [name, text, url]],
  );
}

/**
 * What was uploaded against what DefectDojo keeps: rows of severity, uploaded, in DefectDojo, missing; and the rest in a sentence.
 * @param {Receipt} receipt
 * @returns {{ rows: (string | number)[][], sentence: string }}
 */
export function comparison({ uploaded, inDojo, kept, matched, onlyInScan, onlyInDojo, findings }) {
  const parts = [`findings.json holds ${counted(findings.count, "finding")}.`];
  if (kept !== undefined) parts.push(`The import kept ${kept}.`);
  if (matched !== undefined && onlyInScan !== undefined && onlyInDojo !== undefined)
    parts.push(
      `${matched} of the scanner's correspond to DefectDojo's; ${onlyInScan} of the scanner's are not in DefectDojo, and ${onlyInDojo} of DefectDojo's are not in the report.`,
    );
  if (uploaded === undefined || inDojo === undefined)
    return {
      rows: [],
      sentence: [...parts, "The uploaded findings are unknown: an earlier version wrote the receipt."].join(" "),
    };
  /** @type {(name: string, before: number, now: number) => (string | number)[]} */
  const row = (name, before, now) => [name, before, now, Math.max(0, before - now)];
  const severities = /** @type {(keyof typeof SEVERITIES)[]} */ (Object.keys(SEVERITIES));
  const rows = severities.map((name) => row(SEVERITIES[name][0], uploaded.severities[name], inDojo.severities[name]));
  return { rows: [...rows, row("All", uploaded.count, inDojo.count)], sentence: parts.join(" ") };
}
