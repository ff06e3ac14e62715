import type { Delivery } from "../../lib/deferral.ts";
import type { Clock } from "../../lib/util/clock.ts";

/** A clock that only sleeping moves, so that hours pass at once. */
export interface FakeClock extends Clock {
  /** Every sleep that was asked for, in milliseconds. */
  readonly slept: number[];
  advance(ms: number): void;
}

/** @param onSleep is called with the time after each sleep: what happens in the world meanwhile */
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

/** A delivery that ends `ms` after now. */
export function deliveryOf(clock: Clock, ms = 900_000): Delivery {
  const end = clock.now() + ms;
  return { remainingMs: () => end - clock.now() };
}
