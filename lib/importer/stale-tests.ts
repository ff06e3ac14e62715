import { Deferral, MARGIN_MS } from "../deferral.ts";
import { RelayError } from "../errors.ts";
import type { Test } from "../ports/defectdojo.ts";
import { cutText } from "../util/text.ts";
import type { Claimed } from "./attempt.ts";
import { isComplete } from "./decide.ts";

/** DefectDojo's column for the title of a test. */
const LONGEST_TEST_TITLE = 255;

/**
 * Removes a stale or surplus test: deletes it, or if the token may not, closes its findings, takes them out of deduplication and retitles the
 * test without the job's build id, so nobody mistakes it for the job's. Safe to interrupt at any point: the build id is removed last.
 */
export async function discard(attempt: Claimed, test: Test): Promise<void> {
  const { dojo, log } = attempt.ports;
  if (await dojo.deleteTest(test.id)) {
    log.info("a stale test was removed from DefectDojo", { testId: test.id });
    return;
  }
  await closeOrDefer(attempt, test.id);
  await dojo.updateTest(test.id, {
    title: cutText(`[failed import, ignore] ${test.title}`, LONGEST_TEST_TITLE),
    buildId: `failed-${test.buildId}`,
  });
  log.warn("a stale test could not be removed from DefectDojo; it is closed and retitled", { testId: test.id });
}

/** One request per finding may take longer than the delivery lasts: the next one continues with the rest. */
async function closeOrDefer({ ports, delivery }: Claimed, testId: number): Promise<void> {
  if (await ports.dojo.closeFindings(testId, () => delivery.remainingMs() > MARGIN_MS)) return;
  throw new Deferral(`the findings of test ${testId}, which may not be deleted, are still being closed`, 0);
}

/**
 * Another delivery of this job removed our test while its import ran.
 * @throws RelayError `read-unstable` if there is then no complete test at all
 */
export async function dropOwn(attempt: Claimed, testId: number): Promise<void> {
  const { dojo } = attempt.ports;
  if (!(await dojo.deleteTest(testId))) await closeOrDefer(attempt, testId);
  const tests = await dojo.testsByBuildId(attempt.key);
  if (tests.some(isComplete)) return;
  throw new RelayError("read-unstable", `test ${testId} was imported, but cannot be found by its build id`, {
    object: `test ${testId}`,
  });
}
