import { type Clock, systemClock } from "../../lib/util/clock.ts";

/** Lets one kind of work go before another on one machine. */
export interface Precedence {
  /** Does the work that goes first. */
  first<T>(work: () => Promise<T>): Promise<T>;
  /** Resolves where little of it is under way, or after {@link LONGEST_MS}. */
  giveWay(): Promise<void>;
}

/** Under way at once: what a burst has more of waits in line. */
const FEW = 4;
/** Work that gives way gets on all the same where the other never ends. */
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
