import { setTimeout as sleep } from "node:timers/promises";

/**
 * A function to call before each step, which limits the steps to `perSecond`; without a rate it does not wait, and it never waits longer
 * than the signal allows.
 */
export function pace(perSecond: number | undefined, signal: AbortSignal): () => Promise<void> {
  if (perSecond === undefined) return async () => undefined;
  let next = 0;
  return async () => {
    const now = performance.now();
    const wait = Math.max(0, next - now);
    next = Math.max(next, now) + 1000 / perSecond;
    if (wait > 0) await sleep(wait, undefined, { signal }).catch(() => undefined);
  };
}
