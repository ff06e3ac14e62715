import { AsyncLocalStorage } from "node:async_hooks";

/**
 * The end of a delivery, for everything within it: requests, loops over lists, waits. It accompanies the work instead of passing through every
 * parameter, so nothing can be forgotten: everything that does I/O (DefectDojo's transport, the store, the queue, the clock) checks it.
 * On Lambda, which freezes and kills the whole process, there is no such end. See docs/adr/0013-the-end-of-a-delivery.md.
 */
const current = new AsyncLocalStorage<AbortSignal | undefined>();

/** Does the work, and all that it starts, until the signal aborts. */
export function until<T>(end: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  return end === undefined ? work() : current.run(end, work);
}

/** Does work that outlives the delivery in which it starts. */
export function beyondWork<T>(work: () => T): T {
  return current.run(undefined, work);
}

/** The signal of the current work, if it has an end. @throws the signal's reason once it is aborted */
export function endOfWork(): AbortSignal | undefined {
  const end = current.getStore();
  end?.throwIfAborted();
  return end;
}
