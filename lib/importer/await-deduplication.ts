import { type Delivery, MARGIN_MS, sleepOrDefer } from "../deferral.ts";
import { RelayError } from "../errors.ts";
import type { DefectDojo } from "../ports/defectdojo.ts";
import type { DeduplicationTiming } from "../types.ts";
import type { Clock } from "../util/clock.ts";
import type { Deduplicated, Imported } from "./attempt.ts";
import { closingWarnings } from "./closing.ts";
import { countKept } from "./count-kept.ts";
import { locate, withFreshIds } from "./import-context.ts";
import { livingWarnings } from "./living-warnings.ts";

/**
 * How many times longer the number has to stay the same if DefectDojo itself gave up waiting, or its response was lost. Measured on 3.2: a thousand
 * duplicates take some 7 s, within which their number can stand still, and the server waits 60 s before it reports `deduplication_complete: false`. So
 * its Celery worker first does other work, during which nothing changes either. Five times are 30 s by default, four
 * thousand findings. If a response says nothing (before 3.1), only this process's own imports show that the worker may be behind: each of them
 * adds a quiet time, up to this many.
 */
const PATIENCE = 5;

/** Checks of the number within one quiet time. */
const MOST_QUIET_POLLS = 5;

/**
 * Counts the test's findings and waits for the end of deduplication, as far as it can be known.
 * @throws RelayError `import-incomplete`, `deduplication-unfinished`
 * @throws Deferral when the delivery ends first
 */
export async function awaitDeduplication(attempt: Imported): Promise<Deduplicated> {
  const { ports } = attempt;
  const importedAt = ports.clock.now();
  if (attempt.fellBack !== undefined) ports.metrics.add("JobsFellBack");
  const context = attempt.context ?? (await withFreshIds(locate, attempt));
  const { total, warnings } = await countKept(attempt);
  const { deduplication, duplicates } = await endOfDeduplication(attempt, total);
  const counted = attempt.answer?.statistics;
  const statistics = counted && { ...counted, duplicates: duplicates ?? counted.duplicates };
  const told = [
    ...attempt.warnings,
    ...context.warnings,
    ...warnings,
    ...closingWarnings(attempt),
    ...livingWarnings(attempt),
  ];
  return { ...attempt, context, total, deduplication, statistics, importedAt, warnings: told };
}

interface End {
  readonly deduplication: Deduplicated["deduplication"];
  /** The number of duplicates, if it was requested. */
  readonly duplicates: number | undefined;
}

/** Known at once if DefectDojo reported it, if there is nothing to do, or if it was done within the import; otherwise waits. */
async function endOfDeduplication(attempt: Imported, total: number): Promise<End> {
  const { ports, settings, answer, current, delivery, deliveryMs, testId, living } = attempt;
  const said = answer?.deduplicated;
  const known = { deduplication: "confirmed", duplicates: undefined } as const;
  // In a living test, only new findings are compared with other tests.
  const compared = living?.record === undefined || living.since !== undefined ? total : living.record.new.length;
  if (compared === 0 || said === true) return known;
  if (said === undefined && (await ports.dojo.blocksExecution())) return known;
  // Our own write-back was made after such a wait.
  const behind = said === false || (answer === undefined && !current.own);
  const times = behind ? PATIENCE : Math.max(1, ports.load?.underWay() ?? 1);
  const timing = patient(settings.deduplication, deliveryMs, times);
  const duplicates = await untilQuiet({ ...ports, delivery }, testId, timing);
  // There cannot be more than all.
  return { deduplication: living === undefined && duplicates >= total ? "confirmed" : "assumed", duplicates };
}

/**
 * The timing for a server that is, or may be, behind. The wait starts again in each delivery, so it has to fit into one and into the time-out.
 * @param deliveryMs how long a whole delivery lasts
 * @param times how many quiet times, {@link PATIENCE} at most
 */
export function patient(timing: DeduplicationTiming, deliveryMs: number, times = PATIENCE): DeduplicationTiming {
  const longest = Math.min(timing.timeoutMs, deliveryMs - MARGIN_MS) / 2;
  return {
    ...timing,
    quietMs: Math.max(timing.quietMs, Math.min(Math.min(times, PATIENCE) * timing.quietMs, longest)),
  };
}

/** The wait's ports. */
interface Waiting {
  readonly dojo: DefectDojo;
  readonly clock: Clock;
  readonly delivery: Delivery;
}

/**
 * Waits until the number of duplicates in the test no longer changes. For servers that do not report the end of deduplication (before 3.1), for
 * responses that report an abandoned wait, and for imports whose response was lost.
 * @returns that number
 * @throws RelayError `deduplication-unfinished` after the time-out
 * @throws Deferral when the delivery ends first
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
    // A long quiet time is not checked more often than a short one.
    const wait = Math.min(Math.max(pollMs, quietMs / MOST_QUIET_POLLS), Math.max(1, quietMs));
    await sleepOrDefer(clock, delivery, wait, `DefectDojo still deduplicates test ${testId}`);
  }
}
