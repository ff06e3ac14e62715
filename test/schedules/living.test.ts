import { describe, it } from "vitest";
import { importNeeded } from "../../cli/backfill-scans.ts";
import { encodeJob, messageGroup } from "../../lib/model/job.ts";
import { checkpointOf, receiptOf } from "../../lib/model/object-keys.ts";
import { type Receipt, receiptSchema } from "../../lib/model/receipt.ts";
import { fc, runsOr } from "../helpers/property.ts";
import type { TestRow } from "./memory-dojo-tables.ts";
import { useTemporaryFolder } from "./play.ts";
import type { Fault, Schedule, UploadPlan } from "./schedule.ts";
import { findingsOf } from "./uploads.ts";
import { createWorld, type LastWord, type World } from "./world.ts";

/** Faults that may hit any call of the relay or end an import. */
const FAULTS = [
  ...(["die-before", "die-after", "refused", "lost", "late", "twice", "slow", "expire"] as const),
  ...(["dead-import", "failed-import", "conflicting-import"] as const),
];
const TURNING_POINTS = ["importScan", "importRecords", "livingTest", "updateTest", "findingsById"].map(
  (name) => `dojo ${name}`,
);
const MOST_RUNS = 4;

const run = fc.record({
  at: fc.integer({ min: 0, max: 900 }),
  content: fc.nat({ max: 2 }),
  kind: fc.constantFrom("generic", "native", "unreadable"),
  /** Minutes after eleven when the scan began; a later scan may be uploaded earlier. */
  begun: fc.nat({ max: 50 }),
  notices: fc.integer({ min: 1, max: 2 }),
});

/** Runs of one scheduled scan, each in its own folder. */
const schedules = (mostFaults: number): fc.Arbitrary<Schedule> => {
  const kind = fc.constantFrom(...FAULTS);
  const seconds = fc.constantFrom(0, 1, 5, 30);
  const anywhere = fc.record<Fault>({ kind, call: fc.nat({ max: 160 }), seconds });
  const somewhere = fc.record<Fault>({
    kind,
    call: fc.nat({ max: 3 }),
    on: fc.constantFrom(...TURNING_POINTS),
    seconds,
  });
  return fc.record({
    seed: fc.nat(),
    uploads: fc.uniqueArray(run, { minLength: 1, maxLength: MOST_RUNS, selector: ({ begun }) => begun }).map((runs) =>
      runs.map(({ begun, ...one }, index): UploadPlan => {
        const at = `2026-11-24T11:${String(begun).padStart(2, "0")}:00Z`;
        return { ...one, folder: index, run: index, product: 0, scheduled: { by: "nightly", at } };
      }),
    ),
    faults: fc.array(fc.oneof(anywhere, somewhere), { maxLength: mostFaults }),
    syncBack: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
    ...{
      merge: fc.boolean(),
      replaceFewer: fc.boolean(),
      reimport: fc.constant(true),
      lowPrivileged: fc.boolean(),
      asyncWait: fc.boolean(),
    },
    ...{ eventMetadata: fc.boolean(), deliverySeconds: fc.constantFrom(900, 40) },
    msPerFinding: fc.constantFrom(10, 8_000),
  });
};

const RUNS = runsOr(300);

describe("runs of one scan in reimport mode, whatever their order and whatever fails", () => {
  useTemporaryFolder();
  it.each([
    ["without faults", 0, RUNS / 5],
    ["with a fault or two", 2, RUNS],
    ["with many faults", 10, RUNS],
  ])(
    "live on in one test of each type, as the newest run found it (%s)",
    async (_, mostFaults, runs) => {
      await fc.assert(fc.asyncProperty(schedules(mostFaults), play), {
        numRuns: Math.ceil(runs),
      });
    },
    600_000,
  );
});

