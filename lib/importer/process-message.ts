import { deadLetter } from "../aws/dead-letter.ts";
import { describeError, RelayError, toRelayError } from "../errors.ts";
import { type IngestSettings, makeJob } from "../ingest/ingest.ts";
import { readSidecar } from "../ingest/sidecar.ts";
import { decodeJob, type Job, jobKey, type ScanJob } from "../model/job.ts";
import { uri } from "../model/object-keys.ts";
import { type Log, withFields } from "../observe.ts";
import type { Queue } from "../ports/queue.ts";
import { resyncJob } from "../sync/resync-job.ts";
import type { FlowPorts, FlowSettings, JobOutcome } from "../types.ts";
import { type Checkpoint, type CheckpointStore, checkpointStore } from "./checkpoint.ts";
import { Deferral, type Delivery } from "./deferral.ts";
import { type ImportPorts, importJob } from "./import-job.ts";

/** A message of the job queue, as Lambda hands it to the function. */
export interface JobMessage {
  readonly messageId: string;
  readonly body: string;
  readonly receiptHandle: string;
  readonly group: string;
  /** Deliveries of this message, this one included. */
  readonly receiveCount: number;
}

export interface RecordPorts extends FlowPorts {
  readonly queue: Queue;
  readonly dlq: Queue;
}

export interface RecordSettings {
  readonly flow: FlowSettings;
  readonly ingest: IngestSettings;
  /** Failures after which a message is put aside; waiting for a long import is none. */
  readonly maxFailures: number;
  /** How long a message stays hidden between two signs of life of its importer. Seconds. */
  readonly heartbeatSeconds: number;
}

/** How a message ended: `settled` is to be deleted, `again` comes back after its visibility timeout. */
export type RecordOutcome =
  | { readonly settled: true; readonly outcome?: JobOutcome; readonly deadLettered?: RelayError }
  | { readonly settled: false; readonly error: Error };

const FIRST_BACKOFF_SECONDS = 5;
const LONGEST_BACKOFF_SECONDS = 900;

/**
 * Works on one message of the job queue and settles it: done and permanent failures leave the queue, the rest comes again with a visibility
 * timeout that grows, or that DefectDojo asked for. While it works, the message is kept hidden. Never throws.
 */
export async function importRecord(
  message: JobMessage,
  ports: RecordPorts,
  settings: RecordSettings,
  delivery: Delivery,
): Promise<RecordOutcome> {
  const { queue, clock, metrics } = ports;
  const log = withFields(ports.log, { messageId: message.messageId });
  const stopHeartbeat = keepHidden(queue, message.receiptHandle, settings.heartbeatSeconds, delivery, (error) =>
    log.warn("the message could not be kept hidden", { error }),
  );
  const notes = checkpointStore(ports.storage, log);
  const started = clock.now();
  let job: Job | undefined;
  try {
    job = decodeJob(message.body, `message ${message.messageId}`);
    ports.onProgress?.({ state: "running", job });
    const begun = () => job ?? decodeJob(message.body, `message ${message.messageId}`);
    const outcome = await runJob(
      job,
      {
        ...ports,
        log: withFields(log, { object: uri(job), jobKey: jobKey(job) }),
        pending: notes,
        onKey: (keyed) => {
          job = keyed;
        },
        beforeWork: () => refuseAfterDeaths(message, begun(), notes, settings),
      },
      settings,
      delivery,
    );
    await notes.remove(job, jobKey(job));
    metrics.add("JobDuration", clock.now() - started);
    metrics.add(outcome.outcome === "superseded" ? "JobsSuperseded" : "JobsFinished");
    log.info(`the job ended: ${outcome.outcome}`, {
      object: uri(job),
      why: outcome.why,
      findings: outcome.receipt?.findings.count,
    });
    ports.onProgress?.({ state: "done", job, outcome });
    return { settled: true, outcome };
  } catch (error) {
    await stopHeartbeat();
    try {
      if (delivery.remainingMs() <= 0) throw new Error("its time is over, it may be in other hands", { cause: error });
      return await settle(error, message, job, notes, { ...ports, log }, settings);
    } catch (cause) {
      log.error("the message could not be settled; it comes again by itself", { error: cause });
      return { settled: false, error: toRelayError(cause) };
    }
  } finally {
    await stopHeartbeat();
  }
}

async function runJob(
  job: Job,
  ports: RecordPorts & ImportPorts,
  settings: RecordSettings,
  delivery: Delivery,
): Promise<JobOutcome> {
  const currentScan = () => readSidecar(ports.storage, job, settings.ingest).catch(unreadable);
  if (hasScan(job)) {
    if (job.kind === "import") return await importJob(job, { ...ports, currentScan }, settings.flow, delivery);
    await ports.beforeWork?.();
    return await resyncJob(job, ports, settings.flow);
  }
  // Its key is settled once the sidecar is read.
  const { bucket, key, etag, versionId, sequencer } = job;
  const created = { bucket, key, etag, versionId, sequencer, metadata: {}, at: undefined };
  const made = await makeJob(created, ports, settings.ingest, true);
  if (typeof made === "string") return { outcome: "superseded", why: made };
  ports.onKey?.(made);
  return await importJob(made, { ...ports, currentScan }, settings.flow, delivery);
}

/** A sidecar that nobody can read says nothing of the run; a store that is away is an error. */
function unreadable(error: unknown): undefined {
  if (error instanceof RelayError && error.reason.startsWith("sidecar-")) return undefined;
  throw error;
}

const hasScan = (job: Job): job is ScanJob => job.scan !== undefined;

