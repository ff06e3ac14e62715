import { RelayError } from "../errors.ts";
import { readAnnotations } from "../model/annotations.ts";
import { jobKey, type ScanJob } from "../model/job.ts";
import { uri } from "../model/object-keys.ts";
import { type Receipt, writtenBackBy } from "../model/receipt.ts";
import { dropUndefined } from "../model/scan.ts";
import type { DefectDojo, LivingRun } from "../ports/defectdojo.ts";
import { readReceipt, writeReceipt } from "../ports/receipt-store.ts";
import type { JobOutcome } from "../progress.ts";
import type { FlowPorts, FlowSettings } from "../types.ts";
import { afterConflict } from "./conflict.ts";
import { syncTest } from "./sync-test.ts";

/**
 * Reads the test of a finished job again and overwrites findings.json with current verdicts, if they changed and it is still our own write-back. Imports
 * nothing.
 * @throws RelayError `job-invalid` if there is no receipt to start from
 */
export async function resyncJob(job: ScanJob, ports: FlowPorts, settings: FlowSettings): Promise<JobOutcome> {
  const { storage, dojo, clock, log } = ports;
  const startedAt = clock.now();
  const [stored, head] = await Promise.all([readReceipt(storage, job, log), storage.head(job)]);
  if (head === undefined) return { outcome: "superseded", why: `${uri(job)} was deleted` };
  if (stored === undefined) {
    throw new RelayError("job-invalid", `${uri(job)} has no receipt to resync from: it has to be imported first`, {
      object: uri(job),
    });
  }
  const { receipt } = stored;
  if (receipt.outcome === "outdated") return { outcome: "outdated", receipt, why: NOT_SYNCED.outdated };
  const imported = asImported(job, receipt);
  const syncBack = receipt.outcome === "synced";
  const ours = syncBack ? writtenBackBy(job, head.metadata) === receipt.jobKey : head.etag === receipt.etag;
  if (!ours || jobKey(imported) !== receipt.jobKey) {
    return { outcome: "superseded", why: `${uri(job)} is no longer what was synced` };
  }
  const found = await findTest(receipt, dojo);
  if (found === "gone") return await noteDeletedTest(imported, receipt, ports);
  if (found === "taken") {
    return {
      outcome: "superseded",
      why: `test ${receipt.test.id} belongs to a later run, and there is no record of this one's findings`,
    };
  }
  const { living } = found;
  if (
    living === undefined &&
    job.look !== undefined &&
    (await dojo.findingCount(receipt.test.id, true)) === (receipt.markedDuplicate ?? receipt.duplicates)
  )
    return { outcome: "done-before", receipt };
  // Renames in the minutes between an import and its second look are ignored.
  const place = job.look === undefined ? await dojo.placeOfTest(receipt.test.id) : undefined;
  const again = { ...testOf(receipt, imported), living, current: { etag: head.etag, own: syncBack }, startedAt };
  const sync = syncTest({ ...again, place: place ?? receipt, last: syncBack ? receipt : undefined }, ports, {
    ...settings,
    syncBack,
    syncMode: receipt.syncMode,
  });
  return await sync.catch((error: unknown) => afterConflict(error, imported, head.etag, storage));
}

/** Why a scan with a receipt of this outcome has nothing to sync. */
export const NOT_SYNCED = {
  imported: "imported in read-only mode: its findings are not the relay's",
  outdated: "a later run of its living test was imported before, and nothing of this one",
} as const;

/** The test of a receipt, with what its run did to it if it is a living one; `taken` where only the newest run's findings can be told. */
async function findTest(
  { importMode, testImport, interruptedSince: since, jobKey: key, test }: Receipt,
  dojo: DefectDojo,
): Promise<{ readonly living?: LivingRun } | "gone" | "taken"> {
  if (importMode !== "reimport") {
    const tests = await dojo.testsByBuildId(key);
    return tests.some(({ id }) => id === test.id) ? {} : "gone";
  }
  if (testImport !== undefined) {
    const record = await dojo.importRecord(testImport);
    return record === undefined ? "gone" : { living: { record, records: 1, since } };
  }
  const present = await dojo.test(test.id);
  if (present === undefined) return "gone";
  return present.buildId === key ? { living: { record: undefined, records: 0 } } : "taken";
}

/** The data of a receipt about its test. */
function testOf(receipt: Receipt, job: ScanJob) {
  const { options } = readAnnotations(job.scan, uri(job));
  const { test, scanType, importedAs, fellBack, kept, deduplication, origin, repairs, repairCount } = receipt;
  const warnings = receipt.warnings.filter((warning) => warning !== goneWarning(receipt));
  return {
    ...{ job, options: { ...options, testTitle: test.name }, testId: test.id, scanType, importedAs, fellBack },
    ...{ total: undefined, kept, deduplication, origin, repairs, repairCount, warnings, timings: {} },
  };
}

const goneWarning = ({ test }: Receipt) =>
  `test ${test.id} is no longer in DefectDojo: the verdicts are those of the last sync`;

/**
 * Records once in the receipt that the test was deleted: the findings and their last verdicts stay, because people also delete tests to clean up.
 */
async function noteDeletedTest(imported: ScanJob, receipt: Receipt, { storage, log }: FlowPorts): Promise<JobOutcome> {
  const why = `test ${receipt.test.id} of ${uri(imported)} is no longer in DefectDojo`;
  const warning = goneWarning(receipt);
  if (!receipt.warnings.includes(warning)) {
    log.warn(why, { object: uri(imported) });
    const warnings = [...receipt.warnings, warning];
    await writeReceipt({ storage, log }, imported, { ...receipt, warnings }, async () => true);
  }
  return { outcome: "superseded", why };
}

/** The job that wrote the receipt, with its key: a receipt without a run is from an earlier version. */
function asImported(job: ScanJob, { etag, run, ...receipt }: Receipt): ScanJob {
  const sequencer = job.sequencer ?? receipt.sequencer;
  const keyed = run === undefined ? ({ keyedBy: "upload" } as const) : {};
  return { ...job, kind: "import", etag, ...dropUndefined({ sequencer }), ...keyed };
}
