import { isDeepStrictEqual } from "node:util";
import { RelayError } from "../errors.ts";
import type { ImportContext } from "../importer/import-context.ts";
import { DOJO_SEVERITIES, type ImportOptions } from "../model/annotations.ts";
import { jobKey, jobRun, type ScanJob } from "../model/job.ts";
import { originalOf, uri } from "../model/object-keys.ts";
import { type Receipt, readChangesMetadata, writtenBackBy } from "../model/receipt.ts";
import { dropUndefined } from "../model/scan.ts";
import { GENERIC } from "../model/scan-types.ts";
import type { ImportStatistics } from "../ports/defectdojo.ts";
import { writeReceipt } from "../ports/receipt-store.ts";
import { streamFindings } from "../report/report.ts";
import { dojoSeverity } from "../report/to-generic-finding.ts";
import type { FlowPorts, FlowSettings, JobOutcome } from "../types.ts";
import { type LastWriteBack, readLastWriteBack } from "./last-write-back.ts";
import { mergeFindings } from "./merge.ts";
import { rewriteFindings } from "./rewrite.ts";
import { type Counts, countsOf, tally } from "./tally.ts";
import type { MappingContext } from "./to-synced-finding.ts";
import type { Changes } from "./verdict-changes.ts";
import { keepOriginal, replaced, writeFindings } from "./write-back.ts";

/** A complete test in DefectDojo, to be brought back into the bucket. */
export interface TestToSync {
  readonly job: ScanJob;
  readonly options: ImportOptions;
  readonly filed: Pick<ImportContext, "productType" | "product" | "engagement">;
  readonly testId: number;
  readonly scanType: string;
  readonly importedAs: string;
  readonly fellBack: string | undefined;
  /** How many findings the test has, where that is known. */
  readonly total: number | undefined;
  /** What the import's own answer counted, where there was one: in read-only mode it is not asked for again. */
  readonly statistics?: ImportStatistics | undefined;
  /** What was known of its deduplication after the import, where that is known. */
  readonly deduplication: Receipt["deduplication"];
  readonly repairs: readonly string[];
  readonly repairCount: number;
  readonly warnings: readonly string[];
  /** ETag that findings.json has now, and whether that is our own write-back. */
  readonly current: { readonly etag: string; readonly own: boolean };
  /** Of a resync: the receipt of the last sync. Only what differs is written. */
  readonly last?: Receipt | undefined;
  readonly startedAt: number;
  readonly timings: Record<string, number>;
}

/**
 * Reads the test back and writes, in this order: the upload beside the findings, the findings with DefectDojo's verdicts, the receipt. In read-only
 * mode the findings are counted by DefectDojo, and the receipt alone is written.
 * @throws RelayError `storage-precondition` if somebody wrote findings.json meanwhile; it is theirs then
 */
export async function syncTest(test: TestToSync, ports: FlowPorts, settings: FlowSettings): Promise<JobOutcome> {
  const { storage, dojo, clock, log } = ports;
  const { job } = test;
  const syncMode = test.importedAs === GENERIC ? settings.syncMode : "replace";
  const started = clock.now();
  const { counts, changes, same }: Synced = settings.syncBack
    ? await writeBack(test, ports, { ...settings, syncMode })
    : { counts: countsOf(await dojo.countFindings(test.testId, test.statistics)) };
  const finished = clock.now();
  const { productType, product, engagement } = test.filed;
  const receipt: Receipt = {
    version: 1,
    jobKey: jobKey(job),
    outcome: settings.syncBack ? "synced" : "imported",
    findingsKey: job.key,
    etag: job.etag,
    scan: dropUndefined({
      name: job.scan.name,
      namespace: job.scan.namespace,
      scanType: job.scan.scanType,
      uid: job.scan.uid,
    }),
    scanType: test.scanType,
    importedAs: test.importedAs,
    ...dropUndefined({
      run: jobRun(job),
      sequencer: job.sequencer,
      fellBack: test.fellBack,
      deduplication: test.deduplication,
    }),
    syncMode,
    productType: { id: productType.id, name: productType.name, url: dojo.url("product/type", productType.id) },
    product: { id: product.id, name: product.name, url: dojo.url("product", product.id) },
    engagement: { id: engagement.id, name: engagement.name, url: dojo.url("engagement", engagement.id) },
    test: { id: test.testId, name: test.options.testTitle, url: dojo.url("test", test.testId) },
    ...counts,
    ...changes,
    repairs: [...test.repairs],
    repairCount: test.repairCount,
    warnings: [...test.warnings],
    startedAt: new Date(test.startedAt).toISOString(),
    finishedAt: new Date(finished).toISOString(),
    timings: { ...test.timings, syncMs: finished - started, totalMs: finished - test.startedAt },
  };
  if (same && test.last !== undefined && saysTheSame(test.last, receipt)) {
    return { outcome: "synced", receipt: test.last, why: "nothing changed, nothing was written" };
  }
  const stillOurs = async () => {
    const head = await storage.head(job);
    if (head === undefined) return false;
    return writtenBackBy(job, head.metadata) === receipt.jobKey || (!settings.syncBack && head.etag === job.etag);
  };
  if (!(await writeReceipt(storage, job, receipt, log, stillOurs))) {
    return { outcome: "superseded", why: `${uri(job)} is another's by now` };
  }
  return { outcome: receipt.outcome, receipt };
}

