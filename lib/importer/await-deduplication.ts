import { type Delivery, MARGIN_MS, sleepOrDefer } from "../deferral.ts";
import { RelayError } from "../errors.ts";
import type { DefectDojo } from "../ports/defectdojo.ts";
import type { DeduplicationTiming } from "../types.ts";
import type { Clock } from "../util/clock.ts";
import type { Deduplicated, Imported } from "./attempt.ts";
import { countKept } from "./count-kept.ts";
import { locate, withFreshIds } from "./import-context.ts";

/**
 * How many times as long the number has to stay the same where DefectDojo gave up waiting itself, or its answer was lost. Measured on 3.2: a thousand
 * duplicates take some 7 s, within which their number can stand still, and the server waits 60 s before it says `deduplication_complete: false`. So
 * its Celery worker has others' work before ours then, during which nothing changes either. Five times are 30 s where nothing else is set, four
 * thousands of findings. Where an answer says nothing (2.x), nothing speaks for a worker that is behind.
 */
const PATIENCE = 5;

/**
 * Counts the test's findings and waits until its deduplication is over, as far as that can be known.
 * @throws RelayError `import-incomplete`, `deduplication-unfinished`
 * @throws Deferral where the delivery ends before
 */
export async function awaitDeduplication(attempt: Imported): Promise<Deduplicated> {
  const { ports, settings, answer, current, delivery, deliveryMs, testId } = attempt;
  const importedAt = ports.clock.now();
  if (attempt.fellBack !== undefined) ports.metrics.add("JobsFellBack");
  const context = attempt.context ?? (await withFreshIds(locate, attempt));
  const { total, warnings } = await countKept(attempt);
  const said = answer?.deduplicated;
  let duplicates: number | undefined;
  if (said !== true && total > 0) {
    // Our own write-back was made after such a wait.
    const behind = said === false || (answer === undefined && !current.own);
    const timing = behind ? patient(settings.deduplication, deliveryMs) : settings.deduplication;
    duplicates = await untilQuiet({ ...ports, delivery }, testId, timing);
  }
  const counted = answer?.statistics;
  const statistics = counted && { ...counted, duplicates: duplicates ?? counted.duplicates };
  const told = [...attempt.warnings, ...context.warnings, ...warnings];
  return { ...attempt, context, total, statistics, importedAt, warnings: told };
}

/**
 * The timing for a server that is behind or may be. The wait begins anew in each delivery: it has to fit into one, and into the time-out.
 * @param deliveryMs how long a whole delivery lasts
 */
export function patient(timing: DeduplicationTiming, deliveryMs: number): DeduplicationTiming {
  const longest = Math.min(timing.timeoutMs, deliveryMs - MARGIN_MS) / 2;
  return { ...timing, quietMs: Math.max(timing.quietMs, Math.min(PATIENCE * timing.quietMs, longest)) };
}

/** What the wait reaches the world through. */
interface Waiting {
  readonly dojo: DefectDojo;
  readonly clock: Clock;
  readonly delivery: Delivery;
}

/**
 * Waits until the number of duplicates in the test no longer changes. For servers that do not say when deduplication is done (2.x), for
 * answers that say they gave up waiting, and for imports whose answer was lost.
 * @returns that number
 * @throws RelayError `deduplication-unfinished` after the time-out
 * @throws Deferral where the delivery ends before
 */
export async function untilQuiet(
  { dojo, clock, delivery }: Waiting,
  testId: number,
  { timeoutMs, quietMs, pollMs }: DeduplicationTiming,
): Promise<number> {
  const started = clock.now();
  let since = started;
  let last: number | undefined;
  for (;;) {
    const duplicates = await dojo.findingCount(testId, true);
    const now = clock.now();
    if (duplicates !== last) since = now;
    last = duplicates;
    if (now - since >= quietMs) return duplicates;
    if (now - started >= timeoutMs) {
      const message = `test ${testId}: duplicates still change after ${timeoutMs / 1000} s`;
      throw new RelayError("deduplication-unfinished", message, { object: `test ${testId}` });
    }
    const wait = Math.min(pollMs, Math.max(1, quietMs));
    await sleepOrDefer(clock, delivery, wait, `DefectDojo still deduplicates test ${testId}`);
  }
}
