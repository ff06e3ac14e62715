import type { Delivery } from "../deferral.ts";
import type { ScanJob } from "../model/job.ts";
import type { JobOutcome } from "../progress.ts";
import { afterConflict } from "../sync/conflict.ts";
import { syncTest } from "../sync/sync-test.ts";
import type { FlowSettings } from "../types.ts";
import type { Claimed, Deduplicated, ImportPorts } from "./attempt.ts";
import { awaitDeduplication } from "./await-deduplication.ts";
import { claim } from "./claim.ts";
import { describeInDojo } from "./describe-test.ts";
import { ensureImported } from "./ensure-imported.ts";
import { withFreshIds } from "./import-context.ts";
import { indexTest } from "./index-test.ts";
import { prepare } from "./prepare.ts";
import { originOf } from "./same-run.ts";

/**
 * One job from its upload to its receipt: claim, prepare, ensure imported, await deduplication, write back with the receipt. Whatever was done before, by
 * deliveries that died at any point, is found in the bucket and in DefectDojo, and continued from there: the job ends as exactly one complete test and
 * one right findings.json.
 * @throws RelayError sorted by its class
 * @throws Deferral where the next delivery has to continue
 */
export async function importJob(
  job: ScanJob,
  ports: ImportPorts,
  settings: FlowSettings,
  delivery: Delivery,
): Promise<JobOutcome> {
  const leave = ports.load?.enter();
  try {
    return await importOnce(job, ports, settings, delivery);
  } finally {
    leave?.();
  }
}

async function importOnce(
  job: ScanJob,
  ports: ImportPorts,
  settings: FlowSettings,
  delivery: Delivery,
): Promise<JobOutcome> {
  const startedAt = ports.clock.now();
  const claimed = await claim({ job, ports, settings, delivery, startedAt, deliveryMs: delivery.remainingMs() });
  if ("outcome" in claimed) return claimed;
  try {
    return await work(claimed);
  } catch (error) {
    return await afterConflict(error, claimed.job, claimed.current.etag, ports.storage);
  }
}

async function work(claimed: Claimed): Promise<JobOutcome> {
  const prepared = await prepare(claimed);
  const imported = await withFreshIds(ensureImported, prepared);
  if ("outcome" in imported) return imported;
  const deduplicated = await awaitDeduplication(imported);
  await describeInDojo(deduplicated);
  await deduplicated.ledger.leave(deduplicated, deduplicated.context);
  await indexTest(deduplicated);
  return await writeBack(deduplicated);
}

/** How many findings of a living test are this run's, if there is a record of it. */
const keptOf = ({ living, total }: Deduplicated) => (living?.record === undefined ? undefined : total);

/** Writes the verdicts to the bucket; the receipt is written last. */
async function writeBack(attempt: Deduplicated): Promise<JobOutcome> {
  const { ports, settings, checkpoint, importedAt, startedAt, context, current } = attempt;
  const { metrics, clock } = ports;
  const { repairs = [], repairCount = 0, kept, expected } = checkpoint.now;
  const outcome = await syncTest(
    {
      job: attempt.job,
      options: attempt.options,
      place: context,
      testId: attempt.testId,
      scanType: attempt.scanType,
      importedAs: attempt.importedAs,
      fellBack: attempt.fellBack,
      total: attempt.total,
      statistics: attempt.statistics,
      uploaded: attempt.uploaded,
      kept: attempt.living === undefined ? (kept ?? expected ?? attempt.total) : keptOf(attempt),
      deduplication: attempt.deduplication,
      living: attempt.living,
      origin: checkpoint.now.upload?.origin ?? (await originOf(attempt.job, ports.storage)),
      repairs,
      repairCount,
      warnings: attempt.warnings,
      // An overwritten upload was kept before.
      current: { etag: current.etag, own: current.overwritten },
      startedAt,
      timings: { importMs: importedAt - startedAt, deduplicationMs: clock.now() - importedAt },
    },
    ports,
    settings,
  );
  metrics.add("ImportDuration", importedAt - startedAt);
  metrics.add("FindingsImported", outcome.receipt?.inDojo?.count ?? 0);
  metrics.add("FindingsNew", outcome.receipt?.new ?? 0);
  metrics.add("FindingsOnlyInScan", outcome.receipt?.onlyInScan ?? 0);
  return outcome;
}
