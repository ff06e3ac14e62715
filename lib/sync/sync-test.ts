import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ImportOptions } from "../model/annotations.ts";
import type { ScanJob } from "../model/job.ts";
import { originalOf, uri } from "../model/object-keys.ts";
import { type Receipt, writtenBackBy } from "../model/receipt.ts";
import { dropUndefined } from "../model/scan.ts";
import { GENERIC } from "../model/scan-types.ts";
import type { ImportStatistics, LivingRun, Named } from "../ports/defectdojo.ts";
import { writeReceipt } from "../ports/receipt-store.ts";
import type { JobOutcome } from "../progress.ts";
import type { ScanFinding } from "../report/findings-file.ts";
import { checkFindings, storedFindings, streamFindings } from "../report/report.ts";
import {
  counting,
  countSeverity,
  type SeverityCounts,
  severityCounts,
  type UploadedCounts,
  uploadedCounts,
} from "../report/uploaded-counts.ts";
import type { FlowPorts, FlowSettings } from "../types.ts";
import { compared, fewerWarning } from "./comparison.ts";
import { withFewerFindings } from "./fewer-findings.ts";
import { type LastKnown, lastKnown } from "./last-known.ts";
import { type LastWriteBack, readLastWriteBack } from "./last-write-back.ts";
import { livingFindings } from "./living-findings.ts";
import { type Match, matchRow, relate } from "./match/match.ts";
import { MODES } from "./merge.ts";
import type { MergeContext } from "./merged-finding.ts";
import { receiptHead } from "./new-receipt.ts";
import { type Rewritten, rewriteFindings, saysTheSame } from "./rewrite.ts";
import { type Counts, countsOf, tally } from "./tally.ts";
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
  /** The upload's counts, where the report was made of it just now: it is not read again for them. */
  readonly uploaded?: UploadedCounts | undefined;
  /** How many findings the import kept, where that is known. */
  readonly kept?: number | undefined;
  /** What was known of its deduplication after the import, where that is known. */
  readonly deduplication: Receipt["deduplication"];
  /** Of a living test: only this run's findings are brought back. */
  readonly living?: LivingRun | undefined;
  /** As in the receipt. */
  readonly origin?: string | undefined;
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
  const { storage, clock, log } = ports;
  const { job } = test;
  const started = clock.now();
  const { found, changes, same } = await (settings.syncBack ? writeBack : countOnly)(test, ports, settings);
  const { imported, ...counts } = found;
  // What people deleted or changed since the import is no loss, and of a generic import every finding was counted already.
  const counted = test.importedAs === GENERIC && test.living === undefined;
  const comparable = imported !== undefined && test.last === undefined && !counted;
  const fewer = comparable ? fewerWarning(imported, counts.inDojo) : undefined;
  if (fewer !== undefined) log.warn(fewer, { object: uri(job), testId: test.testId });
  const warnings = withFewerFindings(test.warnings, counts, test.kept, settings.syncBack);
  for (const warning of warnings.filter((each) => !test.warnings.includes(each)))
    log.warn(warning, { object: uri(job) });
  const vanished = (counts.missing ?? 0) - (test.last?.missing ?? 0);
  if (vanished > 0) ports.metrics.add("FindingsMissing", vanished);
  const said = [...warnings, ...(fewer === undefined ? [] : [fewer])];
  const receipt = receiptOf(test, { counts, changes, warnings: said, started }, ports, settings);
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

/** The receipt of a sync that ends now. */
function receiptOf(
  test: TestToSync,
  read: {
    readonly counts: Omit<Found, "imported">;
    readonly changes: Synced["changes"];
    readonly warnings: string[];
    /** When the sync began; milliseconds since the epoch. */
    readonly started: number;
  },
  { dojo, clock }: FlowPorts,
  settings: FlowSettings,
): Receipt {
  const { job, place, scanType, importedAs, startedAt } = test;
  const { syncMode, syncBack } = settings;
  const finishedAt = clock.now();
  const told = { job, place, scanType, importedAs, syncMode, startedAt, finishedAt };
  const named = { id: test.testId, name: test.options.testTitle };
  return {
    ...receiptHead({ ...told, outcome: syncBack ? "synced" : "imported", test: named }, dojo),
    ...dropUndefined({
      fellBack: test.fellBack,
      kept: test.kept,
      deduplication: test.deduplication,
      origin: test.origin,
    }),
    ...livingOf(test),
    ...read.counts,
    ...read.changes,
    repairs: [...test.repairs],
    repairCount: test.repairCount,
    warnings: read.warnings,
    timings: { ...test.timings, syncMs: finishedAt - read.started, totalMs: finishedAt - startedAt },
  };
}

/** What the receipt tells of a run in a living test, beside its counts. */
function livingOf({ living }: TestToSync) {
  if (living === undefined) return {};
  const { record, since } = living;
  const recorded = record === undefined ? {} : { testImport: record.id, closed: record.closed.length };
  const told = { importMode: "reimport", runFindings: record === undefined ? "assumed" : "recorded" } as const;
  return { ...told, ...recorded, ...dropUndefined({ interruptedSince: since }) };
}

/** What the receipt tells of findings. */
type Found = Counts &
  Pick<Receipt, "uploaded" | "matched" | "onlyInScan" | "onlyInDojo"> & {
    readonly inDojo: SeverityCounts;
    /** Of what was uploaded what the minimum severity lets through, where the upload is there. */
    readonly imported: SeverityCounts | undefined;
  };

/** What became of findings.json, and its counts. */
interface Synced extends Partial<Rewritten> {
  readonly found: Found;
}