async function play(schedule: Schedule): Promise<void> {
  await using world = createWorld(schedule);
  const wrong: string[] = [];
  try {
    await world.run();
    await world.redrive();
    wrong.push(...wrongAtTheEnd(world, schedule));
    wrong.push(...(await wrongOnceForced(world)));
  } catch (error) {
    wrong.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  if (wrong.length > 0) throw new Error([...wrong, ...world.story.slice(-400)].join("\n"));
}

function wrongAtTheEnd(world: World, schedule: Schedule): string[] {
  const { queue, dlq, dojo, ends, lastWords, s3 } = world;
  const wrong: string[] = [];
  if (queue.messages.length > 0) wrong.push(`${queue.messages.length} messages are left in the queue`);
  for (const { attributes } of dlq.messages) wrong.push(`a redriven job failed: ${attributes?.message}`);
  const tests = [...dojo.tables.tests.values()].filter(({ buildId }) => !buildId.startsWith("failed-"));
  for (const [type, same] of Map.groupBy(tests, ({ scanType }) => scanType))
    if (same.length > 1) wrong.push(`${same.length} tests are of ${type}`);
  for (const test of tests) {
    if (test.percentComplete !== 100) wrong.push(`test ${test.id} is at ${test.percentComplete} %`);
    wrong.push(...wrongTest(world, schedule, test));
  }
  for (const [folder, last] of lastWords) {
    if (last.by !== "upload") continue;
    const key = last.jobKey;
    const how = ends.filter((end) => end.jobKey === key).map(({ outcome }) => outcome);
    const records = dojo.tables.records.filter(({ buildId }) => buildId === key);
    const found = findingsOf(folder);
    const stored = s3.get(receiptOf(found));
    if (stored === undefined) {
      wrong.push(`run ${folder} has no receipt: ${how.join()}`);
      continue;
    }
    const receipt = receiptSchema.parse(JSON.parse(stored.bytes.toString("utf8")));
    const record = records.find(({ id }) => id === receipt.testImport);
    if (receipt.jobKey !== key) wrong.push(`run ${folder} has the receipt of another`);
    const present = s3.get(found);
    if (
      present === undefined ||
      importNeeded(found, { ...present, size: 0, lastModified: undefined }, receipt) !== undefined
    )
      wrong.push(`run ${folder} counts as waiting, with a receipt that says ${receipt.outcome}`);
    if (receipt.outcome === "outdated") wrong.push(...wrongOutdated(world, schedule, { folder, receipt, last }));
    else if (record === undefined) wrong.push(`run ${folder} has no record ${receipt.testImport}`);
    else if (schedule.syncBack)
      wrong.push(...wrongFile(world, folder, [...record.new, ...record.known, ...record.reactivated]));
    if (schedule.faults.length === 0 && records.length > 1) wrong.push(`run ${folder} has ${records.length} records`);
    if (s3.get(checkpointOf(found)) !== undefined && schedule.faults.length === 0)
      wrong.push(`run ${folder} left its checkpoint`);
  }
  return wrong;
}

/**
 * The receipt of an outdated run names a test with a later run; nothing of the outdated run was imported, and its findings are its upload. With faults, the
 * later run may be in the living test of another type: its importers died, and DefectDojo's parser refused its report only after a redrive.
 */
function wrongOutdated(
  { dojo, lastWords, s3 }: World,
  { faults }: Schedule,
  { folder, receipt, last }: { folder: number; receipt: Receipt; last: LastWord & { by: "upload" } },
): string[] {
  const wrong: string[] = [];
  const begun = begunAt(last.plan);
  const test = dojo.tables.tests.get(receipt.test.id);
  const keys = begunByKey(lastWords);
  const isElsewhere = faults.length > 0 && dojo.tables.records.some(({ buildId }) => (keys.get(buildId) ?? 0) > begun);
  const isNamed = Date.parse(receipt.outdated?.laterRunAt ?? "") > begun;
  if (!isNamed || !(Date.parse(test?.start ?? "") > begun || isElsewhere))
    wrong.push(`run ${folder} is outdated, and test ${receipt.test.id} has no later run`);
  if (!s3.get(findingsOf(folder))?.bytes.equals(last.bytes)) wrong.push(`run ${folder} is outdated, and was written`);
  const isImported = dojo.tables.records.some(({ buildId }) => buildId === last.jobKey);
  if (faults.length === 0 && isImported) wrong.push(`run ${folder} is outdated, and was imported`);
  return wrong;
}

/** When a run began. Milliseconds since the epoch. */
const begunAt = ({ scheduled }: UploadPlan): number => Date.parse(scheduled?.at ?? "");

/** When the last run in each folder began, by its job's key. */
const begunByKey = (lastWords: World["lastWords"]): ReadonlyMap<string, number> =>
  new Map([...lastWords.values()].flatMap((last) => (last.by === "upload" ? [[last.jobKey, begunAt(last.plan)]] : [])));

/** A forced run is imported and then has an ordinary receipt. */
async function wrongOnceForced(world: World): Promise<string[]> {
  const receiptIn = (folder: number) => {
    const stored = world.s3.get(receiptOf(findingsOf(folder)));
    return stored && receiptSchema.parse(JSON.parse(stored.bytes.toString("utf8")));
  };
  const outdated = [...world.lastWords.keys()].filter((folder) => receiptIn(folder)?.outcome === "outdated");
  for (const folder of outdated) {
    const found = findingsOf(folder);
    const etag = world.s3.get(found)?.etag ?? "";
    const job = { version: 1, kind: "import", ...found, etag, force: true } as const;
    world.queue.send({ body: encodeJob(job), group: messageGroup(job), deduplicationId: `force ${folder}` });
  }
  await world.redrive();
  return outdated.flatMap((folder) => {
    const receipt = receiptIn(folder);
    const isImported = world.dojo.tables.records.some(({ id }) => id === receipt?.testImport);
    return isImported && receipt?.outdated === undefined
      ? []
      : [`run ${folder} was forced, and is ${receipt?.outcome}`];
  });
}

/** The open findings of a living test are those of its newest run; no older run has closed them. */
function wrongTest({ dojo, lastWords }: World, schedule: Schedule, test: TestRow): string[] {
  const keys = begunByKey(lastWords);
  const records = dojo.tables.records.filter(({ testId }) => testId === test.id);
  const newest = records.toSorted((a, b) => (keys.get(a.buildId) ?? 0) - (keys.get(b.buildId) ?? 0)).at(-1);
  if (newest === undefined) return [`test ${test.id} has no record`];
  const wrong: string[] = [];
  if (test.buildId !== newest.buildId) wrong.push(`test ${test.id} has the build id of a run that is not its newest`);
  if (schedule.faults.length > 0) return wrong;
  const open = test.findings.filter(({ mitigated }) => !mitigated).map(({ id }) => id);
  const found = [...newest.new, ...newest.known, ...newest.reactivated].sort((a, b) => a - b);
  if (open.join() !== found.join()) wrong.push(`test ${test.id} has ${open.join()} open instead of ${found.join()}`);
  return wrong;
}

function wrongFile({ s3 }: World, folder: number, ids: readonly number[]): string[] {
  const stored = s3.get(findingsOf(folder));
  const findings = JSON.parse(stored?.bytes.toString("utf8") ?? "[]") as { attributes: Record<string, unknown> }[];
  const written = findings.flatMap(({ attributes }) => attributes["defectdojo.org/finding-id"] ?? []);
  const same = JSON.stringify([...new Set(written)].sort()) === JSON.stringify([...ids].sort());
  return same ? [] : [`run ${folder} holds ${written.join()} instead of ${ids.join()}`];
}
