import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RelayError } from "../errors.ts";
import { type ImportOptions, readAnnotations } from "../model/annotations.ts";
import { jobKey, type ScanJob } from "../model/job.ts";
import { uri } from "../model/object-keys.ts";
import { dropUndefined, type Scan } from "../model/scan.ts";
import { dojoScanType, GENERIC } from "../model/scan-types.ts";
import type { ImportAnswer } from "../ports/defectdojo.ts";
import { checkFindings, fetchRawResult, isBlank, type Report, writeGenericReport } from "../report/report.ts";
import { syncTest } from "../sync/sync-test.ts";
import type { FlowPorts, FlowSettings, JobOutcome } from "../types.ts";
import type { Checkpoint, CheckpointStore } from "./checkpoint.ts";
import { afterConflict } from "./conflict.ts";
import { awaitDeduplication, patient } from "./deduplication.ts";
import { Deferral, type Delivery, MARGIN_MS } from "./deferral.ts";
import { day, type ImportContext, resolveImportContext, withFreshIds } from "./import-context.ts";
import { ensureImported, type Imported } from "./ledger.ts";
import { describeTest } from "./test-description.ts";
import { type Claim, whoOwns } from "./who-owns.ts";

export interface ImportPorts extends FlowPorts {
  readonly pending: CheckpointStore;
  /** The Scan that lies beside the findings now; undefined where nobody can read it. */
  readonly currentScan?: (() => Promise<Scan | undefined>) | undefined;
  /** Told the job with the key that it goes by, as soon as that is settled. */
  readonly onKey?: ((job: ScanJob) => void) | undefined;
  /** Called where there is something to do; what it throws is thrown. */
  readonly beforeWork?: (() => Promise<void>) | undefined;
}

/**
 * One job from its upload to its receipt. Whatever was done before, by deliveries that died at any point, is found in the bucket and in DefectDojo,
 * and gone on from: the job ends as exactly one complete test and one right findings.json.
 * @throws RelayError sorted by its class
 * @throws Deferral where the next delivery has to go on
 */
