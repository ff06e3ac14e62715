import { RelayError } from "../../lib/errors.ts";

/** What `run` throws, now or later; an error of its own where it throws nothing. */
export async function thrownBy(run: () => unknown): Promise<unknown> {
  try {
    await run();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

/** The RelayError that `run` throws; anything else that it throws is thrown on. */
export async function relayErrorBy(run: () => unknown): Promise<RelayError> {
  const error = await thrownBy(run);
  if (error instanceof RelayError) return error;
  throw error;
}
