import { uri } from "../model/object-keys.ts";
import type { Imported } from "./attempt.ts";

/**
 * Warns of what close-old-findings could not reach: it closes only findings of the same test type, so a report that fell back to another type leaves those
 * of its own type open (`close_old_findings` of DefectDojo's importers, 2.34 to 3.2).
 */
export function closingWarnings({
  fellBack,
  options,
  scanType,
  importedAs,
  living,
  job,
  ports,
  checkpoint,
}: Imported): string[] {
  if (living !== undefined || fellBack === undefined || !options.closeOldFindings || importedAs === scanType) return [];
  // The replaced native import has already closed what it no longer found.
  if (checkpoint.now.replaces !== undefined) return [];
  const warning = `close-old-findings closed nothing of earlier ${JSON.stringify(scanType)} tests: the report was imported as ${JSON.stringify(importedAs)}`;
  ports.log.warn(warning, { object: uri(job) });
  return [warning];
}
