import { setTimeout as sleep } from "node:timers/promises";

/**
 * A function that waits so that what follows its calls happens at most `perSecond` times a second; it waits not at all without a rate, and no longer
 * than until the signal.
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
