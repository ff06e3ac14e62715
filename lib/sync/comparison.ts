import { KEEPS_LESS, type Receipt } from "../model/receipt.ts";
import type { SeverityCounts } from "../report/uploaded-counts.ts";
import { countOf } from "../util/text.ts";
import type { Match } from "./match/match.ts";

/** How many of the scanner's findings have a match, and how many exist on one side only. */
export function compared(
  matches: readonly Match[],
  dojoFindings: number,
): Required<Pick<Receipt, "matched" | "onlyInScan" | "onlyInDojo">> {
  // A byte per finding: a Set of 100,000 takes several MiB, here, where memory is at its peak.
  const claimed = new Uint8Array(dojoFindings);
  let [matched, onlyInDojo] = [0, dojoFindings];
  for (const match of matches) {
    if (typeof match === "string") continue;
    matched++;
    for (const place of match) {
      if (claimed[place] === 0) onlyInDojo--;
      claimed[place] = 1;
    }
  }
  return { matched, onlyInScan: matches.length - matched, onlyInDojo };
}

/** Worst first, with their names in warnings. */
const GRADES = [
  ["high", "HIGH"],
  ["medium", "MEDIUM or worse"],
  ["low", "LOW or worse"],
] as const;

/**
 * A warning if DefectDojo keeps fewer findings than should be imported, in all or of a severity or worse; undefined if it does not.
 * @param uploaded findings at or above the minimum severity
 */
export function fewerWarning(uploaded: SeverityCounts, kept: SeverityCounts): string | undefined {
  const parts = kept.count < uploaded.count ? [`${kept.count} of ${countOf(uploaded.count, "finding")}`] : [];
  let [had, has, lost] = [0, 0, 0];
  for (const [grade, name] of GRADES) {
    had += uploaded.severities[grade];
    has += kept.severities[grade];
    // A loss reported for a worse severity is not repeated for a lower one.
    if (had - has > lost) parts.push(`${has} of ${had} that are ${name}`);
    lost = Math.max(lost, had - has);
  }
  return parts.length === 0 ? undefined : `${KEEPS_LESS}${parts.join(", ")}`;
}