/** Counts the findings on both sides without reading DefectDojo's (read-only mode). */
async function countOnly(test: TestToSync, ports: FlowPorts, settings: FlowSettings): Promise<Synced> {
  if (test.living !== undefined) return await countRun(test, ports, settings);
  const { dojo, storage } = ports;
  const { job, options } = test;
  const uploadNow = { storage, job: { ...job, etag: test.current.etag }, limits: settings.limits };
  const [uploaded, found] = await Promise.all([
    test.uploaded ?? checkFindings(uploadNow, options.minimumSeverity),
    dojo.countFindings(test.testId, test.statistics),
  ]);
  const counts = countsOf(found);
  const { count, severities } = counts.findings;
  const inDojo = { count, severities: { ...severities } };
  const missing = Math.max(0, (test.kept ?? 0) - count);
  const left = { ...counts, ...(missing === 0 ? {} : { missing }) };
  return { found: { ...left, uploaded: uploaded.all, imported: uploaded.imported, inDojo } };
}

/** The same of one run in a living test, whose findings nothing but their ids tell from others'. */
async function countRun(test: TestToSync, ports: FlowPorts, settings: FlowSettings): Promise<Synced> {
  const known = lastKnown(undefined, test.kept, () => storedFindings(ports.storage, test.job, test.current.etag));
  const sides = await bothSides(test, ports, settings, { known, lastWriteBack: undefined });
  const counts = tally(true);
  for await (const { verdicts, written } of sides.inDojo) counts.add(verdicts, written);
  return { found: { ...counts.counts(), ...sides.compared() } };
}

/** Writes today's findings over the scan's; a resync only where they differ. */
async function writeBack(test: TestToSync, ports: FlowPorts, settings: FlowSettings): Promise<Synced> {
  const { storage, log } = ports;
  const { job, current, last } = test;
  const lastWriteBack = last && (await readLastWriteBack(storage, job, current.etag, log));
  const place = { storage, job, currentEtag: current.etag };
  if (!current.own) await keepOriginal(place);
  const known = lastKnown(lastWriteBack, test.kept, () => storedFindings(storage, job, current.etag));
  const sides = await bothSides(test, ports, settings, { known, lastWriteBack });
  const counts = tally(test.living !== undefined);
  const folder = await mkdtemp(join(tmpdir(), "dojo-relay-sync-"));
  let rewritten: Partial<Rewritten> = {};
  try {
    const findings = MODES[settings.syncMode]({ ...sides, folder });
    if (last === undefined || lastWriteBack === undefined) await writeFindings(place, findings, counts);
    else {
      const startedAt = new Date(test.startedAt).toISOString();
      rewritten = await rewriteFindings({ ...place, lastWriteBack, last, startedAt }, findings, counts);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const counted = counts.counts();
  const missing = Math.max(counted.missing ?? 0, known.gone(), known.lost());
  return { found: { ...counted, ...sides.compared(), ...(missing === 0 ? {} : { missing }) }, ...rewritten };
}

/** The scanner's findings, seen already, and DefectDojo's, which are related to them as they are read. */
async function bothSides(
  test: TestToSync,
  ports: FlowPorts,
  settings: FlowSettings,
  { known, lastWriteBack }: { readonly known: LastKnown; readonly lastWriteBack: LastWriteBack | undefined },
) {
  const { storage, dojo } = ports;
  const { job, current, options, testId, living, importedAs } = test;
  const { minimumSeverity } = options;
  const written = lastWriteBack && [...lastWriteBack.ids];
  const run = living && (await livingFindings(dojo, { testId, importedAs, minimumSeverity, living, written }));
  const original = originalOf(job);
  // Our own write-back has taken the upload's place.
  const upload = current.own ? await storage.read(original) : await storage.read(job, current.etag);
  const uploaded = uploadedCounts();
  const relation = relate(matchRow(importedAs, living !== undefined), minimumSeverity);
  const add = (finding: ScanFinding) => {
    relation.addScanner(finding);
    run?.addScanner(finding);
  };
  const findings = upload && counting(streamFindings(upload, job, settings.limits), uploaded, minimumSeverity);
  for await (const finding of findings ?? []) add(finding);
  const counted = severityCounts();
  let markedDuplicate = 0;
  const context: MergeContext = {
    scan: job.scan,
    now: lastWriteBack?.scanCreatedAt ?? new Date(test.startedAt).toISOString(),
    url: (kind, id) => dojo.url(kind, id),
    testId,
    // A living test has a finding's severity of the run that found it first.
    generic: importedAs === GENERIC && living === undefined,
    statusOf: run?.statusOf,
  };
  const pages = run === undefined ? dojo.findingPages(testId, test.total) : dojo.findingsById(run.ids());
  let resolved: readonly Match[] | undefined;
  const matches = () => {
    resolved ??= relation.resolve();
    return resolved;
  };
  return {
    context,
    matches,
    uploaded: async () => streamFindings(await storage.read(original), original, settings.limits),
    inDojo: replaced(pages, context, (finding) => {
      relation.addDojo(finding);
      known.seen(finding.id);
      countSeverity(counted, finding.severity);
      if (finding.duplicate) markedDuplicate++;
    }),
    last: known,
    /** Once all findings were read. Whoever removed the kept upload of an earlier import has nothing left to compare with. */
    compared: () => {
      if (upload === undefined) return { inDojo: counted, imported: undefined, markedDuplicate };
      const { all, imported } = uploaded;
      return { uploaded: all, imported, inDojo: counted, markedDuplicate, ...compared(matches(), counted.count) };
    },
  };
}
