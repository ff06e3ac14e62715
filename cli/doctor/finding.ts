import { describeError, RelayError } from "../../lib/errors.ts";
import { CommandError } from "../command-error.ts";

/** The result of one check: fine, worth a look, or broken. */
export interface Diagnosis {
  readonly level: "ok" | "warn" | "fail";
  readonly check: string;
  readonly says: string;
  /** The remedy; absent if all is fine. */
  readonly remedy?: string;
}

export const ok = (check: string, says: string): Diagnosis => ({ level: "ok", check, says });
export const warn = (check: string, says: string, remedy: string): Diagnosis => ({
  level: "warn",
  check,
  says,
  remedy,
});
export const fail = (check: string, says: string, remedy: string): Diagnosis => ({
  level: "fail",
  check,
  says,
  remedy,
});

/** The results of a check; a check that cannot run is itself a failure. */
export async function examine(
  check: string,
  look: () => Promise<Diagnosis | readonly Diagnosis[]>,
): Promise<Diagnosis[]> {
  try {
    return [await look()].flat();
  } catch (error) {
    const advice = error instanceof RelayError || error instanceof CommandError ? error.advice : "See the message.";
    return [fail(check, describeError(error, 300), advice)];
  }
}

/** Seconds that two clocks may differ before a report's date is in the future for one of them. */
const MOST_SKEW_SECONDS = 60;

/** @param theirs the server's `Date` header, in whole seconds */
export function skew(check: string, theirs: Date | undefined, now: Date): Diagnosis[] {
  if (theirs === undefined) return [];
  const seconds = Math.round((theirs.getTime() - now.getTime()) / 1000);
  if (Math.abs(seconds) <= MOST_SKEW_SECONDS) return [ok(check, "the clocks agree within a minute")];
  const which = seconds > 0 ? "ahead of" : "behind";
  return [
    warn(
      check,
      `the server's clock is ${Math.abs(seconds)} s ${which} this machine's`,
      "Synchronise the clocks (NTP): signatures and dates of findings depend on them.",
    ),
  ];
}
