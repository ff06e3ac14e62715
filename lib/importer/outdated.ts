import type { Scan } from "../model/scan.ts";
import type { LivingTest } from "../ports/defectdojo.ts";
import { timesOf } from "./describe-test.ts";

/** As job keys are: whoever else imported into the test has build ids of its own, and starts it when it likes. */
const JOB_KEY = /^[0-9a-f]{64}$/;

/**
 * Why a run may not be reimported: a later one was before, whose new findings it would close. The start of the test is that of the newest run, in
 * DefectDojo, where every relay and hook sees it.
 * @param now milliseconds since the epoch
 */
export function whyOutdated({ id, start, buildId }: LivingTest, scan: Scan, now: number): string | undefined {
  const newest = Date.parse(start);
  const ours = timesOf(scan, new Date(now)).start;
  if (!JOB_KEY.test(buildId) || !(newest > ours.getTime())) return undefined;
  return `test ${id} has a later run of this scan, begun at ${new Date(newest).toISOString()}; this one began at ${ours.toISOString()}`;
}
