import { setImmediate } from "node:timers/promises";

/** Lets go on whatever waits for no clock, file or network: turns of the event loop, not time, as a busy machine may spend any time between two. */
export async function someTurns(turns = 25): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await setImmediate();
}
