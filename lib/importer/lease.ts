import { Deferral } from "../deferral.ts";
import { RelayError } from "../errors.ts";
import { uri } from "../model/object-keys.ts";
import type { LivingTest, LivingTestWanted } from "../ports/defectdojo.ts";
import type { TestLeases } from "../ports/test-lease.ts";
import type { Prepared } from "./attempt.ts";
import { startOf } from "./describe-test.ts";

/** Between two looks at a lease that another job holds; it may be released long before it expires. Seconds. */
const LONGEST_WAIT = 30;

/**
 * Takes the lease of a living test for this job, until it is released or nothing of this delivery can be running any more. Without permission to write
 * there (the hook, a narrow policy), only the queue separates runs.
 * @throws Deferral while another job holds it
 */
export async function takePlace(attempt: Prepared, wanted: LivingTestWanted): Promise<void> {
  const { ports, delivery, settings, key } = attempt;
  const run = { jobKey: key, begunAt: startOf(attempt).toISOString() };
  const until = ports.clock.now() + delivery.remainingMs() + settings.ledger.stalledMs;
  const end = await withLeases(attempt, (leases) => leases.take(placeOf(attempt, wanted), run, until));
  if (end === undefined) return;
  const seconds = Math.min(LONGEST_WAIT, Math.max(1, Math.ceil((end - ports.clock.now()) / 1000)));
  throw new Deferral("another run is being imported into the living test", seconds);
}

/** Lets the next run in. */
export async function givePlaceBack(attempt: Prepared, wanted: LivingTestWanted): Promise<void> {
  await withLeases(attempt, (leases) => leases.giveBack(placeOf(attempt, wanted), attempt.key));
}

/**
 * When the newest run of a living test began: the test's start, or, where its first run died before it described the test, what its lease says.
 * @returns undefined where nobody knows
 */
export async function newestBegun(attempt: Prepared, living: LivingTest, wanted: LivingTestWanted) {
  if (living.description !== "") return living.start;
  return await withLeases(attempt, (leases) => leases.begunAt(placeOf(attempt, wanted), living.buildId));
}

/** Before there is a test, its names tell it. */
const placeOf = ({ ports }: Prepared, { engagementId, scanType, title }: LivingTestWanted) =>
  JSON.stringify([ports.dojo.url("engagement", engagementId), scanType, title]);

async function withLeases<T>(
  { ports, job }: Prepared,
  work: (leases: TestLeases) => Promise<T>,
): Promise<T | undefined> {
  if (ports.leases === undefined) return undefined;
  try {
    return await work(ports.leases(job.bucket));
  } catch (error) {
    if (!(error instanceof RelayError) || error.reason !== "storage-forbidden") throw error;
    ports.log.warn("only the queue separates runs of this scan: the relay may not write its leases", {
      object: uri(job),
      error,
    });
    return undefined;
  }
}
