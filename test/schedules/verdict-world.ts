import { isDeepStrictEqual } from "node:util";
import { followRound } from "../../lib/follow/follow-round.ts";
import { followStateStore } from "../../lib/follow/follow-state.ts";
import { decodeJob, jobKey, type ScanJob } from "../../lib/model/job.ts";
import { receiptOf } from "../../lib/model/object-keys.ts";
import { ownMetadata } from "../../lib/model/receipt.ts";
import { countedAs } from "../../lib/model/verdicts.ts";
import type { DojoFinding } from "../../lib/ports/dojo-finding.ts";
import { testIndex } from "../../lib/ports/test-index.ts";
import { resyncJob } from "../../lib/sync/resync-job.ts";
import { verdictsOf } from "../../lib/sync/tally.ts";
import { toSyncedFinding } from "../../lib/sync/to-synced-finding.ts";
import { aDojoFinding, aReceipt, aScan, aTest } from "../helpers/factories.ts";
import { fakeClock } from "../helpers/fake-clock.ts";
import { fakeDojo } from "../helpers/fake-dojo.ts";
import { memoryFeed } from "../helpers/memory-feed.ts";
import { memoryQueue } from "../helpers/memory-queue.ts";
import { memoryStorage } from "../helpers/memory-storage.ts";
import { recorder } from "../helpers/recorder.ts";
import { aQuickFlow } from "../helpers/settings.ts";

const BUCKET = "bucket";
const STATE = { bucket: BUCKET, key: ".dojo-relay/follow/x.json" };
const SCANS = 3;
const FINDINGS = 3;
export const ALL_FINDINGS = SCANS * FINDINGS;

const SETTINGS = aQuickFlow();

class Died extends Error {}

