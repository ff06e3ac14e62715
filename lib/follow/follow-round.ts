import { encodeJob, type Job } from "../model/job.ts";
import { uri } from "../model/object-keys.ts";
import type { Observer } from "../observe.ts";
import type { Queue } from "../ports/queue.ts";
import type { TestIndex, TestIndexEntry } from "../ports/test-index.ts";
import type { FindingRef, VerdictFeed } from "../ports/verdict-feed.ts";
import type { Clock } from "../util/clock.ts";
import { mapInOrder } from "../util/concurrency.ts";
import { sha256 } from "../util/digest.ts";
import { microseconds } from "../util/instant.ts";
import { believableState } from "./believable-state.ts";
import { type FeedReading, type Grown, newestChange, readFeed } from "./changed-tests.ts";
import type { FollowState, FollowStateStore } from "./follow-state.ts";
import { checkOffFeed, OFF_FEED_CHECK_MS } from "./off-feed-check.ts";
import { indexedMeanwhile, sweepAfter, takeSweep, withNewTests, withWaiting } from "./recent-tests.ts";
import { changedReviews } from "./reviews.ts";

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

/** The result of a round. */
export interface Round {
  /** New changes of status. */
  readonly changes: number;
  /** Resync jobs that were enqueued. */
  readonly resyncs: number;
  /** How long ago the oldest verdict was made that this round found or left for the next; 0 where there is none. Milliseconds. */
  readonly lagMs: number;
  /** ISO 8601, our clock: every verdict that was made up to then is handled. */
  readonly upTo: string;
  /** Nothing changed, and nothing is left to look for. */
  readonly idle: boolean;
}

/** A finding that was added to a test this long after its import came from elsewhere, and its scan is synced again. Milliseconds. */
const ADDED_LATER_MS = 10 * 60_000;
/** A long list of changes is worked on for so long in one round, and no further than these many tests; the next round goes on. */
const LONGEST_MS = 100_000;
const MOST_TESTS = 2_000;
const CONCURRENCY = 8;

/**
 * One round of `follow`: reads what changed since the watermark, enqueues a resync job for each scan that it concerns, and moves the watermark.
 * Killed anywhere, the next round does again what was not noted; the queue drops jobs that it has.
 * @throws RelayError where DefectDojo, the bucket or the queue fails; the watermark stays then
 */
export async function followRound(ports: FollowPorts, settings: FollowSettings): Promise<Round> {
  const { clock, metrics } = ports;
  const stored = await ports.state.read();
  const before =
    stored === undefined ? await firstState(ports, settings) : await believableState(stored, ports.feed, clock.now());
  const begun = new Date(clock.now()).toISOString();
  const read = await readChanges(ports, before);
  const looked = await lookAround(ports, read.state, read);
  const resyncs = await enqueue(ports, settings.bucket, read.wanted);
  const upTo = read.left > 0 ? read.state.watermark : begun;
  const isNews = read.changes > 0 || looked !== read.state || read.state.settled !== before.settled;
  const isMended = stored !== undefined && before !== stored;
  if (isNews || isMended) await ports.state.write({ ...looked, upTo });
  const waiting = read.left > 0 ? Date.parse(read.state.watermark) : Number.POSITIVE_INFINITY;
  const oldest = Math.min(read.oldest, waiting);
  const lagMs = oldest === Number.POSITIVE_INFINITY ? 0 : Math.max(0, clock.now() - oldest);
  metrics.add("VerdictChanges", read.changes);
  metrics.add("VerdictResyncs", resyncs);
  metrics.add("FollowLag", lagMs);
  const idle = read.changes === 0 && resyncs === 0 && (looked.sweep ?? 0) === 0;
  return { changes: read.changes, resyncs, lagMs, upTo, idle };
}

async function firstState({ feed, state, clock, log }: FollowPorts, { since }: FollowSettings): Promise<FollowState> {
  const now = new Date(clock.now()).toISOString();
  const watermark = since ?? (await newestChange(feed)) ?? now;
  const looks = { underReview: {}, reviews: { upTo: watermark, handled: {} }, recent: [], next: 0, lookedAt: now };
  const first: FollowState = { version: 1, watermark, movedAt: now, handled: {}, ...looks };
  log.info("following verdicts from here on", { watermark });
  await state.write(first);
  return first;
}

/** What a round reads of the feed: to its front, or as much as fits into it. */
async function readChanges(ports: FollowPorts, before: FollowState) {
  const { feed, clock } = ports;
  const end = clock.now() + LONGEST_MS;
  const wanted = new Map<number, string>();
  let state = before;
  let [changes, oldest] = [0, Number.POSITIVE_INFINITY];
  let underReview: readonly FindingRef[] | undefined;
  for (let left: number | undefined; ; ) {
    const reading = await readFeed(feed, state, clock.now(), left);
    for (const [test, at] of reading.tests) wanted.set(test, at);
    changes += reading.changes;
    oldest = Math.min(oldest, reading.oldest ?? oldest);
    underReview ??= reading.underReview;
    left = reading.left;
    state = { ...state, ...(await withNews(ports, state, reading, wanted)) };
    if (left === 0 || clock.now() >= end || wanted.size >= MOST_TESTS)
      return { state, wanted, changes, oldest, left, underReview };
  }
}

