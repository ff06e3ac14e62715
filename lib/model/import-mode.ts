import { sha256 } from "../util/digest.ts";
import type { Scan } from "./scan.ts";

/** `import`: a test for each run. `reimport`: one living test for all runs of a scan. */
export const IMPORT_MODES = ["import", "reimport"] as const;
export type ImportMode = (typeof IMPORT_MODES)[number];

/** DefectDojo's column for the title of a test. */
const LONGEST_TITLE = 255;
/** Hexadecimal digits that stand for the end of a title that is cut. */
const HASH_DIGITS = 12;

/** What all runs of a scan are called: the ScheduledScan, of a cascaded scan the first scan of the cascade without its run, else the scan itself. */
export function runlessName({ name, scheduledBy, cascade }: Scan): string {
  return scheduledBy ?? cascade?.root ?? name;
}

/**
 * The default title of a living test: its namespace and {@link runlessName}, so that all runs meet in it and nobody else does. Of a cascade each rule has
 * many scans in one run, which their parameters tell apart.
 */
export function livingTitle(scan: Scan): string {
  const base = `${scan.namespace}/${runlessName(scan)}`;
  if (scan.scheduledBy !== undefined || scan.cascade === undefined) return fitted(base);
  return fitted(`${base} > ${scan.cascade.rules.join(" > ")}: ${scan.parameters.join(" ")}`.trim());
}

/** Of two long titles that begin alike the ends are told apart by a hash. */
function fitted(title: string): string {
  if (title.length <= LONGEST_TITLE) return title;
  const hash = sha256(title).slice(0, HASH_DIGITS);
  return `${title.slice(0, LONGEST_TITLE - HASH_DIGITS - 2).toWellFormed()}… ${hash}`;
}
