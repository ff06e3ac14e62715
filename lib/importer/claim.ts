import type { Delivery } from "../deferral.ts";
import { RelayError } from "../errors.ts";
import { type Job, jobKey } from "../model/job.ts";
import { uri } from "../model/object-keys.ts";
import type { JobOutcome } from "../progress.ts";
import type { Attempt, Claimed } from "./attempt.ts";
import { waitsOf } from "./believable.ts";
import type { CheckpointStore } from "./checkpoint.ts";
import { whoOwns } from "./who-owns.ts";

/**
 * Claims the job for this delivery, under its effective key.
 * @returns the outcome if nothing is left to do
 * @throws RelayError `failures-exhausted`
 */
export async function claim(attempt: Attempt): Promise<Claimed | JobOutcome> {
  const { settings, ports, delivery } = attempt;
  const owner = await whoOwns(attempt.job, ports, settings);
  if ("outcome" in owner) return owner;
  const { job, upload, etag, own, overwritten } = owner;
  ports.onKey?.(job);
  try {
    await refuseAfterDeaths(job, delivery, ports.pending);
  } catch (error) {
    // The checkpoint is removed when a job ends: another delivery may have ended it in the meantime.
    const now = await whoOwns(job, ports, settings);
    if ("outcome" in now) return now;
    throw error;
  }
  return { ...attempt, job, key: jobKey(job), upload, current: { etag, own, overwritten } };
}

/**
 * A delivery in which the function died settled nothing, so it is counted here: deliveries before this one, less waits. Only for a job
 * that is not done: the checkpoint that counts the waits is removed when a job ends, and the message may still be redelivered.
 * @throws RelayError `failures-exhausted`
 */
export async function refuseAfterDeaths(job: Job, { message }: Delivery, checkpoints: CheckpointStore): Promise<void> {
  if (message === undefined || message.receiveCount - 1 < message.maxFailures) return;
  const checkpoint = await checkpoints.read(job, jobKey(job));
  const { lastError } = checkpoint;
  const failures = message.receiveCount - 1 - waitsOf(checkpoint, message);
  if (failures < message.maxFailures) return;
  const before = lastError === undefined ? "" : `; the last error before that:  ${lastError.message}`;
  throw new RelayError(
    "failures-exhausted",
    `${uri(job)}: ${failures} deliveries failed; in the last one the importer died without an error${before}`,
    { object: uri(job) },
  );
}
