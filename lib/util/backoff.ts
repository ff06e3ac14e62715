/**
 * The wait before a retry: doubled with every attempt, with full jitter over its upper half, so what failed together is not retried together.
 * https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
 * @param first the longest first wait, in any unit of time
 * @param attempt 1 for the first retry
 * @param longest the maximum
 * @returns the wait in the unit of `first`: at least half of what it doubled to
 */
export function backoff(
  first: number,
  attempt: number,
  longest = Number.POSITIVE_INFINITY,
  random = Math.random,
): number {
  return Math.min(longest, first * 2 ** Math.max(0, attempt - 1)) * (0.5 + random() / 2);
}

const FIRST_SECONDS = 5;
const LONGEST_SECONDS = 900;

/** Seconds until a failed job is tried again: {@link backoff} from 5 to 900 s; never less than the server asked for (`Retry-After`). */
export function backoffSeconds(failures: number, retryAfterSeconds: number | undefined, random = Math.random): number {
  return Math.max(
    Math.round(backoff(FIRST_SECONDS, failures, LONGEST_SECONDS, random)),
    Math.ceil(retryAfterSeconds ?? 0),
  );
}
