import { type Job, jobKey } from "../../lib/model/job.ts";
import { checkpointOf, originalOf, receiptOf, uri } from "../../lib/model/object-keys.ts";
import { receiptSchema, uploadedEtag, writtenBackBy } from "../../lib/model/receipt.ts";
import type { TestRow } from "./memory-dojo-tables.ts";
import type { Schedule } from "./schedule.ts";
import { findingsOf, idsOf, portsOf } from "./uploads.ts";
import { type LastWord, MAX_FAILURES, type World } from "./world.ts";

/** Reasons that no fault of a schedule can cause: they mean that a transient failure became permanent. */
const PASSING = new Set([
  "dojo-busy",
  "dojo-unavailable",
  "dojo-unreachable",
  "dojo-timeout",
  "import-unknown",
  "storage-unavailable",
  "queue-unavailable",
  "deduplication-unfinished",
  "read-unstable",
  "dojo-conflict",
]);

/** Violations in the dead-letter queue before the redrive: each message needs a reason that is possible. */
export function wrongInDlq(world: World, schedule: Schedule): string[] {
  const failedImport = schedule.faults.some(({ kind }) => kind === "failed-import");
  return world.dlq.messages.flatMap(({ attributes, body }) => {
    const { reason = "", errorClass, advice, message } = attributes ?? {};
    if (!errorClass || !advice || !message) return [`a dead letter without class, advice or message: ${reason}`];
    const possible =
      PASSING.has(reason) ||
      (reason === "import-refused" && failedImport) ||
      (reason === "failures-exhausted" && (failedOften(world, body) || isDisplaced(schedule, body)));
    return possible ? [] : [`a dead letter for the reason ${reason}: ${message}`];
  });
}

/** Whether the importer failed or died on a job that often. A wait that could not be recorded counts as a failure. */
function failedOften({ failures, hits }: World, body: string): boolean {
  const unnoted = hits.filter(({ what }) => what.includes("defectdojo.pending.json")).length;
  return (failures.get(jobKey(JSON.parse(body) as Job)) ?? 0) + unnoted >= MAX_FAILURES;
}

/**
 * Whether jobs of two products were uploaded to one folder: they run side by side, and the checkpoint of the second replaces that of the first, with its
 * waits. They count as failures: without a checkpoint, nothing tells a job that waited from one that died each time.
 */
function isDisplaced({ uploads }: Schedule, body: string): boolean {
  const { key } = JSON.parse(body) as Job;
  const products = uploads.filter(({ folder }) => findingsOf(folder).key === key).map(({ product }) => product);
  return new Set(products).size > 1;
}

/** Violations at the end, after the faults have stopped and all queues are drained. */
export function wrongAtTheEnd(world: World, schedule: Schedule): string[] {
  const { queue, dlq, dojo, jobKeys, ends, lastWords, s3 } = world;
  const wrong: string[] = [];
  if (queue.messages.length > 0) wrong.push(`${queue.messages.length} messages are left in the queue`);
  for (const { attributes } of dlq.messages) wrong.push(`a redriven job failed: ${attributes?.message}`);
  const tests = [...dojo.tables.tests.values()];
  for (const key of jobKeys) {
    const complete = tests.filter((test) => test.buildId === key && test.percentComplete === 100);
    if (complete.length > 1) wrong.push(`job ${key.slice(0, 8)} has ${complete.length} complete tests`);
    const ended = ends.some((end) => end.jobKey === key && end.outcome !== "dead-lettered");
    if (!ended && !supersededInIngest(world, key)) wrong.push(`job ${key.slice(0, 8)} has vanished`);
  }
  for (const [folder, last] of lastWords) {
    const findings = findingsOf(folder);
    if (s3.get(checkpointOf(findings)) !== undefined && !cameLate(world))
      wrong.push(`${uri(checkpointOf(findings))} is left`);
    wrong.push(...wrongInFolder(world, schedule, folder, last).map((what) => `${uri(findings)}: ${what}`));
  }
  return wrong;
}

/**
 * A checkpoint written after the end of its job (a schedule sends no heartbeats, so another importer may end the message) stays until
 * the next job of the key. It has no effect.
 */
function cameLate({ hits }: World): boolean {
  const zombie = hits.some(({ kind }) => kind === "expire" || kind === "slow");
  const late = hits.filter(({ kind }) => kind === "late");
  return zombie || late.some(({ what }) => /defectdojo\.pending\.json$|^queue change visibility$/.test(what));
}

/** An upload that was replaced before its notification arrived never becomes a job. */
function supersededInIngest({ lastWords }: World, key: string): boolean {
  return ![...lastWords.values()].some((last) => last.by === "upload" && last.jobKey === key);
}

