import type { Delivery } from "../../lib/deferral.ts";
import type { Clock } from "../../lib/util/clock.ts";

/** A clock that advances only through sleep, so that hours pass at once. */
export interface FakeClock extends Clock {
  /** Every requested sleep, in milliseconds. */
  readonly slept: number[];
  advance(ms: number): void;
}

/** @param onSleep called with the time after each sleep, to simulate events meanwhile */
export function fakeClock(start = "2026-11-24T12:00:00.000Z", onSleep?: (now: number) => void): FakeClock {
  let now = Date.parse(start);
  const slept: number[] = [];
  return {
    slept,
    now: () => now,
    advance: (ms) => {
      now += ms;
    },
    sleep: async (ms) => {
      slept.push(ms);
      now += Math.max(0, ms);
      onSleep?.(now);
    },
  };
}

/** A delivery that ends `ms` from now. */
export function deliveryOf(clock: Clock, ms = 900_000): Delivery {
  const end = clock.now() + ms;
  return { remainingMs: () => end - clock.now() };
}
