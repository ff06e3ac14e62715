import { encodeJob, type Job } from "../model/job.ts";
import { uri } from "../model/object-keys.ts";
import type { Observer } from "../observe.ts";
import type { Queue } from "../ports/queue.ts";
import type { TestIndex, TestIndexEntry } from "../ports/test-index.ts";
import type { VerdictFeed } from "../ports/verdict-feed.ts";
import type { Clock } from "../util/clock.ts";
import { sha256 } from "../util/digest.ts";
import { type FeedReading, newestChange, readFeed } from "./changed-tests.ts";
import { type FollowState, type FollowStateStore, MOST_RECENT_TESTS } from "./follow-state.ts";
import { SECOND_LOOK_MS, takeSecondLook } from "./second-look.ts";

export interface FollowPorts extends Observer {
  readonly feed: VerdictFeed;
  readonly index: TestIndex;
  readonly state: FollowStateStore;
  readonly queue: Queue;
  readonly clock: Clock;
}

export interface FollowSettings {
  readonly bucket: string;
  /** Where a follower without a watermark begins: ISO 8601; now where it is undefined. */
  readonly since: string | undefined;
}

/** What a round did. */
export interface Round {
  /** Changes of status that were new. */
  readonly changes: number;
  /** Resync jobs that were enqueued. */
  readonly resyncs: number;
  /** Milliseconds between now and the watermark before the round, where something had changed; else 0. */
  readonly lagMs: number;
}

/** A finding that was added to a test this long after its import came from elsewhere, and its scan is synced again. Milliseconds. */
const ADDED_LATER_MS = 10 * 60_000;

/**
 * One round of `follow`: reads what changed since the watermark, enqueues a resync job for each scan that it concerns, and moves the watermark.
 * Killed anywhere, the next round repeats what was not recorded; the queue drops duplicate jobs.
 * @throws RelayError where DefectDojo, the bucket or the queue fails; the watermark stays then
 */
export async function followRound(ports: FollowPorts, settings: FollowSettings): Promise<Round> {
  const { feed, clock } = ports;
  const before = (await ports.state.read()) ?? (await firstState(ports, settings));
  const reading = await readFeed(feed, before, clock.now());
  const wanted = new Map(reading.tests);
  const imported = await newTests(ports, reading, wanted);
  const due = clock.now() - Date.parse(before.lookedAt) >= SECOND_LOOK_MS;
  const look = due ? await takeSecondLook(feed, before) : undefined;
  const now = new Date(clock.now()).toISOString();
  for (const test of look?.tests ?? []) if (!wanted.has(test)) wanted.set(test, now);
  const resyncs = await enqueue(ports, settings.bucket, wanted);
  const recent = [...before.recent.filter((id) => !imported.includes(id)), ...imported].slice(-MOST_RECENT_TESTS);
  const after: FollowState = {
    ...before,
    watermark: reading.watermark,
    movedAt: reading.changes > 0 ? now : before.movedAt,
    handled: reading.handled,
    recent,
    ...(look === undefined ? {} : { underReview: look.underReview, next: look.next, lookedAt: now }),
  };
  if (reading.changes > 0 || look !== undefined) await ports.state.write(after);
  const lagMs = reading.changes === 0 ? 0 : Math.max(0, clock.now() - Date.parse(before.watermark));
  ports.metrics.add("VerdictChanges", reading.changes);
  ports.metrics.add("VerdictResyncs", resyncs);
  ports.metrics.add("FollowLag", lagMs);
  return { changes: reading.changes, resyncs, lagMs };
}

async function firstState({ feed, state, clock, log }: FollowPorts, { since }: FollowSettings): Promise<FollowState> {
  const now = new Date(clock.now()).toISOString();
  const watermark = since ?? (await newestChange(feed)) ?? now;
  const reviewed = { underReview: {}, recent: [], next: 0, lookedAt: now };
  const first: FollowState = { version: 1, watermark, movedAt: now, handled: {}, ...reviewed };
  log.info("following verdicts from here on", { watermark });
  await state.write(first);
  return first;
}

/** Tests of this relay that got findings: new imports are remembered, and what was added long after the import is synced again. */
async function newTests({ index }: FollowPorts, reading: FeedReading, wanted: Map<number, string>): Promise<number[]> {
  const imported: number[] = [];
  for (const [testId, createdAt] of reading.grown) {
    const entry = await index.find(testId);
    if (entry === undefined) continue;
    imported.push(testId);
    if (Date.parse(createdAt) - Date.parse(entry.importedAt) > ADDED_LATER_MS) wanted.set(testId, createdAt);
  }
  return imported;
}

async function enqueue(
  { index, queue, log }: FollowPorts,
  bucket: string,
  tests: ReadonlyMap<number, string>,
): Promise<number> {
  let resyncs = 0;
  for (const [testId, changedAt] of tests) {
    const entry = await index.find(testId);
    if (entry === undefined) continue;
    await queue.send(messageOf(bucket, entry, changedAt));
    resyncs++;
    log.debug("a verdict changed; its scan is synced again", { object: uri({ bucket, key: entry.key }), testId });
  }
  return resyncs;
}

/** Two followers that see one change send one message; another change of the same scan is another message. */
function messageOf(bucket: string, { key, etag, group, jobKey }: TestIndexEntry, changedAt: string) {
  const job: Job = { version: 1, kind: "resync", bucket, key, etag };
  return { body: encodeJob(job), group, deduplicationId: sha256(JSON.stringify([jobKey, "follow", changedAt])) };
}
