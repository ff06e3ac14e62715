import { uri } from "../model/object-keys.ts";
import type { Imported } from "./attempt.ts";

/**
 * What close-old-findings could not reach: it closes findings of the same test type only, so that a report which fell back to another type leaves those
 * of its own open (`close_old_findings` of DefectDojo's importers, 2.34 to 3.2).
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
  // The native import that was replaced has closed what it no longer found.
  if (checkpoint.now.replaces !== undefined) return [];
  const warning = `close-old-findings closed nothing of earlier ${JSON.stringify(scanType)} tests: the report was imported as ${JSON.stringify(importedAs)}`;
  ports.log.warn(warning, { object: uri(job) });
  return [warning];
}
