import type { LivingRun, LivingTest, LivingTestWanted, Test } from "../ports/defectdojo.ts";
import { cutText } from "../util/text.ts";
import type { ImportContext, Ledger, Looked, Prepared } from "./attempt.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { decideUnrecorded, progressOf } from "./decide.ts";
import { describeAsOwn, startOf } from "./describe-test.ts";
import { givePlaceBack, newestBegun, takePlace } from "./lease.ts";
import { importLedger } from "./ledger.ts";
import { overtaken } from "./outdated.ts";

/** The checkpoint has room for it. Characters. */
const LONGEST_DESCRIPTION = 10_000;

/**
 * One living test for all runs of a scan. The first run creates it by an import as in {@link importLedger}, because a reimport into an empty test would merge
 * identical findings. DefectDojo's record at the end of an import or reimport, with the job's build id, proves that it happened.
 */
export const livingLedger: Ledger = {
  look: async (attempt, answered) => {
    const recorded = await lookAtRecords(attempt, answered);
    if (recorded !== undefined) return recorded;
    if (attempt.checkpoint.now.into === undefined) return await lookForFirst(attempt, answered);
    // A response without a record: DefectDojo keeps no import history (DD_TRACK_IMPORT_HISTORY).
    const unrecorded = answered === undefined ? undefined : await attempt.ports.dojo.test(answered);
    if (unrecorded !== undefined) return found(unrecorded, { record: undefined, records: 0 });
    return await lookForReimport(attempt, attempt.checkpoint.now.into);
  },
  target: async (attempt, context, scanType) => {
    const { dojo } = attempt.ports;
    const { options, job } = attempt;
    const wanted = wantedIn(attempt, context, scanType);
    await takePlace(attempt, wanted);
    const living = await dojo.livingTest(wanted);
    // It must not close findings of other living tests of the engagement.
    if (living === undefined) return { into: undefined, closes: false };
    const begunAt = await newestBegun(attempt, living, wanted);
    const by = job.force === true ? undefined : overtaken(living, begunAt, job.scan, attempt.ports.clock.now());
    if (by !== undefined) {
      await givePlaceBack(attempt, wanted);
      return { overtaken: by };
    }
    return { into: living.id, closes: options.closeOldFindings, newestRun: newestRunOf(attempt, living) };
  },
  // An older run must not come after this one, should this delivery die before it describes the test.
  announce: async (attempt, { into }, scanType) => {
    if (into !== undefined) await describeAsOwn(attempt, into, scanType);
  },
  withdraw: async (attempt, context, scanType) => {
    const { ports, checkpoint } = attempt;
    const wanted = wantedIn(attempt, context, scanType);
    const living = checkpoint.now.newestRun && (await ports.dojo.livingTest(wanted));
    const before = living && saidBefore(attempt, living);
    if (before !== undefined) {
      const { testId, ...change } = before;
      await ports.dojo.updateTest(testId, change);
    }
    await givePlaceBack(attempt, wanted);
  },
  hasBegun: async (attempt) => {
    const { ports, key, checkpoint } = attempt;
    if ((await ports.dojo.importRecords(key)).length > 0) return true;
    return checkpoint.now.into === undefined && (await importLedger.hasBegun(attempt));
  },
  leave: (attempt, context) => givePlaceBack(attempt, wantedIn(attempt, context, attempt.importedAs)),
  leftBehind: async (attempt) => {
    if (attempt.checkpoint.now.into !== undefined) return [];
    const left = await importLedger.leftBehind(attempt);
    const unrecorded: Test[] = [];
    for (const test of left) if (!(await attempt.ports.dojo.isRecorded(test.id))) unrecorded.push(test);
    return unrecorded;
  },
};

const wantedIn = ({ options }: Prepared, { engagement }: ImportContext, scanType: string): LivingTestWanted => ({
  engagementId: engagement.id,
  title: options.testTitle,
  scanType,
});

/** What a living test says of its newest run, or said before this one was announced. */
function newestRunOf(attempt: Prepared, living: LivingTest): Checkpoint["newestRun"] {
  const before = saidBefore(attempt, living);
  if (before !== undefined) return before;
  const [start, end] = [new Date(living.start).toISOString(), new Date(living.end).toISOString()];
  return { testId: living.id, description: cutText(living.description, LONGEST_DESCRIPTION), start, end };
}

/** What a living test said of its newest run before this one was announced; undefined if it says nothing of this one. */
function saidBefore(attempt: Prepared, { id, start }: LivingTest): Checkpoint["newestRun"] {
  const { newestRun } = attempt.checkpoint.now;
  return newestRun?.testId === id && Date.parse(start) === startOf(attempt).getTime() ? newestRun : undefined;
}

/** @returns undefined if there is no record, or none of an existing test */
async function lookAtRecords(attempt: Prepared, answered: number | undefined): Promise<Looked | undefined> {
  const records = await attempt.ports.dojo.importRecords(attempt.key);
  const [record] = records;
  if (record === undefined) return undefined;
  if (record.first) {
    // Two concurrent deliveries may each have created a test, as in import mode; a later run has given it another build id.
    const { decision } = await importLedger.look(attempt, answered);
    const own = decision.state === "found" ? records.find(({ testId }) => testId === decision.test.id) : undefined;
    if (decision.state === "running" || decision.state === "stale") return { decision, displaced: undefined };
    if (own !== undefined) return { decision, displaced: undefined, living: { record: own, records: 1 } };
  }
  const test = await attempt.ports.dojo.test(record.testId);
  return test && found(test, { record, records: records.length });
}

const found = (test: Test, living: LivingRun): Looked => ({
  decision: { state: "found", test, surplus: [] },
  displaced: undefined,
  living,
});

/**
 * As an import of its own. A test that was imported into before is never taken for one that such an import left behind: it has this job's build id if
 * DefectDojo stumbled between the end of a reimport and its record.
 */
async function lookForFirst(attempt: Prepared, answered: number | undefined): Promise<Looked> {
  const { dojo } = attempt.ports;
  const looked = await importLedger.look(attempt, answered);
  const { decision } = looked;
  const noRecord: LivingRun = { record: undefined, records: 0 };
  const isThere = decision.state === "running" || decision.state === "stale" || decision.state === "found";
  if (!isThere || (decision.state !== "found" && !(await dojo.isRecorded(decision.test.id)))) return looked;
  // The import may have ended since its record was asked for, which DefectDojo makes before it shows the test as complete.
  const recorded = await lookAtRecords(attempt, answered);
  if (recorded !== undefined) return recorded;
  if (decision.state !== "found") return found(decision.test, noRecord);
  const surplus: Test[] = [];
  for (const test of decision.surplus) if (!(await dojo.isRecorded(test.id))) surplus.push(test);
  return { decision: { ...decision, surplus }, displaced: undefined, living: noRecord };
}

async function lookForReimport({ ports, checkpoint, settings }: Prepared, into: number): Promise<Looked> {
  const { clock } = ports;
  const before = checkpoint.now.progress;
  const test = await ports.dojo.test(into);
  if (test !== undefined) {
    const progress = progressOf(before, test, await ports.dojo.findingCount(into), clock.now());
    if (progress !== before) await checkpoint.save({ progress });
  }
  return { decision: decideUnrecorded(checkpoint.now, clock.now(), settings.ledger), displaced: undefined };
}
