import { Deferral, sleepOrDefer } from "../deferral.ts";
import { RelayError } from "../errors.ts";
import { GENERIC, isReadFirst } from "../model/scan-types.ts";
import type { Test } from "../ports/defectdojo.ts";
import { countOf } from "../util/text.ts";
import type { ImportContext, Prepared } from "./attempt.ts";
import { type Checkpoint, UNSENT } from "./checkpoint.ts";
import { isComplete } from "./decide.ts";
import { wanted } from "./fewer-kept.ts";
import { type MadeReport, refused } from "./make-report.ts";
import { discard } from "./stale-tests.ts";

/**
 * What DefectDojo's refusal of an import means:
 * - `refused`: its parser rejects the report for good (400).
 * - `doubtful`: the parser may have failed on the report, or the server (500, leaving an empty test or as many findings as at the last attempt): only
 *   time tells.
 * - `conflict`: another request wrote the same rows (409); the same report may go through at once.
 * - `failed`: it says nothing about the report. A test that holds findings proves that the parser could read it. But one of them may not fit into
 *   DefectDojo's database (seen with `trivy k8s` on 3.2), so their number is noted.
 */
export type Verdict = "refused" | "doubtful" | "conflict" | "failed";

/** @param left what the import left behind: the number of tests and of findings in them */
function judge(
  failure: Pick<RelayError, "reason" | "status" | "message">,
  scanType: string,
  left: { readonly tests: number; readonly findings: number },
  { refusedWith }: Checkpoint,
): Verdict {
  if (failure.status === 409) return "conflict";
  if (isParserRefusal(failure)) return "refused";
  if (!mayBeParser(failure, scanType, left.tests)) return "failed";
  return left.findings === 0 || left.findings === refusedWith ? "doubtful" : "failed";
}

const mayBeParser = ({ status }: Pick<RelayError, "status">, scanType: string, tests: number) =>
  status === 500 && scanType !== GENERIC && tests > 0;

/** How many 500s on a report count as a refusal by DefectDojo's parser. */
const TRIES = 4;

/**
 * After DefectDojo's refusal: removes what it left behind, and returns if an immediate retry makes sense.
 * @returns the conflict, if it was one
 * @throws RelayError if no other attempt makes sense now
 * @throws Deferral if one makes sense after a while
 */
