import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Deferral, MARGIN_MS } from "../deferral.ts";
import { RelayError, toRelayError } from "../errors.ts";
import { importFlags } from "../model/annotations.ts";
import { uri } from "../model/object-keys.ts";
import { dropUndefined } from "../model/scan.ts";
import { GENERIC } from "../model/scan-types.ts";
import type { ImportAnswer, ImportRequest } from "../ports/defectdojo.ts";
import type { ImportContext, Overtaken, Prepared, SendTarget } from "./attempt.ts";
import { interruption, UNSENT } from "./checkpoint.ts";
import { day, locate } from "./import-context.ts";
import { type MadeReport, makeReport } from "./make-report.ts";
import { afterRefusal, fallbackOf } from "./refusal.ts";
import { runUploadOf } from "./same-run.ts";

/** What became of an import: */
export type Sent = { readonly context?: ImportContext } & (
  | {
      readonly state: "answered";
      readonly answer: ImportAnswer;
      readonly scanType: string;
      readonly uploaded: MadeReport["uploaded"];
    }
  /** It may or may not have happened. */
  | { readonly state: "unanswered"; readonly error: RelayError }
  /** DefectDojo rejected it, and another attempt makes sense. */
  | { readonly state: "refused" }
  /** It conflicted with another import in DefectDojo's database. */
  | { readonly state: "conflict"; readonly error: RelayError }
  /** It was not sent: its living test has a later run. */
  | {
      readonly state: "outdated";
      readonly by: Overtaken;
      readonly scanType: string;
      readonly uploaded: MadeReport["uploaded"];
      readonly context: ImportContext;
    }
  /** It was not sent: another delivery of the job was first. */
  | { readonly state: "overtaken" }
  /** It was not sent: the claim had become too old. */
  | { readonly state: "late"; readonly error: RelayError }
);

/** Makes the report, records that it is sent, and sends it. */
export async function sendImport(attempt: Prepared): Promise<Sent> {
  const fellBack = fallbackOf(attempt);
  const folder = await mkdtemp(join(tmpdir(), "dojo-relay-"));
  try {
    const made = await makeReport(attempt, fellBack === undefined ? attempt.scanType : GENERIC, folder);
    const context = await locate(attempt);
    const target = await attempt.ledger.target(attempt, context, made.scanType);
    if ("overtaken" in target) {
      const { scanType, uploaded } = made;
      return { state: "outdated", by: target.overtaken, scanType, uploaded, context };
    }
    const unsent = await claimImport(attempt, made, target);
    return { ...(unsent ?? (await send(attempt, made, context, target))), context };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Records that an import is sent, and ensures that nobody else sends one. @returns why it may not be sent */
async function claimImport(attempt: Prepared, made: MadeReport, target: SendTarget): Promise<Sent | undefined> {
  const { key, ports, settings, checkpoint, ledger } = attempt;
  const { clock } = ports;
  const { settleMs } = settings.ledger;
  const { expected, repairs, repairCount } = made;
  const fellBack = fallbackOf(attempt);
  const upload = await runUploadOf(attempt.job, ports.storage);
  const postedAt = clock.now();
  await checkpoint.save({
    ...UNSENT,
    postedAt: new Date(postedAt).toISOString(),
    into: target.into,
    newestRun: target.newestRun,
    upload,
    expected,
    repairs,
    repairCount,
    ...(fellBack === undefined ? { fellBack: made.fellBack, fellBackIn: undefined, replaces: undefined } : {}),
  });
  const notedAt = clock.now();
  try {
    await ledger.announce(attempt, target, made.scanType);
    // Since DefectDojo was queried, another delivery may have ended and removed its checkpoint.
    if (await ledger.hasBegun(attempt)) return { state: "overtaken" };
  } catch (error) {
    await checkpoint.save(UNSENT);
    throw error;
  }
  const took = clock.now() - postedAt;
  if (took <= settleMs / 2) return undefined;
  // The claim is so old that another delivery may soon consider the import lost.
  await checkpoint.save(UNSENT);
  return { state: "late", error: tooSlow(key, took, notedAt - postedAt, settleMs) };
}

/** Writing the checkpoint or querying DefectDojo takes so long that another delivery may not notice the import in time. */
function tooSlow(key: string, tookMs: number, noteMs: number, settleMs: number): RelayError {
  const byStore = noteMs > settleMs / 2;
  const took = `${byStore ? "writing the checkpoint" : "querying DefectDojo"} took ${tookMs / 1000} s`;
  return new RelayError(
    byStore ? "storage-unavailable" : "dojo-timeout",
    `the import was not sent: ${took}, more than half of IMPORT_SETTLE_SECONDS (${settleMs / 1000})`,
    { object: `import ${key}` },
  );
}

async function send(attempt: Prepared, made: MadeReport, context: ImportContext, target: SendTarget): Promise<Sent> {
  const { dojo, clock, log } = attempt.ports;
  const { checkpoint } = attempt;
  const { scanType } = made;
  try {
    const request = importRequest(attempt, made, context, target);
    log.info("sending the report to DefectDojo", {
      object: uri(attempt.job),
      scanType,
      engagementId: context.engagement.id,
    });
    const started = clock.now();
    const answer = await dojo.importScan(request);
    const { testId, total: findings } = answer;
    log.info("DefectDojo has imported the report", { testId, findings, ms: clock.now() - started });
    return { state: "answered", answer, scanType, uploaded: made.uploaded };
  } catch (error) {
    if (error instanceof Deferral) {
      await checkpoint.save(UNSENT);
      throw error;
    }
    const failure = toRelayError(error);
    if (failure.errorClass !== "unknown") {
      if (failure.errorClass === "transient") checkpoint.remember(interruption(checkpoint.now));
      const conflict = await afterRefusal(attempt, failure, made, context);
      return conflict === undefined ? { state: "refused" } : { state: "conflict", error: conflict };
    }
    log.warn("an import has no response; querying DefectDojo for its outcome", { error: failure });
    await checkpoint.save({ lostAt: new Date(clock.now()).toISOString(), unanswered: failure.message });
    return { state: "unanswered", error: failure };
  }
}

/** @throws Deferral if no time is left for a response */
function importRequest(
  attempt: Prepared,
  made: MadeReport,
  { engagement, lead, environment }: ImportContext,
  { into, closes }: SendTarget,
): ImportRequest {
  const { job, key, options, ports, delivery } = attempt;
  const timeoutMs = delivery.remainingMs() - MARGIN_MS;
  if (timeoutMs < 1_000) throw new Deferral("no time is left to send the report", 0);
  const now = new Date(ports.clock.now());
  const flags = importFlags(options);
  const [today, scanned] = [day(now), day(new Date(job.scan.finishedAt ?? job.scan.createdAt ?? now))];
  return {
    scanType: made.scanType,
    engagementId: engagement.id,
    buildId: key,
    file: { path: made.report.path, name: made.report.name },
    title: options.testTitle,
    version: options.engagementVersion,
    minimumSeverity: options.minimumSeverity,
    closeOldFindings: closes,
    leadId: lead.id,
    tags: options.testTags,
    timeoutMs,
    // It would replace each finding's own date in a generic report.
    // Today is still tomorrow for a DefectDojo further west, which refuses it; without a date it uses its own today.
    ...(made.scanType === GENERIC || scanned >= today ? {} : { scanDate: scanned }),
    flags,
    ...dropUndefined({
      testId: into,
      scanDate: options.scanDate,
      active: options.active,
      verified: options.verified,
      service: options.service,
      environment,
      branchTag: options.branchTag,
      commitHash: options.commitHash,
      groupBy: options.groupBy,
    }),
  };
}
