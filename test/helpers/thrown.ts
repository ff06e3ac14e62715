import { RelayError } from "../../lib/errors.ts";

/** The error that `run` throws or rejects with; throws if there is none. */
export async function thrownBy(run: () => unknown): Promise<unknown> {
  try {
    await run();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

/** The RelayError that `run` throws; any other error is rethrown. */
export async function relayErrorBy(run: () => unknown): Promise<RelayError> {
  const error = await thrownBy(run);
  if (error instanceof RelayError) return error;
  throw error;
}
