import type { Clock } from "../../lib/util/clock.ts";

/** A clock that stands still until everything has come to rest, and then jumps to the next thing that is to happen. */
export interface VirtualTime extends Clock {
  /** Calls back at that time; ties in the order in which they were asked for. */
  at(time: number, what: () => void): void;
  /** Lets things happen, one after another, until none is left. @throws where there is no end */
  drain(): Promise<void>;
}

const START = Date.parse("2026-11-24T12:00:00Z");
/** Far more than any schedule takes. */
const MOST_EVENTS = 40_000;
const LONGEST_MS = 14 * 24 * 3_600_000;

export function virtualTime(): VirtualTime {
  const events: { readonly time: number; readonly what: () => void }[] = [];
  let now = START;
  let happened = 0;
  const at = (time: number, what: () => void) => {
    let place = events.length;
    while (place > 0 && (events[place - 1]?.time ?? 0) > time) place--;
    events.splice(place, 0, { time: Math.max(time, now), what });
  };
  return {
    now: () => now,
    sleep: (ms) => new Promise((resolve) => at(now + Math.max(0, ms), resolve)),
    at,
    drain: async () => {
      for (;;) {
        await rest();
        const next = events.shift();
        if (next === undefined) return;
        now = next.time;
        next.what();
        if (++happened > MOST_EVENTS || now - START > LONGEST_MS) {
          throw new Error(`no end after ${happened} events and ${Math.round((now - START) / 1000)} s`);
        }
      }
    },
  };
}

/** Resolves when nothing runs any more: no microtask, no callback, no file that is read or written. */
async function rest(): Promise<void> {
  for (let calm = 0; calm < 2; ) {
    await new Promise((resolve) => setImmediate(resolve));
    calm = process.getActiveResourcesInfo().some((name) => /Req/.test(name)) ? 0 : calm + 1;
  }
}
