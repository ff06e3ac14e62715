import { setImmediate } from "node:timers/promises";

/** Lets everything proceed that waits for no clock, file or network. It counts turns of the event loop, because a busy machine may spend any time on one. */
export async function someTurns(turns = 25): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await setImmediate();
}
