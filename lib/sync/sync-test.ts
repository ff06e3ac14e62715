import { DOJO_SEVERITIES, type ImportOptions } from "../model/annotations.ts";
import { jobKey, jobRun, type ScanJob } from "../model/job.ts";
import { originalOf, uri } from "../model/object-keys.ts";
import { type Receipt, writtenBackBy } from "../model/receipt.ts";
import { dropUndefined } from "../model/scan.ts";
import { GENERIC } from "../model/scan-types.ts";
import type { ImportStatistics, Named } from "../ports/defectdojo.ts";
import { writeReceipt } from "../ports/receipt-store.ts";
import type { Storage } from "../ports/storage.ts";
import type { JobOutcome } from "../progress.ts";
import type { ScanFinding } from "../report/findings-file.ts";
import { streamFindings } from "../report/report.ts";
import { dojoSeverity } from "../report/to-generic-finding.ts";
import type { FlowPorts, FlowSettings } from "../types.ts";
import { withFewerFindings } from "./fewer-findings.ts";
import { readLastWriteBack } from "./last-write-back.ts";
import { mergeFindings } from "./merge.ts";
import { type Rewritten, rewriteFindings, saysTheSame } from "./rewrite.ts";
import { type Counts, countsOf, tally } from "./tally.ts";
import type { MappingContext } from "./to-synced-finding.ts";
import { keepOriginal, replaced, writeFindings } from "./write-back.ts";

/** A complete test in DefectDojo, to be brought back into the bucket. */
export interface TestToSync {
  readonly job: ScanJob;
  readonly options: ImportOptions;
  /** What the test belongs to. */
  readonly place: { readonly productType: Named; readonly product: Named; readonly engagement: Named };
  readonly testId: number;
  readonly scanType: string;
  readonly importedAs: string;
  readonly fellBack: string | undefined;
  /** How many findings the test has, where that is known. */
  readonly total: number | undefined;
  /** What the import's own answer counted, where there was one: in read-only mode it is not asked for again. */
  readonly statistics?: ImportStatistics | undefined;
  /** How many findings the import kept, where that is known. */
  readonly kept?: number | undefined;
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
  const { storage, dojo, clock } = ports;
  const { job } = test;
  const syncMode = test.importedAs === GENERIC ? settings.syncMode : "replace";
  const started = clock.now();
  const { counts, changes, same }: Synced = settings.syncBack
    ? await writeBack(test, ports, { ...settings, syncMode })
    : { counts: countsOf(await dojo.countFindings(test.testId, test.statistics)) };
  const { warnings, missing } = withFewerFindings(test.warnings, test.kept, counts.findings.count);
  if (missing > 0) {
    ports.log.warn("findings of the import are no longer in DefectDojo", { object: uri(job), missing });
    ports.metrics.add("FindingsMissing", missing);
  }
  const finished = clock.now();
  const { productType, product, engagement } = test.place;
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
      kept: test.kept,
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
    warnings,
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
  if (!(await writeReceipt(ports, job, receipt, stillOurs))) {
    return { outcome: "superseded", why: `${uri(job)} is another's by now` };
  }
  return { outcome: receipt.outcome, receipt };
}

/** What became of findings.json, and its counts. */
interface Synced extends Partial<Rewritten> {
  readonly counts: Counts;
}

/** Writes today's findings over the scan's; a resync only where they differ. */
async function writeBack(test: TestToSync, ports: FlowPorts, settings: FlowSettings): Promise<Synced> {
  const { storage, dojo, log } = ports;
  const { job, current, last } = test;
  const lastWriteBack = last && (await readLastWriteBack(storage, job, current.etag, log));
  const startedAt = new Date(test.startedAt).toISOString();
  const mapping: MappingContext = {
    scan: job.scan,
    now: lastWriteBack?.scanCreatedAt ?? startedAt,
    url: (kind, id) => dojo.url(kind, id),
  };
  if (!current.own) await keepOriginal(storage, job);
  const counts = tally();
  const inDojo = replaced(dojo, test.testId, test.total, mapping);
  const findings =
    settings.syncMode === "merge"
      ? mergeFindings(await uploaded(test, storage, settings), inDojo, isImported(test), mapping)
      : inDojo;
  const place = { storage, job, currentEtag: current.etag };
  if (last === undefined || lastWriteBack === undefined) {
    await writeFindings(place, findings, counts);
    return { counts: counts.counts() };
  }
  const rewritten = await rewriteFindings({ ...place, lastWriteBack, last, startedAt }, findings, counts);
  return { counts: counts.counts(), ...rewritten };
}

/** The findings as they were uploaded. */
async function uploaded({ job }: TestToSync, storage: Storage, { limits }: FlowSettings) {
  const original = originalOf(job);
  return streamFindings(await storage.read(original), original, limits);
}

/** Whether a finding was severe enough to be imported. */
function isImported({ options }: TestToSync): (finding: ScanFinding) => boolean {
  const least = DOJO_SEVERITIES.indexOf(options.minimumSeverity);
  return (finding) => DOJO_SEVERITIES.indexOf(dojoSeverity(finding.severity) ?? "Info") <= least;
}
