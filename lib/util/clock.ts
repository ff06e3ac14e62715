import { setTimeout as timer } from "node:timers/promises";

/** Time as the flows see it, so that tests can let hours pass. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  sleep(ms: number): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms) => {
    await timer(Math.max(0, ms));
  },
};

/** Seconds as milliseconds. */
export const seconds = (value: number) => value * 1000;
