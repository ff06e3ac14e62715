import { uri } from "../model/object-keys.ts";
import { GENERIC } from "../model/scan-types.ts";
import type { Test } from "../ports/defectdojo.ts";
import { checkFindings } from "../report/report.ts";
import { countOf } from "../util/text.ts";
import type { Prepared } from "./attempt.ts";
import { type Checkpoint, UNSENT } from "./checkpoint.ts";

/**
 * Whether a complete test is to be replaced by a generic import, as `ON_FEWER_FINDINGS=generic` asks for if DefectDojo's parser kept fewer findings than the
 * scanner found. Recorded before anything is removed: a later delivery then neither accepts that test nor sends the raw result again.
 */
export async function keepsFewer(attempt: Prepared, test: Test): Promise<boolean> {
  const { settings, current, upload: job, options, ports, checkpoint } = attempt;
  // A test that was once written back is this job's, whatever was deleted from it since.
  if (settings.onFewerFindings === "keep" || test.scanType === GENERIC || current.own) return false;
  const upload = { storage: ports.storage, job, limits: settings.limits };
  const { imported } = await checkFindings(upload, options.minimumSeverity);
  const kept = checkpoint.now.kept ?? (await ports.dojo.findingCount(test.id));
  if (kept >= imported.count) return false;
  const fellBack = `DefectDojo's parser ${JSON.stringify(test.scanType)} kept ${kept} of ${countOf(imported.count, "finding")}`;
  ports.log.warn(`${fellBack}; they are imported as ${GENERIC} instead`, { object: uri(attempt.job), testId: test.id });
  await checkpoint.save({ ...UNSENT, fellBack, fellBackIn: undefined, replaces: test.id, kept: undefined });
  return true;
}

/** The checkpoint without a replacement that the operator no longer wants. */
export function wanted({ settings, checkpoint }: Prepared): Checkpoint {
  const { replaces, ...rest } = checkpoint.now;
  if (replaces === undefined || settings.onFewerFindings === "generic") return checkpoint.now;
  return { ...rest, fellBack: undefined };
}
