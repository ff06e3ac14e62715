import { RelayError } from "../errors.ts";
import { readAnnotations } from "../model/annotations.ts";
import { jobKey, type ScanJob } from "../model/job.ts";
import { uri } from "../model/object-keys.ts";
import { type Receipt, writtenBackBy } from "../model/receipt.ts";
import { dropUndefined } from "../model/scan.ts";
import { readReceipt } from "../ports/receipt-store.ts";
import type { JobOutcome } from "../progress.ts";
import type { FlowPorts, FlowSettings } from "../types.ts";
import { afterConflict } from "./conflict.ts";
import { syncTest } from "./sync-test.ts";

/**
 * Reads the test of a finished job again and writes today's verdicts over findings.json, if they changed and that is still our own write-back. Imports
 * nothing.
 * @throws RelayError `job-invalid` where there is no receipt to start from, `dojo-not-found` where the test was deleted
 */
export async function resyncJob(job: ScanJob, ports: FlowPorts, settings: FlowSettings): Promise<JobOutcome> {
  const { storage, dojo, clock, log } = ports;
  const startedAt = clock.now();
  const [stored, head] = await Promise.all([readReceipt(storage, job, log), storage.head(job)]);
  if (head === undefined) return { outcome: "superseded", why: `${uri(job)} was deleted` };
  if (stored === undefined) {
    throw new RelayError("job-invalid", `${uri(job)} has no receipt to sync again from: it has to be imported first`, {
      object: uri(job),
    });
  }
  const { receipt } = stored;
  const imported = asImported(job, receipt);
  const syncBack = receipt.outcome === "synced";
  const ours = syncBack ? writtenBackBy(job, head.metadata) === receipt.jobKey : head.etag === receipt.etag;
  if (!ours || jobKey(imported) !== receipt.jobKey) {
    return { outcome: "superseded", why: `${uri(job)} is no longer what was synced` };
  }
  const tests = await dojo.testsByBuildId(receipt.jobKey);
  if (!tests.some(({ id }) => id === receipt.test.id)) {
    throw new RelayError("dojo-not-found", `test ${receipt.test.id} of ${uri(job)} is no longer in DefectDojo`, {
      object: uri(job),
    });
  }
  if (
    job.look !== undefined &&
    (await dojo.findingCount(receipt.test.id, true)) === (receipt.markedDuplicate ?? receipt.duplicates)
  )
    return { outcome: "done-before", receipt };
  const { options } = readAnnotations(job.scan, uri(job));
  const sync = syncTest(
    {
      job: imported,
      options: { ...options, testTitle: receipt.test.name },
      place: { productType: receipt.productType, product: receipt.product, engagement: receipt.engagement },
      testId: receipt.test.id,
      scanType: receipt.scanType,
      importedAs: receipt.importedAs,
      fellBack: receipt.fellBack,
      total: undefined,
      kept: receipt.kept,
      deduplication: receipt.deduplication,
      repairs: receipt.repairs,
      repairCount: receipt.repairCount,
      warnings: receipt.warnings,
      current: { etag: head.etag, own: syncBack },
      last: syncBack ? receipt : undefined,
      startedAt,
      timings: {},
    },
    ports,
    { ...settings, syncBack, syncMode: receipt.syncMode },
  );
  return await sync.catch((error: unknown) => afterConflict(error, imported, head.etag, storage));
}

/** The job that wrote the receipt, with the key that it had: a receipt without a run is one of an earlier version. */
function asImported(job: ScanJob, { etag, run, ...receipt }: Receipt): ScanJob {
  const sequencer = job.sequencer ?? receipt.sequencer;
  const keyed = run === undefined ? ({ keyedBy: "upload" } as const) : {};
  return { ...job, kind: "import", etag, ...dropUndefined({ sequencer }), ...keyed };
}
