import type { Clock } from "./clock.ts";
import type { DefectDojo, ImportAnswer, Test } from "./defectdojo/port.ts";
import { RelayError, toRelayError } from "./errors.ts";
import { type Delivery, HandBack, MARGIN_MS, sleepOrHandBack } from "./hand-back.ts";
import type { Log } from "./observe.ts";
import type { PendingNote } from "./pending.ts";
import { GENERIC } from "./scan-types.ts";
import { cutText } from "./text.ts";

/** What one job's import needs of its surroundings. */
export interface LedgerContext {
  readonly dojo: DefectDojo;
  readonly clock: Clock;
  readonly delivery: Delivery;
  readonly log: Log;
  readonly jobKey: string;
  /** The scan type to begin with. */
  readonly scanType: string;
  /** What is known from earlier deliveries. */
  readonly note: PendingNote;
  readonly saveNote: (note: PendingNote) => Promise<void>;
  /** Makes the report for the scan type ready, or for another where that one cannot be. */
  readonly prepare: (scanType: string) => Promise<Prepared>;
  readonly timing: LedgerTiming;
}

export interface Prepared {
  readonly scanType: string;
  /** Why that is not the scan type that was asked for. */
  readonly fellBack: string | undefined;
  /** How many findings DefectDojo must keep, where that is known. */
  readonly expected: number | undefined;
  /** Sends the report, once for each call. */
  readonly send: () => Promise<ImportAnswer>;
}

/** Milliseconds. */
export interface LedgerTiming {
  /** How long an import without an answer may take to show up in DefectDojo. */
  readonly settleMs: number;
  /** How long a running import may stand still before it is taken for dead. */
  readonly stalledMs: number;
  readonly pollMs: number;
}

export interface Imported {
  readonly testId: number;
  readonly importedAs: string;
  readonly fellBack: string | undefined;
  /** The answer, where this delivery made the import. */
  readonly answer: ImportAnswer | undefined;
}

/** DefectDojo's column for the title of a test. */
const LONGEST_TEST_TITLE = 255;

/** Tries of a native parser before the report is imported as Generic Findings Import. */
const MOST_REFUSALS = 2;

/** Claims of one delivery that were too old to be sent upon; after so many it is a failure. */
const MOST_LATE = 2;

/**
 * Brings about that DefectDojo has exactly one complete test with this job's build id, and says which.
 *
 * DefectDojo itself is asked before anything is sent and after every answer: a complete test is the import, of several the oldest; one below
 * 100 % is a running import while it grows, and dead when it no longer does. An import without an answer is never sent again on hope: it has to
 * show up, or to stay away for `settleMs`, and counts as a failure of this delivery then. The note is written before anything is sent, which fails
 * where another delivery of this job wrote it meanwhile: of two at once one sends.
 * @throws HandBack to go on in the next delivery
 */
