import { Deferral, sleepOrDefer } from "../deferral.ts";
import { RelayError } from "../errors.ts";
import { GENERIC } from "../model/scan-types.ts";
import type { Test } from "../ports/defectdojo.ts";
import type { Prepared } from "./attempt.ts";
import { type Checkpoint, UNSENT } from "./checkpoint.ts";
import { isComplete } from "./decide.ts";
import { wanted } from "./fewer-kept.ts";
import { type MadeReport, refused } from "./make-report.ts";
import { discard } from "./stale-tests.ts";

/**
 * What DefectDojo's refusal of an import means:
 * - `refused`: its parser does not take the report, for good (400).
 * - `doubtful`: the parser may have failed on the report, or the server (500, and an empty test is left): only time tells.
 * - `conflict`: another request wrote the same rows (409); the same report may go through at once.
 * - `failed`: it says nothing about the report. A test that holds findings proves that the parser could read it.
 */
export type Verdict = "refused" | "doubtful" | "conflict" | "failed";

/** @param left what the import left behind: how many tests, and findings in them */
function judge(
  failure: Pick<RelayError, "reason" | "status" | "message">,
  scanType: string,
  left: { readonly tests: number; readonly findings: number },
): Verdict {
  if (failure.status === 409) return "conflict";
  if (isParserRefusal(failure)) return "refused";
  const mayBeParser = failure.status === 500 && scanType !== GENERIC && left.tests > 0 && left.findings === 0;
  return mayBeParser ? "doubtful" : "failed";
}

/** Tries of a report on which DefectDojo fails with 500, before its parser is taken to have refused it. */
const TRIES = 4;

/**
 * After DefectDojo's refusal: removes what it left behind, and returns when an immediate retry makes sense.
 * @returns the conflict, where it was one
 * @throws RelayError where no other try makes sense now
 * @throws Deferral where one makes sense after a while
 */
export async function afterRefusal(
  attempt: Prepared,
  failure: RelayError,
  { scanType, onlySource }: Pick<MadeReport, "scanType" | "onlySource">,
): Promise<RelayError | undefined> {
  const { key, checkpoint, ports } = attempt;
  const left = await ports.dojo.testsByBuildId(key);
  if (left.some(isComplete)) return undefined;
  const verdict = judge(failure, scanType, { tests: left.length, findings: await findingsIn(attempt, failure, left) });
  if (verdict === "failed") return await clearAndThrow(attempt, left, failure, {});
  if (verdict === "conflict") {
    ports.log.warn("the import met another one in DefectDojo; it is sent again", { scanType, error: failure });
    await checkpoint.save(UNSENT);
    await clear(attempt, left);
    return failure;
  }
  const why = `DefectDojo's parser ${JSON.stringify(scanType)} refused the report: ${failure.message}`;
  if (verdict === "doubtful" && !(await isRefusedByNow(attempt))) return await tryLater(attempt, left, failure);
  if (scanType === GENERIC || onlySource) {
    const generic = () => new RelayError("import-refused", why, { cause: failure, object: `scan type ${scanType}` });
    const error = onlySource ? refused(why, scanType, failure) : generic();
    return await clearAndThrow(attempt, left, error, NO_REFUSALS);
  }
  ports.log.warn("the report is imported as Generic Findings Import instead", { scanType, error: failure });
  const fellBackIn = verdict === "doubtful" ? messageOf(attempt) : undefined;
  await checkpoint.save({ ...UNSENT, ...NO_REFUSALS, fellBack: why, fellBackIn });
  await clear(attempt, left);
  return undefined;
}

/** The fallback that earlier deliveries of this message decided on; one that came of 500s does not outlive a redrive. */
export function fallbackOf(attempt: Prepared): string | undefined {
  const { fellBack, fellBackIn } = wanted(attempt);
  return fellBackIn === undefined || fellBackIn === messageOf(attempt) ? fellBack : undefined;
}

/** "" where the job came in no message, as the hook's. */
const messageOf = ({ delivery }: Prepared): string => delivery.message?.messageId ?? "";

const NO_REFUSALS = { refusals: 0, refusedSince: undefined } as const;

/** Counted only where the number matters. */
async function findingsIn({ ports }: Prepared, { status }: RelayError, left: readonly Test[]): Promise<number> {
  if (status !== 500) return 0;
  let findings = 0;
  for (const test of left) findings += await ports.dojo.findingCount(test.id);
  return findings;
}

/** Counts the refusal. @returns whether there were enough, over long enough a time */
async function isRefusedByNow({ checkpoint, ports, settings }: Prepared): Promise<boolean> {
  const { refusals, refusedSince } = checkpoint.now;
  const now = ports.clock.now();
  // An unreadable time starts the count again.
  const since = Date.parse(refusedSince ?? "") || now;
  checkpoint.remember({ refusals: refusals + 1, refusedSince: new Date(since).toISOString() });
  return refusals + 1 >= TRIES && now - since >= settings.ledger.refusalMs;
}

/** The tries lie over `refusalMs`, each twice as far from the one before. */
async function tryLater(attempt: Prepared, left: readonly Test[], failure: RelayError): Promise<undefined> {
  const { checkpoint, ports, delivery, settings } = attempt;
  const { pollMs, refusalMs } = settings.ledger;
  const tries = Math.min(checkpoint.now.refusals, TRIES - 1);
  const wait = Math.max(pollMs, Math.ceil((refusalMs * 2 ** (tries - 1)) / (2 ** (TRIES - 1) - 1)));
  const why = `DefectDojo failed on the report; it is sent once more (try ${checkpoint.now.refusals + 1})`;
  ports.log.warn(why, { seconds: wait / 1000, error: failure });
  // Noted before what it left is cleared, which may take to the next delivery.
  await checkpoint.save(UNSENT);
  await clear(attempt, left);
  if (wait > pollMs) throw new Deferral(why, Math.ceil(wait / 1000));
  await sleepOrDefer(ports.clock, delivery, wait, why);
  return undefined;
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
function isParserRefusal({ reason, status, message }: Pick<RelayError, "reason" | "status" | "message">): boolean {
  return reason === "dojo-rejected" && status === 400 && !/HTTP 400: [a-z_]+: |does not exist/.test(message);
}