function wrongInFolder(world: World, schedule: Schedule, folder: number, last: LastWord): string[] {
  const { s3, dojo } = world;
  const ref = findingsOf(folder);
  const stored = s3.get(ref);
  if (last.by === "delete") return stored === undefined ? [] : ["was deleted and is there again"];
  if (stored === undefined) return ["is gone"];
  if (last.by === "rival") {
    // A late notification of an earlier upload imports the other writer's content as an upload: it must not be lost either.
    const synced =
      uploadedEtag(ref, stored.metadata) !== undefined && s3.get(originalOf(ref))?.bytes.equals(last.bytes);
    return stored.bytes.equals(last.bytes) || synced ? [] : ["is not what the other writer wrote"];
  }
  const own = [...dojo.tables.tests.values()].filter(({ buildId }) => buildId === last.jobKey);
  const [test] = own;
  if (test === undefined || own.length > 1)
    return [`${own.length} tests have the build id of job ${last.jobKey.slice(0, 8)}`];
  const wrong: string[] = [];
  if (test.percentComplete !== 100) wrong.push(`test ${test.id} is at ${test.percentComplete} %`);
  if (test.title !== `scan-${folder}`) wrong.push(`test ${test.id} has the title ${test.title}`);
  wrong.push(...wrongFindings(test, last, schedule));
  if (schedule.syncBack) {
    const by = writtenBackBy(ref, stored.metadata);
    if (by !== last.jobKey) wrong.push(`was written by ${by ?? "its uploader"} last, not by its job`);
    else wrong.push(...wrongSync(JSON.parse(stored.bytes.toString("utf8")) as Synced[], test));
    const original = s3.get(originalOf(ref));
    if (original?.bytes.equals(last.bytes) !== true) wrong.push("the original is not what was uploaded");
  } else if (!stored.bytes.equals(last.bytes)) wrong.push("was changed in read-only mode");
  return [...wrong, ...wrongReceipt(world, folder, last.jobKey, test)];
}

function wrongFindings(
  test: TestRow,
  { plan, again }: Extract<LastWord, { by: "upload" }>,
  { replaceFewer }: Schedule,
): string[] {
  // A job of the first upload may have read the sidecar of the one in between.
  if (again) return [];
  const generic = test.scanType === "Generic Findings Import";
  if (generic !== (plan.kind !== "native") && generic === false)
    return [`an unreadable report became ${test.scanType}`];
  if (replaceFewer && !generic && portsOf(plan.content).length < idsOf(plan.content).length)
    return [`a native test is left that keeps fewer findings than were uploaded`];
  const got = test.findings.map(({ uniqueIdFromTool, title }) => (generic ? uniqueIdFromTool : title));
  const wanted = generic ? idsOf(plan.content) : portsOf(plan.content).map((port) => `Open port: ${port}/tcp`);
  const same = JSON.stringify(got.toSorted()) === JSON.stringify(wanted.toSorted());
  return same ? [] : [`test ${test.id} has the findings ${got.join()} instead of ${wanted.join()}`];
}

interface Synced {
  readonly attributes: Readonly<Record<string, unknown>>;
}

function wrongSync(synced: readonly Synced[], test: TestRow): string[] {
  const state = (id: unknown, duplicate: unknown) => `${id}${duplicate ? " duplicate" : ""}`;
  // Merge mode keeps findings without a counterpart in DefectDojo and reports them.
  const inDojo = synced.filter(({ attributes }) => attributes["defectdojo.org/matched"] !== false);
  const written = inDojo.map(({ attributes }) => state(attributes["defectdojo.org/finding-id"], attributes.duplicate));
  const stored = test.findings.map(({ id, duplicate }) => state(id, duplicate));
  const same = JSON.stringify(written.toSorted()) === JSON.stringify(stored.toSorted());
  if (!same) return [`holds ${written.join()} instead of ${stored.join()} of test ${test.id}`];
  return inDojo.flatMap(({ attributes }) => {
    const finding = test.findings.find(({ id }) => id === attributes["defectdojo.org/finding-id"]);
    const [at, right] = [attributes["defectdojo.org/locations"], finding?.locations].map((each) =>
      JSON.stringify(each)?.replaceAll('/"', '"'),
    );
    return at === right ? [] : [`finding ${finding?.id} has the locations ${at} instead of ${right}`];
  });
}

function wrongReceipt({ s3 }: World, folder: number, jobKey: string, test: TestRow): string[] {
  const stored = s3.get(receiptOf(findingsOf(folder)));
  if (stored === undefined) return ["there is no receipt"];
  const receipt = receiptSchema.parse(JSON.parse(stored.bytes.toString("utf8")));
  if (receipt.jobKey !== jobKey) return [`the receipt is of job ${receipt.jobKey.slice(0, 8)}`];
  const wrong: string[] = [];
  if (receipt.test.id !== test.id) wrong.push(`the receipt names test ${receipt.test.id} instead of ${test.id}`);
  const kept = receipt.syncMode === "merge" ? (receipt.onlyInScan ?? 0) : 0;
  if (receipt.findings.count !== test.findings.length + kept)
    wrong.push(`the receipt counts ${receipt.findings.count} of ${test.findings.length} findings`);
  return wrong;
}