export async function ensureImported(context: LedgerContext): Promise<Imported> {
  const { dojo, jobKey, log, clock, timing } = context;
  let note = context.note;
  const save = async (change: Partial<PendingNote>) => {
    note = { ...note, ...change };
    await context.saveNote(note);
  };
  let answer: ImportAnswer | undefined;
  let sentAs = "";
  let unanswered: RelayError | undefined;
  let late = 0;
  /** Nothing came of what was sent. Without an answer that is a failure; where the sender died it was one already. */
  const nothingCame = async () => {
    const why = note.unanswered;
    await save({ ...UNSENT, progress: undefined });
    if (why !== undefined) throw unanswered ?? new RelayError("import-unknown", why, { object: `import ${jobKey}` });
  };
  for (;;) {
    const tests = await dojo.testsByBuildId(jobKey);
    const complete = tests.find((test) => isComplete(test) || test.id === answer?.testId);
    const others = tests.filter((test) => test.id !== complete?.id);
    if (!(await clearAway(context, others, note, save))) continue;
    if (answer !== undefined && answer.testId !== complete?.id) await dropOwn(context, answer.testId);
    if (complete !== undefined) {
      const own = answer?.testId === complete.id ? answer : undefined;
      const importedAs = own === undefined ? complete.scanType : sentAs;
      return { testId: complete.id, importedAs, fellBack: note.fellBack, answer: own };
    }
    if (others.length > 0) {
      await nothingCame();
      continue;
    }
    if (note.postedAt !== undefined) {
      // Whoever sent it can have died at any time since: what it sent has that long from now on.
      if (note.lostAt === undefined) await save({ lostAt: isoTime(clock) });
      if (await settles(context, note.lostAt)) continue;
      await nothingCame();
    }

    const prepared = await context.prepare(note.fellBack === undefined ? context.scanType : GENERIC);
    const { scanType, expected, send } = prepared;
    const postedAt = clock.now();
    await save({ ...UNSENT, postedAt: isoTime(clock), expected, fellBack: note.fellBack ?? prepared.fellBack });
    const notedAt = clock.now();
    try {
      // Another delivery can have come to its end, its note included, since the look above.
      if ((await dojo.testsByBuildId(jobKey)).length > 0) continue;
    } catch (error) {
      await save(UNSENT);
      throw error;
    }
    if (clock.now() - postedAt > timing.settleMs / 2) {
      // The claim is so old that another delivery may soon take the import for lost.
      await save(UNSENT);
      if (++late === MOST_LATE) throw tooSlow(context, postedAt, notedAt);
      continue;
    }
    try {
      answer = await send();
      sentAs = scanType;
    } catch (error) {
      if (error instanceof HandBack) {
        await save(UNSENT);
        throw error;
      }
      const failure = toRelayError(error);
      if (failure.errorClass === "unknown") {
        log.warn("an import has no answer; DefectDojo is asked what became of it", { error: failure });
        unanswered = failure;
        await save({ lostAt: isoTime(clock), unanswered: failure.message });
      } else await afterRefusal(context, failure, scanType, note, save);
    }
  }
}

/** No import is under way that is not to be seen in DefectDojo. */
const UNSENT = { postedAt: undefined, lostAt: undefined, unanswered: undefined } as const;

/** The store takes too long to note an import, or DefectDojo to be asked, for another delivery to see in time that it is under way. */
function tooSlow({ clock, jobKey, timing }: LedgerContext, postedAt: number, notedAt: number): RelayError {
  const byStore = notedAt - postedAt > timing.settleMs / 2;
  const took = `${byStore ? "to note it in the bucket" : "to ask DefectDojo for it"} took ${(clock.now() - postedAt) / 1000} s`;
  return new RelayError(
    byStore ? "storage-unavailable" : "dojo-timeout",
    `the import was not sent: ${took}, more than half of IMPORT_SETTLE_SECONDS (${timing.settleMs / 1000})`,
    { object: `import ${jobKey}` },
  );
}

const isoTime = (clock: Clock) => new Date(clock.now()).toISOString();

/**
 * Takes tests out of the way that are surplus or half-made; one whose import runs is waited for, as DefectDojo does not delete it.
 * @returns false where one of them changed meanwhile: everything is to be looked at anew
 */
async function clearAway(
  context: LedgerContext,
  tests: readonly Test[],
  note: PendingNote,
  save: (change: Partial<PendingNote>) => Promise<void>,
): Promise<boolean> {
  for (const test of tests) {
    if (!isComplete(test) && (await watch(context, test, note, save))) return false;
    context.log.warn("a test in DefectDojo is surplus, or its import stands still and is taken for dead", {
      testId: test.id,
      percentComplete: test.percentComplete,
    });
    await discard(context.dojo, test, context.log);
  }
  return true;
}

/**
 * Another delivery of this job took our test out of the way while its import ran.
 * @throws RelayError `read-unstable` where there is no test at all then
 */
async function dropOwn({ dojo, jobKey }: LedgerContext, testId: number): Promise<void> {
  if (!(await dojo.deleteTest(testId))) await dojo.closeFindings(testId);
  const tests = await dojo.testsByBuildId(jobKey);
  if (tests.some(isComplete)) return;
  throw new RelayError("read-unstable", `test ${testId} was imported, but is not found by its build id`, {
    object: `test ${testId}`,
  });
}