export async function afterRefusal(
  attempt: Prepared,
  failure: RelayError,
  { scanType, onlySource }: Pick<MadeReport, "scanType" | "onlySource">,
  context: ImportContext,
): Promise<RelayError | undefined> {
  const { checkpoint, ports, ledger } = attempt;
  const left = await ledger.leftBehind(attempt);
  if (left.some(isComplete)) return undefined;
  const findings = await findingsIn(attempt, failure, left);
  // A failed reimport leaves nothing in a living test, nor does a parser that fails before there is a test: that proves as little as an empty test.
  const tests = checkpoint.now.into === undefined && !isReadFirst(scanType) ? left.length : 1;
  const verdict = judge(failure, scanType, { tests, findings }, checkpoint.now);
  if (verdict === "failed") {
    const noted = mayBeParser(failure, scanType, tests) ? counted(attempt, findings) : {};
    return await clearAndThrow(attempt, left, failure, noted);
  }
  if (verdict === "conflict") {
    ports.log.warn("the import conflicts with another one in DefectDojo; it is sent again", {
      scanType,
      error: failure,
    });
    await checkpoint.save(UNSENT);
    await clear(attempt, left);
    return failure;
  }
  const parser = `DefectDojo's parser ${JSON.stringify(scanType)}`;
  const how = findings === 0 ? "refused the report" : `fails after the same ${countOf(findings, "finding")} each time`;
  const why = `${parser} ${how}: ${failure.message}`;
  if (verdict === "doubtful" && !isRefusedByNow(attempt, findings)) return await tryLater(attempt, left, failure);
  await ledger.withdraw(attempt, context, scanType);
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

/**
 * Judges an import that stopped without a response: if it stops after the same findings each time, that is a refusal too.
 * @param findings how many it left behind
 * @returns the changes of the checkpoint
 */
export function afterStandstill(attempt: Prepared, { scanType }: Test, findings: number): Partial<Checkpoint> {
  const hasOtherSource = attempt.job.scan.rawResultType !== undefined;
  if (scanType === GENERIC || findings === 0 || !hasOtherSource) return {};
  const change = counted(attempt, findings);
  if (!isEnough(attempt, change)) return change;
  const parser = `DefectDojo's parser ${JSON.stringify(scanType)}`;
  const fellBack = `${parser} stops after the same ${countOf(findings, "finding")} each time, without a response`;
  attempt.ports.log.warn("the report is imported as Generic Findings Import instead", { scanType, why: fellBack });
  return { ...NO_REFUSALS, fellBack, fellBackIn: messageOf(attempt) };
}

/** The fallback that earlier deliveries of this message decided on; one caused by 500s does not outlive a redrive. */
export function fallbackOf(attempt: Prepared): string | undefined {
  const { fellBack, fellBackIn } = wanted(attempt);
  return fellBackIn === undefined || fellBackIn === messageOf(attempt) ? fellBack : undefined;
}

/** "" if the job came in no message, as in the hook. */
const messageOf = ({ delivery }: Prepared): string => delivery.message?.messageId ?? "";

const NO_REFUSALS = { refusals: 0, refusedSince: undefined, refusedWith: undefined } as const;

/** Counted only if the number matters. */
async function findingsIn({ ports }: Prepared, { status }: RelayError, left: readonly Test[]): Promise<number> {
  if (status !== 500) return 0;
  let findings = 0;
  for (const test of left) findings += await ports.dojo.findingCount(test.id);
  return findings;
}

/** The refusals including this one; a different number of findings than at the last attempt restarts the count, as does an invalid time. */
function counted({ checkpoint, ports }: Prepared, findings: number) {
  const { refusals, refusedSince, refusedWith = 0 } = checkpoint.now;
  const now = ports.clock.now();
  const same = findings === refusedWith;
  const since = (same && Date.parse(refusedSince ?? "")) || now;
  return { refusals: same ? refusals + 1 : 1, refusedSince: new Date(since).toISOString(), refusedWith: findings };
}

/** Counts the refusal. @returns whether there were enough, over a long enough time */
function isRefusedByNow(attempt: Prepared, findings: number): boolean {
  const change = counted(attempt, findings);
  attempt.checkpoint.remember(change);
  return isEnough(attempt, change);
}

/** Whether there were enough attempts, over a long enough time. */
function isEnough({ ports, settings }: Prepared, { refusals, refusedSince }: ReturnType<typeof counted>): boolean {
  return refusals >= TRIES && ports.clock.now() - Date.parse(refusedSince) >= settings.ledger.refusalMs;
}

/** The attempts spread over `refusalMs`, with doubling intervals. */
async function tryLater(attempt: Prepared, left: readonly Test[], failure: RelayError): Promise<undefined> {
  const { checkpoint, ports, delivery, settings } = attempt;
  const { pollMs, refusalMs } = settings.ledger;
  const tries = Math.min(checkpoint.now.refusals, TRIES - 1);
  const wait = Math.max(pollMs, Math.ceil((refusalMs * 2 ** (tries - 1)) / (2 ** (TRIES - 1) - 1)));
  const why = `DefectDojo failed on the report; it is sent again (attempt ${checkpoint.now.refusals + 1})`;
  ports.log.warn(why, { seconds: wait / 1000, error: failure });
  // Recorded before its remains are cleared, which may take until the next delivery.
  await checkpoint.save(UNSENT);
  await clear(attempt, left);
  if (wait > pollMs) throw new Deferral(why, Math.ceil(wait / 1000));
  await sleepOrDefer(ports.clock, delivery, wait, why);
  return undefined;
}

async function clear(attempt: Prepared, left: readonly Test[]): Promise<void> {
  for (const test of left) await discard(attempt, test);
}

/** The failure takes precedence even if no time is left to clear everything: the redrive continues with that. */
async function clearAndThrow(
  attempt: Prepared,
  left: readonly Test[],
  error: RelayError,
  change: Partial<Checkpoint>,
): Promise<never> {
  await clear(attempt, left).catch((cause: unknown) => {
    if (!(cause instanceof Deferral)) throw cause;
    attempt.ports.log.warn("the remains of the failed import are not cleared yet", { error: cause });
  });
  await attempt.checkpoint.save({ ...UNSENT, ...change });
  throw error;
}

/** A 400 that names no field of the request comes from the parser. */
function isParserRefusal({ reason, status, message }: Pick<RelayError, "reason" | "status" | "message">): boolean {
  return reason === "dojo-rejected" && status === 400 && !/HTTP 400: [a-z_]+: |does not exist/.test(message);
}
