import { RelayError } from "../errors.ts";
import { uri } from "../model/object-keys.ts";
import { GENERIC } from "../model/scan-types.ts";
import type { Imported } from "./attempt.ts";

/**
 * How many findings the test has, checked against the report. Only this delivery's own import must be complete: after an earlier one somebody may
 * have deleted findings, which is reported but does not fail the job.
 * @throws RelayError `import-incomplete`
 */
export async function countKept(attempt: Imported): Promise<{ total: number; warnings: string[] }> {
  const { answer, testId, importedAs, job, ports, checkpoint } = attempt;
  const { expected } = checkpoint.now;
  const total = answer?.total ?? (await ports.dojo.findingCount(testId));
  if (importedAs !== GENERIC || expected === undefined || total === expected) return { total, warnings: [] };
  const kept = `DefectDojo keeps ${total} of ${expected} findings in test ${testId}`;
  if (answer !== undefined) throw new RelayError("import-incomplete", `${uri(job)}: ${kept}`, { object: uri(job) });
  const warning = `${kept}; it was imported by an earlier delivery or without an answer`;
  ports.log.warn(warning, { object: uri(job) });
  return { total, warnings: [warning] };
}
