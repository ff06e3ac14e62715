import { RelayError } from "../errors.ts";
import type { Test } from "../ports/defectdojo.ts";
import { cutText } from "../report/text.ts";
import type { Clock } from "../util/clock.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { Deferral, MARGIN_MS } from "./deferral.ts";
import type { LedgerContext } from "./ledger.ts";

/** DefectDojo's column for the title of a test. */
const LONGEST_TEST_TITLE = 255;

export const isComplete = (test: Test) => test.percentComplete >= 100;

export const isoTime = (clock: Clock) => new Date(clock.now()).toISOString();

/**
 * Takes tests out of the way that are surplus or half-made; one whose import runs is waited for, as DefectDojo does not delete it.
 * @returns false where one of them changed meanwhile: everything is to be looked at anew
 */
export async function removeStaleTests(
  context: LedgerContext,
  tests: readonly Test[],
  note: Checkpoint,
  save: (change: Partial<Checkpoint>) => Promise<void>,
): Promise<boolean> {
  for (const test of tests) {
    if (!isComplete(test) && (await watch(context, test, note, save))) return false;
    context.log.warn("a test in DefectDojo is surplus, or its import stands still and is taken for dead", {
      testId: test.id,
      percentComplete: test.percentComplete,
    });
    await discard(context, test);
  }
  return true;
}

/**
 * Waits while the import goes on.
 * @returns true when it changed (complete or gone), false when it stands still
 */
async function watch(
  { dojo, clock, delivery, timing, jobKey, log }: LedgerContext,
  running: Test,
  note: Checkpoint,
  save: (change: Partial<Checkpoint>) => Promise<void>,
): Promise<boolean> {
  let progress = note.progress?.testId === running.id ? note.progress : undefined;
  for (let wait = timing.pollMs; ; wait = Math.min(wait * 1.5, timing.pollMs * 5)) {
    const findings = await dojo.findingCount(running.id);
    if (progress?.findings !== findings) {
      progress = { testId: running.id, findings, since: isoTime(clock) };
      log.info("an import is running in DefectDojo", { testId: running.id, findings });
    }
    if (clock.now() - Date.parse(progress.since) >= timing.stalledMs) {
      // Known to the next delivery too, if clearing it away takes that long.
      if (progress !== note.progress) await save({ progress });
      return false;
    }
    if (delivery.remainingMs() - MARGIN_MS < wait) {
      await save({ progress });
      throw new Deferral(
        `DefectDojo still imports test ${running.id} (${findings} findings so far)`,
        Math.ceil(wait / 1000),
      );
    }
    await clock.sleep(wait);
    const now = (await dojo.testsByBuildId(jobKey)).find((test) => test.id === running.id);
    if (now === undefined || isComplete(now)) return true;
  }
}

/**
 * Takes a half-made or surplus test out of the way: deleted, or where the token may not, its findings closed and out of deduplication, and the
 * test retitled without the job's build id, so that nobody mistakes it. Safe to be cut off at any point: the build id goes last.
 */
export async function discard(context: LedgerContext, test: Test): Promise<void> {
  const { dojo, log } = context;
  if (await dojo.deleteTest(test.id)) {
    log.info("a half-made test was removed from DefectDojo", { testId: test.id });
    return;
  }
  await closeOrDefer(context, test.id);
  await dojo.updateTest(test.id, {
    title: cutText(`[failed import, ignore] ${test.title}`, LONGEST_TEST_TITLE),
    buildId: `failed-${test.buildId}`,
  });
  log.warn("a half-made test could not be removed from DefectDojo; it is closed and retitled", { testId: test.id });
}

/** A request for each finding may take longer than the delivery lasts: the next one goes on with those that are left. */
async function closeOrDefer({ dojo, delivery }: LedgerContext, testId: number): Promise<void> {
  if (await dojo.closeFindings(testId, () => delivery.remainingMs() > MARGIN_MS)) return;
  throw new Deferral(`the findings of test ${testId}, which may not be deleted, are still being closed`, 0);
}

/**
 * Another delivery of this job took our test out of the way while its import ran.
 * @throws RelayError `read-unstable` where there is no test at all then
 */
export async function dropOwn(context: LedgerContext, testId: number): Promise<void> {
  const { dojo, jobKey } = context;
  if (!(await dojo.deleteTest(testId))) await closeOrDefer(context, testId);
  const tests = await dojo.testsByBuildId(jobKey);
  if (tests.some(isComplete)) return;
  throw new RelayError("read-unstable", `test ${testId} was imported, but is not found by its build id`, {
    object: `test ${testId}`,
  });
}
