import { RelayError } from "../errors.ts";
import { systemClock } from "../util/clock.ts";

const TRIES = 3;
/** Milliseconds before the second try, with jitter; doubled before each further one. */
const PAUSE = 100;

/**
 * Creates an object, or finds the one that somebody else created first: DefectDojo refuses it (400) or two requests collide (409). Neither is recognised by
 * its text. A conflict over something else (a tag, a URL) is retried.
 */
export async function createOrFind<T>(create: () => Promise<T>, find: () => Promise<T | undefined>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await create();
    } catch (error) {
      const reason = error instanceof RelayError ? error.reason : undefined;
      const found = reason === "dojo-rejected" || reason === "dojo-conflict" ? await find() : undefined;
      if (found !== undefined) return found;
      if (reason !== "dojo-conflict" || attempt === TRIES) throw error;
      await systemClock.sleep(PAUSE * 2 ** (attempt - 1) * (0.5 + Math.random()));
    }
  }
}
