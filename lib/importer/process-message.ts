import type { Delivery } from "../deferral.ts";
import { RelayError, toRelayError } from "../errors.ts";
import { makeJob } from "../ingest/make-job.ts";
import { readSidecar } from "../ingest/sidecar.ts";
import { decodeJob, type Job, jobKey, type ScanJob } from "../model/job.ts";
import { uri } from "../model/object-keys.ts";
import { withFields } from "../observe.ts";
import { isOvertaken, type JobOutcome } from "../progress.ts";
import { resyncJob } from "../sync/resync-job.ts";
import type { ImportPorts } from "./attempt.ts";
import { checkpointStore } from "./checkpoint.ts";
import { refuseAfterDeaths } from "./claim.ts";
import { importJob } from "./import-job.ts";
import { isTakenOver } from "./same-run.ts";
import { enqueueLook, nextLook, refuseEarlyLook } from "./second-look.ts";
import type { RecordSettings } from "./settings.ts";
import { type JobMessage, type RecordOutcome, type RecordPorts, settle, type Tried } from "./settle-message.ts";

/**
 * Processes one message of the job queue and settles it: done and permanent failures leave the queue, the rest is redelivered after a visibility
 * timeout that grows, or that DefectDojo asked for. The message stays hidden meanwhile. Never throws.
 */
export async function importRecord(
  message: JobMessage,
  ports: RecordPorts,
  settings: RecordSettings,
  delivery: Delivery,
): Promise<RecordOutcome> {
  const log = withFields(ports.log, { messageId: message.messageId });
  const stopHeartbeat = keepHidden(message, ports, settings.heartbeatSeconds, delivery);
  const checkpoints = checkpointStore(ports.storage, log);
  const tried: Tried = { message, ports: { ...ports, log }, settings, checkpoints };
  try {
    const job = decodeJob(message.body, `message ${message.messageId}`);
    tried.job = job;
    if (job.look === undefined) ports.onProgress?.({ state: "running", job });
    const outcome = await workOn(job, tried, delivery);
    ports.onProgress?.({ state: "done", job: tried.job, outcome });
    return { settled: true, outcome };
  } catch (error) {
    await stopHeartbeat();
    try {
      if (delivery.remainingMs() <= 0)
        throw new Error("its time is up; another delivery may have the message", { cause: error });
      return await settle(error, tried);
    } catch (cause) {
      log.error("the message could not be settled; the queue redelivers it", { error: cause });
      return { settled: false, error: toRelayError(cause) };
    }
  } finally {
    await stopHeartbeat();
  }
}

/** Does the job, removes its checkpoint and counts it. */
async function workOn(begun: Job, tried: Tried, delivery: Delivery) {
  const { message, ports, settings, checkpoints } = tried;
  const { clock, metrics, log } = ports;
  const { messageId, receiveCount } = message;
  refuseEarlyLook(begun, clock, settings.secondLookMs, ports.load);
  const started = clock.now();
  const outcome = await runJob(
    begun,
    {
      ...ports,
      log: withFields(log, { object: uri(begun), jobKey: jobKey(begun) }),
      pending: checkpoints,
      onKey: (keyed) => {
        tried.job = keyed;
      },
    },
    settings,
    {
      remainingMs: () => delivery.remainingMs(),
      message: { messageId, receiveCount, maxFailures: settings.maxFailures },
    },
  );
  const job = tried.job ?? begun;
  // A second look has none; one that exists is another delivery's.
  if (job.look === undefined && !(await mustStay(job, outcome, tried))) await checkpoints.remove(job, jobKey(job));
  await enqueueLook(nextLook(job, outcome, settings.secondLookMs, clock.now()), { ...ports, log });
  metrics.add("JobDuration", clock.now() - started);
  metrics.add(isOvertaken(outcome.outcome) ? "JobsSuperseded" : "JobsFinished");
  log.info(`the job ended: ${outcome.outcome}`, {
    object: uri(job),
    why: outcome.why,
    findings: outcome.receipt?.findings.count,
  });
  return outcome;
}

/** Whether the job that superseded this one needs the checkpoint. */
async function mustStay(job: Job, { outcome }: JobOutcome, { ports, settings, checkpoints }: Tried): Promise<boolean> {
  if (outcome !== "superseded" || job.kind !== "import" || !hasScan(job)) return false;
  const currentScan = () => readSidecar(ports.storage, job, settings.ingest, ports.scans).catch(unreadable);
  return await isTakenOver(job, { storage: ports.storage, pending: checkpoints, currentScan });
}

async function runJob(
  job: Job,
  ports: RecordPorts & ImportPorts,
  settings: RecordSettings,
  delivery: Delivery,
): Promise<JobOutcome> {
  const currentScan = () => readSidecar(ports.storage, job, settings.ingest, ports.scans).catch(unreadable);
  if (job.kind === "resync") {
    if (job.look === undefined) await refuseAfterDeaths(job, delivery, ports.pending);
    // `follow` knows the test and its scan's place, not the Scan.
    const scan = job.scan ?? (await readSidecar(ports.storage, job, settings.ingest, ports.scans));
    return await resyncJob({ ...job, scan }, ports, settings.flow);
  }
  if (hasScan(job)) return await importJob(job, { ...ports, currentScan }, settings.flow, delivery);
  // Its key is settled once the sidecar is read.
  const { bucket, key, etag, versionId, sequencer } = job;
  const created = { bucket, key, etag, versionId, sequencer, metadata: {}, at: undefined };
  const made = await makeJob(created, ports, settings.ingest, { begun: true });
  if (typeof made === "string") return { outcome: "superseded", why: made };
  const forced = job.force === undefined ? made : { ...made, force: job.force };
  ports.onKey?.(forced);
  return await importJob(forced, { ...ports, currentScan }, settings.flow, delivery);
}

/** An unreadable sidecar says nothing about the run; an unavailable store is an error. */
function unreadable(error: unknown): undefined {
  if (error instanceof RelayError && error.reason.startsWith("sidecar-")) return undefined;
  throw error;
}

const hasScan = (job: Job): job is ScanJob => job.scan !== undefined;

/**
 * Extends the message's visibility, now and regularly until stopped; stopping waits for a running extension. Starts at once, because a custom queue may hide
 * its messages for less than a heartbeat interval (SQS: 30 s by default). Ends with the delivery: a runtime that abandoned it
 * and lives on needs the message to be redelivered.
 */
function keepHidden(
  { receiptHandle, messageId }: JobMessage,
  { queue, log }: RecordPorts,
  seconds: number,
  delivery: Delivery,
): () => Promise<void> {
  const beat = () =>
    queue
      .changeVisibility(receiptHandle, seconds)
      .catch((error: unknown) => log.warn("the message's visibility could not be extended", { messageId, error }));
  let underway = beat();
  const timer = setInterval(
    () => {
      if (delivery.remainingMs() > 0) underway = beat();
    },
    (seconds * 1000) / 3,
  );
  timer.unref();
  return async () => {
    clearInterval(timer);
    await underway;
  };
}
