import { Deferral } from "../../lib/deferral.ts";
import { RelayError, toRelayError } from "../../lib/errors.ts";
import type { Log } from "../../lib/observe.ts";
import { backoffSeconds } from "../../lib/util/backoff.ts";
import type { Clock } from "../../lib/util/clock.ts";

export interface RetryLimits {
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds since the epoch; no attempt starts after it. */
  readonly deadline: number;
  /** Failures of one step after which it fails for good. */
  readonly maxFailures: number;
}

/**
 * Repeats a step until it succeeds, as the queue does for the service: after a transient failure with growing pauses, after a Deferral when
 * it asked for.
 * @throws RelayError a permanent failure, one repeated too often, or the last one before the deadline
 */
export async function retry<T>(step: () => Promise<T>, limits: RetryLimits): Promise<T> {
  const { clock, log, deadline, maxFailures } = limits;
  for (let failures = 0; ; ) {
    try {
      return await step();
    } catch (error) {
      const waits = error instanceof Deferral;
      const failure = waits ? timeIsUp(error) : toRelayError(error);
      if (!waits && (failure.errorClass === "permanent" || ++failures >= maxFailures)) throw failure;
      const seconds = waits ? Math.max(1, error.seconds) : backoffSeconds(failures, failure.retryAfterSeconds);
      if (clock.now() + seconds * 1000 >= deadline) throw failure;
      if (waits) log.info("the hook waits", { why: error.message, seconds });
      else log.warn("a step failed and is retried", { failures, seconds, error: failure });
      await clock.sleep(seconds * 1000);
    }
  }
}

function timeIsUp({ message }: Deferral): RelayError {
  return new RelayError("import-unknown", `${message}, and the time is up (HOOK_TIMEOUT_SECONDS)`);
}
