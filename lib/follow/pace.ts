/** A failing round is tried again after at most this. Milliseconds. */
const LONGEST_PAUSE_MS = 300_000;
/** Nothing happened for so long: nobody imports or judges at the moment. Milliseconds. */
const IDLE_AFTER_MS = 300_000;
/** An idle minute costs one request. Milliseconds. */
const IDLE_PAUSE_MS = 60_000;

export interface Pace {
  /** Rounds that failed since the last one that did not. */
  readonly failures: number;
  /** When the first round ended since which nothing changed: milliseconds since the epoch. */
  readonly idleSince: number | undefined;
}

/**
 * How long to wait for the next round: `intervalMs`; twice as long, but at most a minute, while nothing happens; longer where rounds fail.
 * @param now milliseconds since the epoch
 */
export function pauseAfter({ failures, idleSince }: Pace, intervalMs: number, now: number): number {
  if (failures > 0) return Math.max(intervalMs, Math.min(LONGEST_PAUSE_MS, intervalMs * 2 ** failures));
  const isIdle = idleSince !== undefined && now - idleSince >= IDLE_AFTER_MS;
  return isIdle ? Math.max(intervalMs, Math.min(IDLE_PAUSE_MS, 2 * intervalMs)) : intervalMs;
}
