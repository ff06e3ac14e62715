import type { Clock } from "../../lib/util/clock.ts";

/** A clock that stands still until everything is idle and then jumps to the next event. */
export interface VirtualTime extends Clock {
  /** Calls back at that time; ties run in the order of registration. */
  at(time: number, what: () => void): void;
  /** Runs events one after another until none is left. @throws if there is no end */
  drain(): Promise<void>;
}

const START = Date.parse("2026-11-24T12:00:00Z");
/** Far more than any schedule needs. */
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

/** Resolves when everything is idle: no microtask, no callback, no file access. */
async function rest(): Promise<void> {
  for (let calm = 0; calm < 2; ) {
    await new Promise((resolve) => setImmediate(resolve));
    calm = process.getActiveResourcesInfo().some((name) => /Req/.test(name)) ? 0 : calm + 1;
  }
}
