import { Deferral } from "../deferral.ts";
import { describeError, RelayError, toRelayError } from "../errors.ts";
import { type Job, jobKey } from "../model/job.ts";
import { uri } from "../model/object-keys.ts";
import { deadLetter } from "../ports/dead-letter.ts";
import type { Queue } from "../ports/queue.ts";
import type { ScanSource } from "../ports/scan-source.ts";
import type { JobOutcome } from "../progress.ts";
import type { FlowPorts } from "../types.ts";
import { backoffSeconds } from "../util/backoff.ts";
import type { ImportPorts } from "./attempt.ts";
import { MOST_WAITS, waitsOf } from "./believable.ts";
import type { Checkpoint, CheckpointStore } from "./checkpoint.ts";
import type { ImportLoad } from "./import-load.ts";
import { dropLook, mayTryLookAgain } from "./second-look.ts";
import type { RecordSettings } from "./settings.ts";

/** A message of the job queue, as Lambda passes it to the function. */
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
  /** The imports of this process. */
  readonly load?: ImportLoad;
  readonly index?: ImportPorts["index"];
  readonly leases?: ImportPorts["leases"];
  /** The cluster's Scans, if there is a cluster. */
  readonly scans?: ScanSource | undefined;
}

/** How a message ended: `settled` will be deleted, `again` is redelivered after its visibility timeout. */
export type RecordOutcome =
  | { readonly settled: true; readonly outcome?: JobOutcome; readonly deadLettered?: RelayError }
  | { readonly settled: false; readonly error: Error };

/** A message whose job did not end in this delivery. */
export interface Tried {
  readonly message: JobMessage;
  readonly ports: RecordPorts;
  readonly settings: RecordSettings;
  readonly checkpoints: CheckpointStore;
  /** Missing if the message holds no job. */
  job?: Job;
}

/**
 * Defers the message, requeues it, or moves it to the dead-letter queue.
 * @throws RelayError if the message is no longer ours: its new holder settles it, and nothing is written or sent here
 */
export async function settle(error: unknown, tried: Tried): Promise<RecordOutcome> {
  const { message, ports, settings, checkpoints, job } = tried;
  await ports.queue.changeVisibility(message.receiptHandle, settings.heartbeatSeconds);
  const checkpoint = job === undefined ? undefined : await readCheckpoint(job, tried);
  const waits = waitsOf(checkpoint, message);
  if (error instanceof Deferral && job?.look !== undefined) return await defer(error, job, tried);
  if (error instanceof Deferral && job !== undefined && waits < MOST_WAITS) {
    // Counted because failures are deliveries less waits, including deliveries in which the function died.
    const counted = { waits: { messageId: message.messageId, count: waits + 1 } };
    if (checkpoint !== undefined) await checkpoints.amend(job, checkpoint.jobKey, counted, true);
    return await defer(error, job, tried);
  }
  const failure = error instanceof Deferral ? waitedTooOften(error, job) : toRelayError(error, job && uri(job));
  if (job?.look !== undefined && !mayTryLookAgain(failure, message.receiveCount, settings.maxFailures))
    return dropLook(failure, job, ports);
  // Without its checkpoint it is unknown how often the job only waited, so the count must not end it.
  const failures = job !== undefined && checkpoint === undefined ? 1 : message.receiveCount - waits;
  const final = failure.errorClass === "permanent" || failures >= settings.maxFailures;
  return await (final ? giveUp : retry)(failure, failures, checkpoint, tried);
}

/** After {@link MOST_WAITS} deliveries, a wait counts as a failure: otherwise it could last forever. */
function waitedTooOften(error: Deferral, job: Job | undefined): RelayError {
  const message = `${error.message}: ${MOST_WAITS} deliveries waited for it`;
  return new RelayError("waits-exhausted", message, { cause: error, ...(job && { object: uri(job) }) });
}

async function defer(error: Deferral, job: Job, { message, ports }: Tried): Promise<RecordOutcome> {
  const { queue, log, metrics, onProgress } = ports;
  const { seconds, message: why } = error;
  await queue.changeVisibility(message.receiptHandle, seconds);
  log.info("the job is deferred; it continues in the next delivery", { object: uri(job), why, seconds });
  if (job.look !== undefined) return { settled: false, error };
  metrics.add("JobsWaiting");
  onProgress?.({ state: "again", job, error, seconds });
  return { settled: false, error };
}

async function giveUp(
  failure: RelayError,
  failures: number,
  checkpoint: Checkpoint | undefined,
  { message, ports, checkpoints, job }: Tried,
): Promise<RecordOutcome> {
  const { dlq, log, metrics, clock, onProgress } = ports;
  const { object, reason, advice } = failure;
  await deadLetter(
    dlq,
    { body: message.body, group: message.group, attempts: failures, subject: subjectOf(message, job) },
    failure,
    new Date(clock.now()),
  );
  log.error("moved a job to the dead-letter queue", { object, reason, advice, error: failure });
  metrics.add("JobsDeadLettered");
  if (job !== undefined) onProgress?.({ state: "failed", job, error: failure });
  // Kept if a redrive needs it: an import with an unknown outcome, or one that fell back.
  const matters = checkpoint?.postedAt !== undefined || checkpoint?.fellBack !== undefined;
  if (job !== undefined && checkpoint !== undefined && !matters) {
    await checkpoints
      .remove(job, jobKey(job))
      .catch((error: unknown) => log.warn("a checkpoint could not be removed", { object, error }));
  }
  return { settled: true, deadLettered: failure };
}

async function retry(
  failure: RelayError,
  failures: number,
  checkpoint: Checkpoint | undefined,
  { message, ports, checkpoints, job }: Tried,
): Promise<RecordOutcome> {
  const { queue, log, metrics, clock, onProgress } = ports;
  const { object, reason } = failure;
  const seconds = backoffSeconds(failures, failure.retryAfterSeconds);
  if (job !== undefined && checkpoint !== undefined) {
    const lastError = { reason, message: describeError(failure), at: new Date(clock.now()).toISOString() };
    await checkpoints.amend(job, checkpoint.jobKey, { lastError }, false);
  }
  await queue.changeVisibility(message.receiptHandle, seconds);
  log.warn("a job failed and will be retried", { object, reason, failures, seconds, error: failure });
  metrics.add("JobsRetried");
  if (job !== undefined) onProgress?.({ state: "again", job, error: failure, seconds });
  return { settled: false, error: failure };
}

/** @returns undefined if it is unreadable: a job that the store refuses has to be settled anyway */
async function readCheckpoint(job: Job, { checkpoints, ports }: Tried): Promise<Checkpoint | undefined> {
  try {
    return await checkpoints.read(job, jobKey(job));
  } catch (error) {
    ports.log.warn("the checkpoint is unreadable", { object: uri(job), error });
    return undefined;
  }
}

function subjectOf(message: JobMessage, job: Job | undefined): string {
  if (job === undefined) return `message ${message.messageId}`;
  return job.scan === undefined ? uri(job) : `${job.scan.namespace}/${job.scan.name}`;
}
