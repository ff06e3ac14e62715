import { setTimeout as timer } from "node:timers/promises";
import { endOfWork } from "./until.ts";

/** The flows' clock, which tests replace to let hours pass. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Ends early with an error if the work that it belongs to ends. */
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
