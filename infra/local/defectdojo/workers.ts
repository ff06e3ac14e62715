import { setTimeout as sleep } from "node:timers/promises";
import type { Timing } from "./options.ts";

/** With timing on, limits concurrent requests, like a server with that many workers. */
export function createWorkers(timing: Timing): <T>(work: () => Promise<T>) => Promise<T> {
  if (timing.fixedMs + timing.importMsPerFinding + timing.readMsPerFinding === 0) return (work) => work();
  const waiting: (() => void)[] = [];
  let free = timing.workers;
  return async (work) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      await sleep(timing.fixedMs);
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  };
}
