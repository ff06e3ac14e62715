import type { Clock } from "./util/clock.ts";

/**
 * Thrown when a job cannot continue in this delivery although nothing failed: DefectDojo is still importing, or an outcome must settle.
 * The message returns to the queue, and the next delivery continues from the state in DefectDojo and the bucket. It does not count as a failure.
 */
export class Deferral extends Error {
  override readonly name = "Deferral";
  /** Seconds until the message becomes visible again. */
  readonly seconds: number;

  constructor(why: string, seconds: number) {
    super(why);
    this.seconds = seconds;
  }
}

/** How long this delivery may still work. */
export interface Delivery {
  /** Milliseconds until the function is ended. */
  remainingMs(): number;
  /** The queue's message, if the job came in one: its failed deliveries are counted. */
  readonly message?: {
    readonly messageId: string;
    /** Deliveries of the message, this one included. */
    readonly receiveCount: number;
    readonly maxFailures: number;
  };
}

/** Time to tidy up before the function ends. */
export const MARGIN_MS = 10_000;

/** Sleeps if the delivery lasts that long, else releases the message to the queue for the same time. */
export async function sleepOrDefer(clock: Clock, delivery: Delivery, ms: number, why: string): Promise<void> {
  if (delivery.remainingMs() - MARGIN_MS < ms) throw new Deferral(why, Math.ceil(ms / 1000));
  await clock.sleep(ms);
}
