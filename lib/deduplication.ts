import type { Clock } from "./clock.ts";
import type { DefectDojo } from "./defectdojo/port.ts";
import { RelayError } from "./errors.ts";
import { type Delivery, sleepOrHandBack } from "./hand-back.ts";

/** Milliseconds. */
export interface DeduplicationTiming {
  readonly timeoutMs: number;
  /** How long the number of duplicates must stay the same to be taken for final. */
  readonly quietMs: number;
  readonly pollMs: number;
}

/**
 * Waits until the number of duplicates in the test no longer changes. For servers that do not say when deduplication is done (2.x), for
 * answers that say they gave up waiting, and for imports whose answer was lost.
 * @throws RelayError `deduplication-unfinished` after the time-out
 * @throws HandBack where the delivery ends before
 */
export async function awaitDeduplication(
  dojo: DefectDojo,
  testId: number,
  clock: Clock,
  delivery: Delivery,
  timing: DeduplicationTiming,
): Promise<void> {
  const started = clock.now();
  let since = started;
  let last: number | undefined;
  for (;;) {
    const duplicates = await dojo.findingCount(testId, true);
    const now = clock.now();
    if (duplicates !== last) since = now;
    last = duplicates;
    if (now - since >= timing.quietMs) return;
    if (now - started >= timing.timeoutMs) {
      throw new RelayError(
        "deduplication-unfinished",
        `test ${testId}: duplicates still change after ${timing.timeoutMs / 1000} s`,
        {
          object: `test ${testId}`,
        },
      );
    }
    await sleepOrHandBack(
      clock,
      delivery,
      Math.min(timing.pollMs, Math.max(1, timing.quietMs)),
      `DefectDojo still deduplicates test ${testId}`,
    );
  }
}
