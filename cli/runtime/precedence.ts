import { type Clock, systemClock } from "../../lib/util/clock.ts";

/** Gives one kind of work priority over another on one machine. */
export interface Precedence {
  /** Runs the work with priority. */
  first<T>(work: () => Promise<T>): Promise<T>;
  /** Resolves when little of it is in progress, or after {@link LONGEST_MS}. */
  giveWay(): Promise<void>;
}

/** In progress at once; the rest of a burst queues. */
const FEW = 4;
/** The longest that the other work is held up. */
const LONGEST_MS = 2_000;
const LOOK_MS = 20;

export function precedence(clock: Clock = systemClock): Precedence {
  let underway = 0;
  return {
    first: async (work) => {
      underway++;
      try {
        return await work();
      } finally {
        underway--;
      }
    },
    giveWay: async () => {
      for (let waited = 0; underway > FEW && waited < LONGEST_MS; waited += LOOK_MS) await clock.sleep(LOOK_MS);
    },
  };
}