/** The state after a reading. Tests of this relay that got findings are remembered, and what was added long after the import is wanted. */
async function withNews(
  { index, clock }: FollowPorts,
  state: FollowState,
  reading: FeedReading,
  wanted: Map<number, string>,
): Promise<Partial<FollowState>> {
  const ours = new Map<number, Grown>();
  const waiting = new Map<number, Grown>();
  const found = mapInOrder(reading.grown, CONCURRENCY, async ([testId, grown]) => {
    return { testId, grown, entry: await index.find(testId) };
  });
  for await (const { testId, grown, entry } of found) {
    if (entry === undefined) waiting.set(testId, grown);
    else ours.set(testId, isAsReadBack(grown, entry) ? grown : { ...grown, content: undefined });
    if (entry !== undefined && Date.parse(grown.at) - Date.parse(entry.importedAt) > ADDED_LATER_MS)
      wanted.set(testId, grown.at);
  }
  const now = new Date(clock.now()).toISOString();
  const sweep = sweepAfter(state, reading.seen);
  return {
    watermark: reading.watermark,
    handled: reading.handled,
    settled: reading.settled,
    movedAt: reading.changes > 0 ? now : state.movedAt,
    ...withNewTests(state, ours),
    waiting: withWaiting(state.waiting, waiting),
    total: reading.seen?.total ?? state.total,
    sweep,
  };
}

/** Who edited a finding over the API between the import's reading and this round leaves no trace but that it was saved later. */
const isAsReadBack = ({ savedAt }: Grown, { importedAt }: TestIndexEntry) =>
  savedAt !== undefined && Date.parse(savedAt) <= Date.parse(importedAt);

interface Looked {
  readonly wanted: Map<number, string>;
  readonly underReview: readonly FindingRef[] | undefined;
}

/**
 * What the feed does not tell: findings under review, where findings were deleted, and the off-feed check when it is due.
 * @returns the state itself where there was nothing
 */
async function lookAround(
  ports: FollowPorts,
  state: FollowState,
  { wanted, underReview }: Looked,
): Promise<FollowState> {
  const { feed, clock, index } = ports;
  const now = new Date(clock.now()).toISOString();
  const want = async (tests: readonly number[], findings: readonly FindingRef[] = []) => {
    for (const test of [...tests, ...findings.map(({ testId }) => testId)]) wanted.set(test, now);
    for await (const { testId } of feed.duplicatesOf(findings)) wanted.set(testId, now);
  };
  const isDue = clock.now() - Date.parse(state.lookedAt) >= OFF_FEED_CHECK_MS;
  let after = state;
  const shown = underReview ?? (isDue ? await feed.underReview() : undefined);
  const reviews = shown === undefined ? undefined : changedReviews(state, shown);
  if (reviews !== undefined && reviews.findings.length > 0) {
    await want([], reviews.findings);
    after = { ...after, underReview: reviews.underReview };
  }
  if (!isDue && (state.sweep ?? 0) === 0) return after;
  const { ours, waiting } = await indexedMeanwhile(index, state.waiting, clock.now());
  after = { ...after, ...withNewTests(after, ours), waiting };
  if ((state.sweep ?? 0) > 0) {
    const { tests, ...swept } = await takeSweep(feed, after);
    await want(tests);
    after = { ...after, ...swept };
  }
  if (!isDue) return after;
  const checked = await checkOffFeed(feed, after);
  await want(checked.tests, checked.findings);
  return { ...after, ...checked.state, lookedAt: now };
}

async function enqueue(
  { index, queue, log }: FollowPorts,
  bucket: string,
  tests: ReadonlyMap<number, string>,
): Promise<number> {
  const sent = mapInOrder(tests.entries(), CONCURRENCY, async ([testId, changedAt]) => {
    const entry = await index.find(testId);
    if (entry === undefined || isOwn(entry, changedAt)) return 0;
    await queue.send(messageOf(bucket, entry, changedAt));
    log.debug("a verdict changed; its scan is resynced", { object: uri({ bucket, key: entry.key }), testId });
    return 1;
  });
  let resyncs = 0;
  for await (const one of sent) resyncs += one;
  return resyncs;
}

/** The import's own doing: it closed or reopened the finding, and has read it back since. */
const isOwn = ({ recordedAt }: TestIndexEntry, changedAt: string) =>
  recordedAt !== undefined && microseconds(changedAt) <= microseconds(recordedAt);

/** Two followers that see one change send one message; another change of the same scan is another message. */
function messageOf(bucket: string, { key, etag, group, jobKey }: TestIndexEntry, changedAt: string) {
  const job: Job = { version: 1, kind: "resync", bucket, key, etag };
  return { body: encodeJob(job), group, deduplicationId: sha256(JSON.stringify([jobKey, "follow", changedAt])) };
}
