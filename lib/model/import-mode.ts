import { sha256 } from "../util/digest.ts";
import type { Scan } from "./scan.ts";

/** `import`: a test for each run. `reimport`: one living test for all runs of a scan. */
export const IMPORT_MODES = ["import", "reimport"] as const;
export type ImportMode = (typeof IMPORT_MODES)[number];

/** DefectDojo's column for the title of a test. */
const LONGEST_TITLE = 255;
/** Hexadecimal digits that replace the end of a title that is cut. */
const HASH_DIGITS = 12;

/** The name that all runs of a scan share: that of the ScheduledScan, for a cascaded scan that of the first scan without its run, else the scan's own. */
export function runlessName({ name, scheduledBy, cascade }: Scan): string {
  return scheduledBy ?? cascade?.root ?? name;
}

/**
 * The default title of a living test: its namespace and {@link runlessName}, which all its runs share and no other scan has. In a cascade each rule has
 * many scans in one run; their parameters distinguish them.
 */
export function livingTitle(scan: Scan): string {
  const base = `${scan.namespace}/${runlessName(scan)}`;
  if (scan.scheduledBy !== undefined || scan.cascade === undefined) return fitted(base);
  return fitted(`${base} > ${scan.cascade.rules.join(" > ")}: ${scan.parameters.join(" ")}`.trim());
}

/** A hash distinguishes long titles with the same beginning. */
function fitted(title: string): string {
  if (title.length <= LONGEST_TITLE) return title;
  const hash = sha256(title).slice(0, HASH_DIGITS);
  return `${title.slice(0, LONGEST_TITLE - HASH_DIGITS - 2).toWellFormed()}… ${hash}`;
}
