import { uri } from "../model/object-keys.ts";
import type { Imported } from "./attempt.ts";

/** A receipt's warnings about a run in a living test. */
export function livingWarnings(attempt: Imported): string[] {
  const { living, testId, job, ports } = attempt;
  if (living === undefined) return [];
  const warnings = [
    living.record === undefined &&
      `DefectDojo keeps no import history (DD_TRACK_IMPORT_HISTORY): this run's findings are assumed to be those of test ${testId} that are not closed`,
    living.records > 1 &&
      `DefectDojo has ${living.records} records of this report: it was sent again because no response came, which changed nothing else`,
    fellBackInto(attempt),
  ].filter((warning) => typeof warning === "string");
  for (const warning of warnings) ports.log.warn(warning, { object: uri(job) });
  return warnings;
}

function fellBackInto({ fellBack, scanType, importedAs, testId, options }: Imported): string | undefined {
  if (fellBack === undefined || importedAs === scanType) return undefined;
  const closed = options.closeOldFindings ? "only its findings can be closed by this run" : "it is another test";
  return `the report is in test ${testId}, the living test for ${JSON.stringify(importedAs)}: ${closed}; those of the living test for ${JSON.stringify(scanType)} stay as they are until a report is imported as that type again`;
}
