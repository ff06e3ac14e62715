import { AsyncLocalStorage } from "node:async_hooks";

/**
 * The end of a delivery, for everything that is done within it: requests, loops over lists, waits. It goes along with the work instead of through every
 * parameter, so that nothing can be forgotten: whatever reaches the world (DefectDojo's transport, the store, the queue, the clock) asks for it.
 * Without an end (Lambda freezes and kills the whole process) everything is as if there were none. See docs/adr/0013-the-end-of-a-delivery.md.
 */
const current = new AsyncLocalStorage<AbortSignal | undefined>();

/** Does the work, and all that it starts, until the signal says that its time is over. */
export function until<T>(end: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  return end === undefined ? work() : current.run(end, work);
}

/** Does what outlives the work that it is begun in: a delivery's end is not its own. */
export function beyondWork<T>(work: () => T): T {
  return current.run(undefined, work);
}

/** The signal of the work that is under way here, where it has an end. @throws its reason where it is over */
export function endOfWork(): AbortSignal | undefined {
  const end = current.getStore();
  end?.throwIfAborted();
  return end;
}