/** Three synced scans, of which the second's findings are duplicates of the first's; followers and an importer that may die in any call. */
export async function verdictWorld() {
  const clock = fakeClock();
  const [storage, queue, feed] = [memoryStorage(), memoryQueue(), memoryFeed([2, 3])];
  const { log, metrics } = recorder();
  const url = (kind: string, id: number) => `https://dojo.example.com/${kind}/${id}`;
  const index = testIndex(storage, BUCKET, (id) => url("test", id));
  const now = () => new Date(clock.now()).toISOString();
  const begun = clock.now();
  const changedAt = new Map<number, number>();
  const rows = new Map<number, DojoFinding>();
  const jobs = new Map<number, ScanJob>();
  let callsLeft = Number.POSITIVE_INFINITY;
  const call = () => {
    if (callsLeft-- <= 0) throw new Died();
  };
  const inTest = (testId: number) => [...rows.values()].filter((row) => row.testId === testId);
  const originalOf = ({ duplicateOf }: DojoFinding) => (duplicateOf === undefined ? undefined : rows.get(duplicateOf));
  const text = (testId: number) => {
    const mapping = { scan: aScan(), now: now(), url };
    const texts = inTest(testId).map((row) => JSON.stringify(toSyncedFinding(row, originalOf(row), mapping)));
    return `[\n${texts.join(",\n")}\n]\n`;
  };
  const dojo = fakeDojo({
    url,
    testsByBuildId: async (buildId) => {
      call();
      return [...jobs].filter(([, job]) => jobKey(job) === buildId).map(([id]) => aTest({ id, buildId }));
    },
    findingPages: async function* (testId) {
      call();
      const findings = inTest(testId);
      const originals = findings.flatMap((row) => originalOf(row) ?? []);
      yield { total: findings.length, findings, originals: new Map(originals.map((row) => [row.id, row])) };
    },
  });
  const newFollower = () => {
    const state = followStateStore(storage, STATE, log);
    return () => followRound({ log, metrics, feed, index, state, queue, clock }, { bucket: BUCKET, since: undefined });
  };
  const followers = [newFollower(), newFollower()];
  await followers[0]?.(); // follows from here on
  for (let testId = 1; testId <= SCANS; testId++) {
    const job: ScanJob = {
      ...{ version: 1, kind: "import", bucket: BUCKET, key: `scan-${testId}/findings.json`, etag: `e${testId}` },
      scan: aScan(),
    };
    jobs.set(testId, job);
    for (let n = 0; n < FINDINGS; n++) {
      const original = testId === 2 ? n + 1 : undefined;
      const id = feed.add(testId, now(), original);
      const state = original === undefined ? {} : { duplicate: true, duplicateOf: original, active: false };
      rows.set(id, aDojoFinding({ id, testId, ...state }));
    }
    storage.put(job, text(testId), ownMetadata(job));
    const receipt = aReceipt(job);
    storage.put(receiptOf(job), JSON.stringify({ ...receipt, test: { ...receipt.test, id: testId } }));
    const { key, etag } = job;
    await index.put(testId, { version: 1, key, etag, jobKey: jobKey(job), group: "g", importedAt: now() });
  }
  storage.before = call;
  queue.before = call;
  feed.before = call;
  /** Runs a process that dies at its nth call. @returns whether it completed */
  const live = async (calls: number, process: () => Promise<unknown>): Promise<boolean> => {
    callsLeft = calls;
    try {
      await process();
      return true;
    } catch (error) {
      if (!(error instanceof Died)) throw error;
      return false;
    } finally {
      callsLeft = Number.POSITIVE_INFINITY;
    }
  };
  return {
    clock,
    /** @param late seconds between the time of the verdict and its commit, which is now */
    judge: (id: number, change: Partial<DojoFinding>, late = 0) => {
      const row = rows.get(id);
      if (row === undefined) return;
      rows.set(id, { ...row, ...change });
      // Changes of one row are serialized.
      const at = Math.max(clock.now() - late * 1_000, (changedAt.get(id) ?? begun) + 1);
      changedAt.set(id, at);
      feed.judge(id, new Date(at).toISOString());
    },
    /** Sets or ends a review, which does not update `last_status_update`. */
    review: (id: number, underReview: boolean) => {
      const row = rows.get(id);
      if (row === undefined) return;
      rows.set(id, { ...row, underReview });
      feed.review(id, underReview);
    },
    /** Deletes a finding that has no duplicates. */
    remove: (id: number) => {
      if ([...rows.values()].some(({ duplicateOf }) => duplicateOf === id)) return;
      rows.delete(id);
      feed.remove(({ findingId }) => findingId === id);
    },
    /** A round of one of the two followers; a dead one is restarted. */
    round: async (which: number, calls = Number.POSITIVE_INFINITY) => {
      const lived = await live(calls, async () => await followers[which]?.());
      if (!lived) followers[which] = newFollower();
      return lived;
    },
    /** The importer processes the oldest message, which stays in the queue if it dies. */
    deliver: async (calls = Number.POSITIVE_INFINITY) => {
      const [message] = queue.sent;
      if (message === undefined) return false;
      const { key } = decodeJob(message.body, "message");
      const job = [...jobs.values()].find((each) => each.key === key) as ScanJob;
      const ports = { storage, dojo, clock, log, metrics };
      if (await live(calls, () => resyncJob({ ...job, kind: "resync" }, ports, SETTINGS))) queue.sent.shift();
      return true;
    },
    /** Scans whose findings.json or receipt differs from DefectDojo. */
    wrong: () =>
      [...jobs].flatMap(([testId, job]) => {
        const receipt = JSON.parse(storage.text(receiptOf(job)) ?? "") as { falsePositives: number };
        const counted = inTest(testId).filter(
          (row) => countedAs(verdictsOf(row, originalOf(row))) === "falsePositives",
        ).length;
        const written = JSON.parse(storage.text(job) ?? "") as { attributes: Record<string, unknown> }[];
        // Deleted findings remain, marked as deleted.
        const there = written.filter(({ attributes }) => attributes["defectdojo.org/missing"] !== true);
        const same =
          isDeepStrictEqual(there, JSON.parse(text(testId))) &&
          receipt.falsePositives === counted &&
          written.length === FINDINGS;
        return same
          ? []
          : [`${job.key}: ${receipt.falsePositives} of ${counted} false positives\n${storage.text(job)}`];
      }),
  };
}
