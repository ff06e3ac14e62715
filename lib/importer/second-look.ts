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

/** Looks per receipt: another one only if the last one found a change, a sign of a worker that is behind. */
export const MOST_LOOKS = 3;

/** How often a look is postponed while imports are in flight: no look stays in the queue longer than this many times its delay. */
const MOST_POSTPONEMENTS = 10;

/** The ended job: its receipt is final, or a second look may correct it. */
export interface Ended {
  readonly outcome: "synced" | "imported" | "done-before" | "outdated" | "superseded";
  readonly receipt?: Receipt;
}

/**
 * The look that is due after a job, or undefined. One is due if the end of deduplication is only assumed, and after a look that found a change.
 * @param delayMs 0: no second look
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

/** Enqueues the look that is due after a job. Without it the receipt stays `assumed`, so a queue error does not fail the job. */
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
 * @throws Deferral if it is too early for this look: its time has not come, or imports are in flight, whose findings DefectDojo's worker processes first
 */
export function refuseEarlyLook(job: Job, clock: Clock, delayMs: number, load: ImportLoad | undefined): void {
  if (job.look === undefined) return;
  const due = Date.parse(job.look.notBefore);
  const early = due - clock.now();
  if (early > 0) throw new Deferral(`${uri(job)}: its second look is not due yet`, Math.ceil(early / 1000));
  const latest = due + MOST_POSTPONEMENTS * delayMs;
  if ((load?.underWay() ?? 0) === 0 || clock.now() >= latest) return;
  throw new Deferral(`${uri(job)}: its second look waits for imports in flight`, Math.ceil(delayMs / 1000));
}

/** @returns whether a failed look is repeated; its postponements are deliveries too */
export function mayTryLookAgain(failure: RelayError, receiveCount: number, maxFailures: number): boolean {
  return failure.errorClass !== "permanent" && receiveCount < maxFailures + MOST_POSTPONEMENTS;
}

/** Ends a failed look: the receipt stays assumed, which is not a failure of the scan. */
export function dropLook(failure: RelayError, job: Job, { log }: { readonly log: Log }): { readonly settled: true } {
  log.warn("a second look failed and is dropped; the receipt stays assumed", { object: uri(job), error: failure });
  return { settled: true };
}
