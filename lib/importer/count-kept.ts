import { RelayError } from "../errors.ts";
import { uri } from "../model/object-keys.ts";
import { GENERIC } from "../model/scan-types.ts";
import type { ImportRecord } from "../ports/defectdojo.ts";
import { countOf } from "../util/text.ts";
import type { Imported } from "./attempt.ts";

/**
 * How many findings the test has, checked against the report. Only this delivery's own import must be complete: after an earlier one somebody may
 * have deleted findings, which is reported but does not fail the job.
 * @throws RelayError `import-incomplete`
 */
export async function countKept(attempt: Imported): Promise<{ total: number; warnings: string[] }> {
  const { answer, testId, importedAs, job, ports, checkpoint, living } = attempt;
  const { expected } = checkpoint.now;
  const record = living?.record;
  const total = answer?.total ?? (record === undefined ? await ports.dojo.findingCount(testId) : foundIn(record));
  // A reimport merges identical findings.
  if (living !== undefined && record?.first !== true) return { total, warnings: [] };
  if (importedAs !== GENERIC || expected === undefined || total === expected) return { total, warnings: [] };
  const kept = `DefectDojo keeps ${total} of ${countOf(expected, "finding")} in test ${testId}`;
  if (answer !== undefined) throw new RelayError("import-incomplete", `${uri(job)}: ${kept}`, { object: uri(job) });
  const warning = `${kept}; it was imported by an earlier delivery or without a response`;
  ports.log.warn(warning, { object: uri(job) });
  return { total, warnings: [warning] };
}

/** How many findings a run found, according to its record. */
const foundIn = ({ new: created, known, reactivated }: ImportRecord) =>
  created.length + known.length + reactivated.length;