async function settle(
  error: unknown,
  message: JobMessage,
  job: Job | undefined,
  notes: CheckpointStore,
  { queue, dlq, log, metrics, clock, onProgress }: RecordPorts,
  { maxFailures, heartbeatSeconds }: RecordSettings,
): Promise<RecordOutcome> {
  // Refused where the message is no longer ours: whoever has it settles it, and nothing is to be written or put aside for it here.
  await queue.changeVisibility(message.receiptHandle, heartbeatSeconds);
  const note = job === undefined ? undefined : await readNote(job, notes, log);
  const waits = note?.waits?.messageId === message.messageId ? note.waits.count : 0;
  if (error instanceof Deferral && job !== undefined) {
    // Counted, so that deliveries less waits are failures, those included in which the function died.
    const counted = { waits: { messageId: message.messageId, count: waits + 1 } };
    if (note !== undefined) await notes.amend(job, note.jobKey, counted, true);
    await queue.changeVisibility(message.receiptHandle, error.seconds);
    log.info("the message is handed back to go on later", {
      object: uri(job),
      why: error.message,
      seconds: error.seconds,
    });
    metrics.add("JobsWaiting");
    onProgress?.({ state: "again", job, error, seconds: error.seconds });
    return { settled: false, error };
  }
  const failure = toRelayError(error, job === undefined ? undefined : uri(job));
  // Without its note nobody knows how often the job only waited: it is not given up by its count then.
  const failures = job !== undefined && note === undefined ? 1 : message.receiveCount - waits;
  if (failure.errorClass === "permanent" || failures >= maxFailures) {
    await deadLetter(
      dlq,
      { body: message.body, group: message.group, attempts: failures, subject: subjectOf(message, job) },
      failure,
      new Date(clock.now()),
    );
    log.error("a job is put aside in the dead-letter queue", {
      object: failure.object,
      reason: failure.reason,
      advice: failure.advice,
      error: failure,
    });
    metrics.add("JobsDeadLettered");
    if (job !== undefined) onProgress?.({ state: "failed", job, error: failure });
    // Kept where it matters to a redrive: an import whose outcome is not known, or one that fell back.
    const matters = note?.postedAt !== undefined || note?.fellBack !== undefined;
    if (job !== undefined && note !== undefined && !matters) {
      await notes
        .remove(job, jobKey(job))
        .catch((cause: unknown) => log.warn("a pending note is left behind", { object: failure.object, error: cause }));
    }
    return { settled: true, deadLettered: failure };
  }
  const seconds = backoffSeconds(failures, failure.retryAfterSeconds);
  if (job !== undefined && note !== undefined) {
    const lastError = {
      reason: failure.reason,
      message: describeError(failure),
      at: new Date(clock.now()).toISOString(),
    };
    await notes.amend(job, note.jobKey, { lastError }, false);
  }
  await queue.changeVisibility(message.receiptHandle, seconds);
  log.warn("a job failed and comes again", {
    object: failure.object,
    reason: failure.reason,
    failures,
    seconds,
    error: failure,
  });
  metrics.add("JobsRetried");
  if (job !== undefined) onProgress?.({ state: "again", job, error: failure, seconds });
  return { settled: false, error: failure };
}

/** @returns undefined where it cannot be read: a job that the store refuses has to be settled all the same */
async function readNote(job: Job, notes: CheckpointStore, log: Log): Promise<Checkpoint | undefined> {
  try {
    return await notes.read(job, jobKey(job));
  } catch (error) {
    log.warn("the pending note cannot be read", { object: uri(job), error });
    return undefined;
  }
}

/**
 * Seconds until the next try: doubling from {@link FIRST_BACKOFF_SECONDS} up to {@link LONGEST_BACKOFF_SECONDS}, with full jitter over the upper half
 * (https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/); never less than the other side asked for.
 */
export function backoffSeconds(failures: number, retryAfterSeconds: number | undefined, random = Math.random): number {
  const whole = Math.min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** Math.max(0, failures - 1));
  return Math.max(Math.round(whole * (0.5 + random() / 2)), Math.ceil(retryAfterSeconds ?? 0));
}

/**
 * A delivery in which the function died settled nothing, so that it is counted here: deliveries before this one, less waits. Asked only of a job
 * that is not done: the note that counts the waits goes when a job ends, and the message may still come again.
 * @throws RelayError `failures-exhausted`
 */
async function refuseAfterDeaths(
  { messageId, receiveCount }: JobMessage,
  job: Job,
  notes: ReturnType<typeof checkpointStore>,
  { maxFailures }: RecordSettings,
): Promise<void> {
  if (receiveCount - 1 < maxFailures) return;
  const { waits, lastError } = await notes.read(job, jobKey(job));
  const failures = receiveCount - 1 - (waits?.messageId === messageId ? waits.count : 0);
  if (failures < maxFailures) return;
  const before = lastError === undefined ? "" : `; the last error before was: ${lastError.message}`;
  throw new RelayError(
    "failures-exhausted",
    `${uri(job)}: ${failures} deliveries failed; in the last of them the importer died without a word${before}`,
    { object: uri(job) },
  );
}

/**
 * Extends the message's visibility now and from then on until stopped; what was under way has ended then. At once, as a queue of somebody's own may hide
 * its messages for less time than lies between two signs of life (SQS: 30 s where nothing is set). Not beyond the delivery's end: whoever gave it up
 * and lives on wants the message to come again.
 */
function keepHidden(
  queue: Queue,
  receiptHandle: string,
  seconds: number,
  delivery: Delivery,
  onError: (error: unknown) => void,
): () => Promise<void> {
  const beat = () => queue.changeVisibility(receiptHandle, seconds).catch(onError);
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

function subjectOf(message: JobMessage, job: Job | undefined): string {
  if (job === undefined) return `message ${message.messageId}`;
  return job.scan === undefined ? uri(job) : `${job.scan.namespace}/${job.scan.name}`;
}