export async function importJob(
  given: ScanJob,
  ports: ImportPorts,
  settings: FlowSettings,
  delivery: Delivery,
): Promise<JobOutcome> {
  const claim = await whoOwns(given, ports, settings);
  if ("outcome" in claim) return claim;
  const { job } = claim;
  ports.onKey?.(job);
  await ports.beforeWork?.();
  const folder = await mkdtemp(join(tmpdir(), "dojo-relay-"));
  try {
    return await run(claim, folder, ports, settings, delivery);
  } catch (error) {
    return await afterConflict(error, job, claim.etag, ports.storage);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function run(
  claim: Claim,
  folder: string,
  ports: ImportPorts,
  settings: FlowSettings,
  delivery: Delivery,
): Promise<JobOutcome> {
  const { storage, dojo, clock, log, metrics, pending } = ports;
  const { job, upload, own } = claim;
  const key = jobKey(job);
  const startedAt = clock.now();
  const deliveryMs = delivery.remainingMs();
  const { options, warnings } = readAnnotations(job.scan, uri(job));
  for (const warning of warnings) log.warn(warning, { object: uri(job) });
  const scanType = dojoScanType(job.scan, settings.scanTypeMap);
  let filed: ImportContext | undefined;
  const file = async () => {
    filed = await resolveImportContext(dojo, job.scan, options, settings, new Date(clock.now()));
    return filed;
  };
  let note = await pending.read(job, key);
  /** What is known of the report that was sent, by this delivery or an earlier one. */
  let reported: Pick<Checkpoint, "repairs" | "repairCount" | "expected"> = note;

  /** The report for a scan type: the raw result, or the findings where no parser of DefectDojo takes that. */
  const prepare = async (wanted: string) => {
    const now = new Date(clock.now());
    const native = await nativeReport(wanted, upload, folder, ports, settings);
    let report = native.report;
    if (report === undefined) {
      const generic = await writeGenericReport(storage, upload, settings.limits, options.minimumSeverity, folder, now);
      const { repairs, repairCount, expected } = generic;
      reported = { expected, ...(repairCount > 0 ? { repairs: [...repairs], repairCount } : {}) };
      report = generic;
    } else reported = {};
    const under = await file();
    const type = native.report === undefined ? GENERIC : wanted;
    const send = () => sendReport(report, type, job, key, options, under, ports, now, delivery);
    return { scanType: type, fellBack: native.fellBack, expected: reported.expected, send };
  };

  const imported = await withFreshIds(dojo, log, () =>
    ensureImported({
      dojo,
      clock,
      delivery,
      log,
      jobKey: key,
      scanType,
      note,
      saveNote: async (changed) => {
        const { repairs, repairCount } = reported;
        note = { ...changed, repairs, repairCount };
        await pending.write(job, note);
      },
      prepare,
      timing: settings.ledger,
    }),
  );
  const importedAt = clock.now();
  if (imported.fellBack !== undefined) metrics.add("JobsFellBack");
  filed ??= await withFreshIds(dojo, log, file);
  const { total, warnings: tolerated } = await checkTotal(imported, reported.expected, job, ports);
  const said = imported.answer?.deduplicated;
  let duplicates: number | undefined;
  if (said !== true && total > 0) {
    // Our own write-back was made after such a wait.
    const behind = said === false || (imported.answer === undefined && !own);
    const timing = behind ? patient(settings.deduplication, deliveryMs) : settings.deduplication;
    duplicates = await awaitDeduplication(dojo, imported.testId, clock, delivery, timing);
  }
  await dojo.updateTest(
    imported.testId,
    describeTest(job.scan, options.testTitle, imported.importedAs, new Date(clock.now())),
  );
  const counted = imported.answer?.statistics;
  const outcome = await syncTest(
    {
      job,
      options,
      filed,
      testId: imported.testId,
      scanType,
      importedAs: imported.importedAs,
      fellBack: imported.fellBack,
      total,
      statistics: counted && { ...counted, duplicates: duplicates ?? counted.duplicates },
      deduplication: said === true ? "confirmed" : "assumed",
      repairs: reported.repairs ?? [],
      repairCount: reported.repairCount ?? 0,
      warnings: [...warnings, ...filed.warnings, ...tolerated],
      // An upload that was written over was kept before.
      current: { etag: claim.etag, own: claim.overwritten },
      startedAt,
      timings: { importMs: importedAt - startedAt, deduplicationMs: clock.now() - importedAt },
    },
    ports,
    settings,
  );
  metrics.add("ImportDuration", importedAt - startedAt);
  metrics.add("FindingsImported", outcome.receipt?.kept?.count ?? 0);
  metrics.add("FindingsNew", outcome.receipt?.new ?? 0);
  metrics.add("FindingsOnlyInScan", outcome.receipt?.onlyInScan ?? 0);
  return outcome;
}

/**
 * The raw result, where this server's parser can be expected to take it. The findings are checked all the same: they are what is written over.
 * @returns no report where the findings have to be imported instead, and why
 */
async function nativeReport(
  scanType: string,
  job: ScanJob,
  folder: string,
  { storage, dojo, log }: FlowPorts,
  { limits }: FlowSettings,
): Promise<{ report?: Report; fellBack?: string }> {
  if (scanType === GENERIC) return {};
  if (!(await dojo.hasTestType(scanType))) {
    const fellBack = `this DefectDojo has no parser ${JSON.stringify(scanType)}`;
    log.warn(`${fellBack}; the findings are imported as ${GENERIC}`, { object: uri(job) });
    return { fellBack };
  }
  const report = await fetchRawResult(storage, job, limits, folder);
  const findings = await checkFindings(storage, job, limits);
  return findings === 0 && (await isBlank(report))
    ? { fellBack: "the raw result is blank and there are no findings" }
    : { report };
}

async function sendReport(
  report: Report,
  scanType: string,
  job: ScanJob,
  key: string,
  options: ImportOptions,
  { engagement, lead, environment }: ImportContext,
  { dojo, clock, log }: FlowPorts,
  now: Date,
  delivery: Delivery,
): Promise<ImportAnswer> {
  const timeoutMs = delivery.remainingMs() - MARGIN_MS;
  if (timeoutMs < 1_000) throw new Deferral("no time is left to send the report", 0);
  const [today, scanned] = [day(now), day(new Date(job.scan.finishedAt ?? job.scan.createdAt ?? now))];
  log.info("the report is sent to DefectDojo", { object: uri(job), scanType, engagementId: engagement.id });
  const started = clock.now();
  const answer = await dojo.importScan({
    scanType,
    engagementId: engagement.id,
    buildId: key,
    file: { path: report.path, name: report.name },
    title: options.testTitle,
    version: options.engagementVersion,
    minimumSeverity: options.minimumSeverity,
    closeOldFindings: options.closeOldFindings,
    leadId: lead.id,
    tags: options.testTags,
    timeoutMs,
    // It would take the place of each finding's own date in a generic report.
    // Today is tomorrow yet for a DefectDojo west of here, which refuses it: left out, it takes its own today.
    ...(scanType === GENERIC || scanned >= today ? {} : { scanDate: scanned }),
    ...dropUndefined({
      active: options.active,
      verified: options.verified,
      service: options.service,
      environment,
      branchTag: options.branchTag,
      commitHash: options.commitHash,
      groupBy: options.groupBy,
    }),
  });
  log.info("DefectDojo has imported the report", {
    testId: answer.testId,
    findings: answer.total,
    ms: clock.now() - started,
  });
  return answer;
}

/**
 * How many findings the test has, checked against the report. Only what this delivery has imported has to be whole: of an earlier import somebody may
 * have deleted findings since, which is told and no reason to give the job up.
 * @throws RelayError `import-incomplete`
 */
async function checkTotal(
  imported: Imported,
  expected: number | undefined,
  job: ScanJob,
  { dojo, log }: FlowPorts,
): Promise<{ total: number; warnings: string[] }> {
  const total = imported.answer?.total ?? (await dojo.findingCount(imported.testId));
  if (imported.importedAs !== GENERIC || expected === undefined || total === expected) return { total, warnings: [] };
  const kept = `DefectDojo keeps ${total} of ${expected} findings in test ${imported.testId}`;
  if (imported.answer !== undefined)
    throw new RelayError("import-incomplete", `${uri(job)}: ${kept}`, { object: uri(job) });
  const warning = `${kept}; it was imported by an earlier delivery or without an answer`;
  log.warn(warning, { object: uri(job) });
  return { total, warnings: [warning] };
}