/** What became of findings.json. */
interface Synced {
  readonly counts: Counts;
  /** Of a resync: what it found changed, or the last one did. */
  readonly changes?: Partial<Changes>;
  /** Findings and receipt are those of the last sync. */
  readonly same?: boolean;
}

/** Writes today's findings over the scan's; a resync only where they differ. */
async function writeBack(test: TestToSync, ports: FlowPorts, settings: FlowSettings): Promise<Synced> {
  const { storage, dojo, log } = ports;
  const { job, current, last } = test;
  const lastWriteBack = last && (await readable(readLastWriteBack(storage, job, current.etag), log));
  const startedAt = new Date(test.startedAt).toISOString();
  const mapping: MappingContext = {
    scan: job.scan,
    now: lastWriteBack?.scanCreatedAt ?? startedAt,
    url: (kind, id) => dojo.url(kind, id),
  };
  if (!current.own) await keepOriginal(storage, job);
  const counts = tally();
  const inDojo = replaced(dojo, test.testId, test.total, mapping);
  const findings = settings.syncMode === "merge" ? await merged(test, inDojo, ports, settings, mapping) : inDojo;
  if (last === undefined || lastWriteBack === undefined) {
    await writeFindings(storage, job, findings, counts, current.etag);
    return { counts: counts.counts() };
  }
  const target = { storage, job, etag: current.etag, last: lastWriteBack, since: last.startedAt, startedAt };
  const changes = await rewriteFindings(target, findings, counts);
  if (changes !== undefined) return { counts: counts.counts(), changes };
  // A resync that died between findings and receipt has left what it found changed in the metadata alone.
  const told = readChangesMetadata(lastWriteBack.metadata);
  const same = told === undefined || told.startedAt === last.startedAt;
  const kept = same ? lastChanges(last) : { changed: [], changedCount: told.changedCount };
  return { counts: counts.counts(), changes: kept, same };
}

/** What cannot be read is written anew. */
async function readable(reading: Promise<LastWriteBack>, log: FlowPorts["log"]): Promise<LastWriteBack | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (!(error instanceof RelayError) || error.reason !== "findings-invalid") throw error;
    log.warn("the last write-back cannot be read and is written anew", { error });
    return undefined;
  }
}

const lastChanges = ({ changed, changedCount }: Receipt): Partial<Changes> => dropUndefined({ changed, changedCount });

/** Whether two receipts differ in nothing but when and how long. */
function saysTheSame(last: Receipt, now: Receipt): boolean {
  const timeless = (receipt: Receipt) => ({ ...receipt, startedAt: "", finishedAt: "", timings: {} });
  return isDeepStrictEqual(timeless(last), timeless(now));
}

async function merged(
  test: TestToSync,
  inDojo: ReturnType<typeof replaced>,
  { storage }: FlowPorts,
  settings: FlowSettings,
  mapping: MappingContext,
) {
  const original = originalOf(test.job);
  const least = DOJO_SEVERITIES.indexOf(test.options.minimumSeverity);
  return mergeFindings(
    streamFindings(await storage.read(original), original, settings.limits),
    inDojo,
    (finding) => DOJO_SEVERITIES.indexOf(dojoSeverity(finding.severity) ?? "Info") <= least,
    mapping,
  );
}