/** DefectDojo's own word was no: clears what it left behind, and returns where another try makes sense. */
async function afterRefusal(
  context: LedgerContext,
  failure: RelayError,
  scanType: string,
  note: PendingNote,
  save: (change: Partial<PendingNote>) => Promise<void>,
): Promise<void> {
  const { dojo, jobKey, log, clock, delivery, timing } = context;
  const left = await dojo.testsByBuildId(jobKey);
  if (left.some(isComplete)) return;
  const byParser = failure.status === 500 ? left.length > 0 : isParserRefusal(failure);
  for (const half of left) await discard(dojo, half, log);
  if (!byParser) {
    await save(UNSENT);
    throw failure;
  }
  const refusals = note.refusals + 1;
  const why = `DefectDojo's parser ${JSON.stringify(scanType)} refused the report: ${failure.message}`;
  if (failure.status === 500 && refusals < MOST_REFUSALS) {
    log.warn("DefectDojo failed on the report; it is sent once more", { scanType, error: failure });
    await save({ ...UNSENT, refusals });
    await sleepOrHandBack(clock, delivery, timing.pollMs, why);
    return;
  }
  if (scanType === GENERIC) {
    await save({ ...UNSENT, refusals: 0 });
    throw new RelayError("import-refused", why, { cause: failure, object: `scan type ${scanType}` });
  }
  log.warn("the report is imported as Generic Findings Import instead", { scanType, error: failure });
  await save({ ...UNSENT, refusals: 0, fellBack: why });
}

const isComplete = (test: Test) => test.percentComplete >= 100;

/** A 400 that names no field of the request is the parser's. */
function isParserRefusal({ reason, status, message }: RelayError): boolean {
  return reason === "dojo-rejected" && status === 400 && !/HTTP 400: [a-z_]+: |does not exist/.test(message);
}

/**
 * Waits while the import goes on.
 * @returns true when it changed (complete or gone), false when it stands still
 */
async function watch(
  { dojo, clock, delivery, timing, jobKey, log }: LedgerContext,
  running: Test,
  note: PendingNote,
  save: (change: Partial<PendingNote>) => Promise<void>,
): Promise<boolean> {
  let progress = note.progress?.testId === running.id ? note.progress : undefined;
  for (let wait = timing.pollMs; ; wait = Math.min(wait * 1.5, timing.pollMs * 5)) {
    const findings = await dojo.findingCount(running.id);
    if (progress?.findings !== findings) {
      progress = { testId: running.id, findings, since: isoTime(clock) };
      log.info("an import is running in DefectDojo", { testId: running.id, findings });
    }
    if (clock.now() - Date.parse(progress.since) >= timing.stalledMs) return false;
    if (delivery.remainingMs() - MARGIN_MS < wait) {
      await save({ progress });
      throw new HandBack(
        `DefectDojo still imports test ${running.id} (${findings} findings so far)`,
        Math.ceil(wait / 1000),
      );
    }
    await clock.sleep(wait);
    const now = (await dojo.testsByBuildId(jobKey)).find((test) => test.id === running.id);
    if (now === undefined || isComplete(now)) return true;
  }
}

/** Waits for an import without an answer. @returns true if there is still something to wait for */
async function settles({ clock, delivery, timing }: LedgerContext, lostAt: string | undefined): Promise<boolean> {
  const left = Date.parse(lostAt ?? "") + timing.settleMs - clock.now();
  if (!(left > 0)) return false;
  await sleepOrHandBack(
    clock,
    delivery,
    Math.min(left, timing.pollMs),
    "an import without an answer has to show up or stay away",
  );
  return true;
}

/**
 * Takes a half-made or surplus test out of the way: deleted, or where the token may not, its findings closed and out of deduplication, and the
 * test retitled without the job's build id, so that nobody mistakes it. Safe to be cut off at any point: the build id goes last.
 */
async function discard(dojo: DefectDojo, test: Test, log: Log): Promise<void> {
  if (await dojo.deleteTest(test.id)) {
    log.info("a half-made test was removed from DefectDojo", { testId: test.id });
    return;
  }
  await dojo.closeFindings(test.id);
  await dojo.updateTest(test.id, {
    title: cutText(`[failed import, ignore] ${test.title}`, LONGEST_TEST_TITLE),
    buildId: `failed-${test.buildId}`,
  });
  log.warn("a half-made test could not be removed from DefectDojo; it is closed and retitled", { testId: test.id });
}
