import { setTimeout as timer } from "node:timers/promises";
import { endOfWork } from "./until.ts";

/** Time as the flows see it, so that tests can let hours pass. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Ends early, by an error, with the work that it is part of. */
  sleep(ms: number): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms) => {
    await timer(Math.max(0, ms), undefined, { signal: endOfWork() });
  },
};

/** Seconds as milliseconds. */
export const seconds = (value: number) => value * 1000;
