import { Deferral, sleepOrDefer } from "../deferral.ts";
import { RelayError } from "../errors.ts";
import { GENERIC } from "../model/scan-types.ts";
import type { Test } from "../ports/defectdojo.ts";
import type { Prepared } from "./attempt.ts";
import { type Checkpoint, UNSENT } from "./checkpoint.ts";
import { isComplete } from "./decide.ts";
import { discard } from "./stale-tests.ts";

/** Tries of a native parser before the report is imported as Generic Findings Import. */
const MOST_REFUSALS = 2;

/**
 * DefectDojo's own word was no: clears what it left behind, and returns where another try makes sense.
 * @throws RelayError where none does
 */
export async function afterRefusal(attempt: Prepared, failure: RelayError, scanType: string): Promise<void> {
  const { key, checkpoint, delivery, ports, settings } = attempt;
  const { dojo, log, clock } = ports;
  const left = await dojo.testsByBuildId(key);
  if (left.some(isComplete)) return;
  const byParser = failure.status === 500 ? left.length > 0 : isParserRefusal(failure);
  if (!byParser) return await clearAndThrow(attempt, left, failure, {});
  const refusals = checkpoint.now.refusals + 1;
  const why = `DefectDojo's parser ${JSON.stringify(scanType)} refused the report: ${failure.message}`;
  if (failure.status === 500 && refusals < MOST_REFUSALS) {
    log.warn("DefectDojo failed on the report; it is sent once more", { scanType, error: failure });
    // Noted before what it left is cleared, which may take to the next delivery.
    await checkpoint.save({ ...UNSENT, refusals });
    await clear(attempt, left);
    await sleepOrDefer(clock, delivery, settings.ledger.pollMs, why);
    return;
  }
  if (scanType === GENERIC) {
    const error = new RelayError("import-refused", why, { cause: failure, object: `scan type ${scanType}` });
    return await clearAndThrow(attempt, left, error, { refusals: 0 });
  }
  log.warn("the report is imported as Generic Findings Import instead", { scanType, error: failure });
  await checkpoint.save({ ...UNSENT, refusals: 0, fellBack: why });
  await clear(attempt, left);
}

async function clear(attempt: Prepared, left: readonly Test[]): Promise<void> {
  for (const test of left) await discard(attempt, test);
}

/** The failure has the last word, also where no time is left to clear everything: the redrive continues with that. */
async function clearAndThrow(
  attempt: Prepared,
  left: readonly Test[],
  error: RelayError,
  change: Partial<Checkpoint>,
): Promise<never> {
  await clear(attempt, left).catch((cause: unknown) => {
    if (!(cause instanceof Deferral)) throw cause;
    attempt.ports.log.warn("what the failed import left behind is not cleared yet", { error: cause });
  });
  await attempt.checkpoint.save({ ...UNSENT, ...change });
  throw error;
}

/** A 400 that names no field of the request is the parser's. */
function isParserRefusal({ reason, status, message }: RelayError): boolean {
  return reason === "dojo-rejected" && status === 400 && !/HTTP 400: [a-z_]+: |does not exist/.test(message);
}
