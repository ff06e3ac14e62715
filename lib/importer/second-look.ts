import { Deferral } from "../deferral.ts";
import type { RelayError } from "../errors.ts";
import { deduplicationId, encodeJob, type Job, messageGroup } from "../model/job.ts";
import { uri } from "../model/object-keys.ts";
import type { Receipt } from "../model/receipt.ts";
import { dropUndefined } from "../model/scan.ts";
import type { Log } from "../observe.ts";
import type { Queue } from "../ports/queue.ts";
import type { Clock } from "../util/clock.ts";
import type { ImportLoad } from "./import-load.ts";

/** Looks of one receipt: a further one only where the one before found a change, which tells of a worker that is behind. */
export const MOST_LOOKS = 3;

/** How often a look is put off while imports are under way: no look stays in the queue longer than so many times its delay. */
const MOST_POSTPONEMENTS = 10;

/** What ended: a receipt that is final, or one that a second look may mend. */
export interface Ended {
  readonly outcome: "synced" | "imported" | "done-before" | "outdated" | "superseded";
  readonly receipt?: Receipt;
}

/**
 * The look that is due after a job, or undefined: where deduplication is only assumed to be over, and after a look that found a change.
 * @param delayMs 0: nobody looks again
 */
export function nextLook(job: Job, { outcome, receipt }: Ended, delayMs: number, now: number): Job | undefined {
  if (delayMs === 0 || receipt?.deduplication !== "assumed" || outcome === "superseded") return undefined;
  const number = (job.look?.number ?? 0) + 1;
  const isFirst = job.kind === "import";
  const foundMore = job.look !== undefined && outcome !== "done-before" && number <= MOST_LOOKS;
  if (!isFirst && !foundMore) return undefined;
  const { bucket, key, scan, sequencer, keyedBy } = job;
  const notBefore = new Date(now + delayMs * 2 ** (number - 1)).toISOString();
  return {
    version: 1,
    kind: "resync",
    ...{ bucket, key, etag: receipt.etag, look: { number, notBefore } },
    ...dropUndefined({ scan, sequencer, keyedBy }),
  };
}

/** Enqueues the look that is due after a job. A receipt without it stays `assumed`, so that a queue that refuses it is no reason to fail. */
export async function enqueueLook(
  look: Job | undefined,
  { queue, log }: { readonly queue: Queue; readonly log: Log },
): Promise<void> {
  if (look === undefined) return;
  const message = { body: encodeJob(look), group: messageGroup(look), deduplicationId: deduplicationId(look) };
  await queue
    .send(message)
    .then(() => log.debug("a second look is enqueued", { object: uri(look), ...look.look }))
    .catch((error: unknown) => log.warn("a second look could not be enqueued", { object: uri(look), error }));
}

/**
 * @param delayMs between looks
 * @throws Deferral where it is too early for this look: its time has not come, or imports are under way, whose findings DefectDojo's worker has before it
 */
export function refuseEarlyLook(job: Job, clock: Clock, delayMs: number, load: ImportLoad | undefined): void {
  if (job.look === undefined) return;
  const due = Date.parse(job.look.notBefore);
  const early = due - clock.now();
  if (early > 0) throw new Deferral(`${uri(job)}: its second look is not due yet`, Math.ceil(early / 1000));
  const latest = due + MOST_POSTPONEMENTS * delayMs;
  if ((load?.underWay() ?? 0) === 0 || clock.now() >= latest) return;
  throw new Deferral(`${uri(job)}: its second look waits for the imports under way`, Math.ceil(delayMs / 1000));
}

/** @returns whether a look that failed comes again; its postponements are deliveries too */
export function mayTryLookAgain(failure: RelayError, receiveCount: number, maxFailures: number): boolean {
  return failure.errorClass !== "permanent" && receiveCount < maxFailures + MOST_POSTPONEMENTS;
}

/** Ends a look that failed: what it would have mended stays assumed, and is no failure of the scan. */
export function dropLook(failure: RelayError, job: Job, { log }: { readonly log: Log }): { readonly settled: true } {
  log.warn("a second look failed and is dropped; the receipt stays assumed", { object: uri(job), error: failure });
  return { settled: true };
}
