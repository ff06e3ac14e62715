import { RelayError, toRelayError } from "../errors.ts";
import { GENERIC } from "../model/scan-types.ts";
import type { Log } from "../observe.ts";
import type { DefectDojo, ImportAnswer } from "../ports/defectdojo.ts";
import type { Clock } from "../util/clock.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { Deferral, type Delivery, sleepOrDefer } from "./deferral.ts";
import { discard, dropOwn, isComplete, isoTime, removeStaleTests } from "./stale-tests.ts";

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
  readonly note: Checkpoint;
  readonly saveNote: (note: Checkpoint) => Promise<void>;
  /** Makes the report for the scan type ready, or for another where that one cannot be. */
  readonly prepare: (scanType: string) => Promise<Prepared>;
  readonly timing: LedgerTiming;
}

interface Prepared {
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
 * @throws Deferral to go on in the next delivery
 */
export async function ensureImported(context: LedgerContext): Promise<Imported> {
  const { dojo, jobKey, log, clock, timing } = context;
  let note = context.note;
  const save = async (change: Partial<Checkpoint>) => {
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
    if (!(await removeStaleTests(context, others, note, save))) continue;
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
      if (error instanceof Deferral) {
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

/** DefectDojo's own word was no: clears what it left behind, and returns where another try makes sense. */
async function afterRefusal(
  context: LedgerContext,
  failure: RelayError,
  scanType: string,
  note: Checkpoint,
  save: (change: Partial<Checkpoint>) => Promise<void>,
): Promise<void> {
  const { dojo, jobKey, log, clock, delivery, timing } = context;
  const left = await dojo.testsByBuildId(jobKey);
  if (left.some(isComplete)) return;
  const byParser = failure.status === 500 ? left.length > 0 : isParserRefusal(failure);
  const clear = async () => {
    for (const half of left) await discard(context, half);
  };
  /** The failure has the last word, also where no time is left to clear everything: the redrive goes on with that. */
  const clearAndThrow = async (error: RelayError, change: Partial<Checkpoint>) => {
    await clear().catch((cause: unknown) => {
      if (!(cause instanceof Deferral)) throw cause;
      log.warn("what the failed import left behind is not cleared yet", { error: cause });
    });
    await save({ ...UNSENT, ...change });
    throw error;
  };
  if (!byParser) return await clearAndThrow(failure, {});
  const refusals = note.refusals + 1;
  const why = `DefectDojo's parser ${JSON.stringify(scanType)} refused the report: ${failure.message}`;
  if (failure.status === 500 && refusals < MOST_REFUSALS) {
    log.warn("DefectDojo failed on the report; it is sent once more", { scanType, error: failure });
    // Noted before what it left is cleared, which may take to the next delivery.
    await save({ ...UNSENT, refusals });
    await clear();
    await sleepOrDefer(clock, delivery, timing.pollMs, why);
    return;
  }
  if (scanType === GENERIC) {
    const error = new RelayError("import-refused", why, { cause: failure, object: `scan type ${scanType}` });
    return await clearAndThrow(error, { refusals: 0 });
  }
  log.warn("the report is imported as Generic Findings Import instead", { scanType, error: failure });
  await save({ ...UNSENT, refusals: 0, fellBack: why });
  await clear();
}

/** A 400 that names no field of the request is the parser's. */
function isParserRefusal({ reason, status, message }: RelayError): boolean {
  return reason === "dojo-rejected" && status === 400 && !/HTTP 400: [a-z_]+: |does not exist/.test(message);
}

/** Waits for an import without an answer. @returns true if there is still something to wait for */
async function settles({ clock, delivery, timing }: LedgerContext, lostAt: string | undefined): Promise<boolean> {
  const left = Date.parse(lostAt ?? "") + timing.settleMs - clock.now();
  if (!(left > 0)) return false;
  await sleepOrDefer(
    clock,
    delivery,
    Math.min(left, timing.pollMs),
    "an import without an answer has to show up or stay away",
  );
  return true;
}
