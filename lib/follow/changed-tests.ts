import { addContents, type FindingRef, type StatusChange, type VerdictFeed } from "../ports/verdict-feed.ts";
import { microseconds } from "../util/instant.ts";
import type { FollowState } from "./follow-state.ts";

/**
 * Transactions commit late: until a round has looked there this long after the watermark moved, as much before it is looked at again. Milliseconds.
 * Afterwards an idle round reads one small page, however many findings changed last.
 */
export const MARGIN_MS = 60_000;
/** Behind a watermark as old as this nothing can come late, whatever the clocks say. Milliseconds. */
const OLD_MS = 600_000;
/** A finding that was created and changed within this is new, not judged. Milliseconds. */
const NEW_MS = 1_000;
/** More changes than this are worked off in parts, the oldest first. */
const MOST_CHANGES = 10_500;
/** Changes that are remembered; of more at one moment, the margin is done without. */
const MOST_HANDLED = 50_000;

/** Verdicts given within that time show by themselves. */
const isNew = ({ changedAt, createdAt, judged }: StatusChange) =>
  !judged && Date.parse(changedAt) - Date.parse(createdAt) < NEW_MS;

/** New findings of a test. */
export interface Grown {
  readonly findings: number;
  /** One of them. */
  readonly probe: number;
  /** Newest creation time: ISO 8601. */
  readonly at: string;
  /** Sum of their contents; undefined where it is not known, or not what the import read back. */
  readonly content?: number | undefined;
  /** When one of them was last saved: ISO 8601; undefined where that is not known of all. */
  readonly savedAt?: string | undefined;
}

/** What a round, or a part of one, found in the feed. */
export interface FeedReading {
  /** Tests with a verdict that changed, and the time of the newest change: ISO 8601. */
  readonly tests: ReadonlyMap<number, string>;
  readonly grown: ReadonlyMap<number, Grown>;
  /** Changes that were not handled before. */
  readonly changes: number;
  /** Of these, the verdict that is the longest ago: milliseconds since the epoch; undefined where there is none. */
  readonly oldest: number | undefined;
  readonly watermark: string;
  readonly handled: FollowState["handled"];
  readonly settled: boolean;
  /** How many newer changes are left for the next part; 0 at the end. */
  readonly left: number;
  /** Findings that the token sees, and how many of them were not counted before; undefined where the newest were not read. */
  readonly seen: { readonly total: number; readonly arrived: number } | undefined;
  /** All findings under review; undefined where the newest page did not show them. */
  readonly underReview: readonly FindingRef[] | undefined;
}

const later = (a: string | undefined, b: string) => (a === undefined || microseconds(b) > microseconds(a) ? b : a);
const note = (map: Map<number, string>, test: number, at: string) => map.set(test, later(map.get(test), at));

/**
 * Reads the feed from its newest entry down to the watermark, and with each changed original its duplicates: a verdict stands on the
 * original, and theirs changes with it. Of a long list it reads the oldest part. Holds ids and times only.
 * @param now milliseconds since the epoch
 * @param left what the part before left over, in this round
 */
export async function readFeed(
  feed: VerdictFeed,
  state: FollowState,
  now: number,
  left?: number,
): Promise<FeedReading> {
  let newer = left;
  if (newer === undefined) {
    const whole = await readPart(feed, state, now, { start: 0, most: MOST_CHANGES });
    if (whole !== undefined) return whole;
    newer = await countNewer(feed, state.watermark);
  }
  for (let size = MOST_CHANGES; ; size *= 2) {
    const start = Math.max(0, newer - size);
    const part = await readPart(feed, state, now, { start, most: Number.POSITIVE_INFINITY });
    if (part !== undefined) return part;
  }
}

interface Part {
  /** How many of the newest entries to leave out. */
  readonly start: number;
  /** Entries after the watermark, at most. */
  readonly most: number;
}

/** @returns undefined where there are more entries than `most`, or all are of the moment at which the part was cut off */
async function readPart(
  feed: VerdictFeed,
  state: FollowState,
  now: number,
  { start, most }: Part,
): Promise<FeedReading | undefined> {
  const listed = await listChanges(feed, state, { start, most });
  if (listed === undefined) return undefined;
  const { changes, watermark, seen, total, underReview } = listed;
  const tests = new Map<number, string>();
  const grown = new Map<number, Grown>();
  const originals: FindingRef[] = [];
  const times = new Map<number, string>();
  let oldest: number | undefined;
  for (const change of changes) {
    const { findingId, testId, changedAt, duplicate } = change;
    if (isNew(change)) {
      grown.set(testId, grownBy(change, grown.get(testId)));
      continue;
    }
    oldest = Math.min(oldest ?? Number.POSITIVE_INFINITY, Date.parse(changedAt));
    note(tests, testId, changedAt);
    if (!duplicate) originals.push(change);
    times.set(findingId, changedAt);
  }
  for await (const { original, testId } of feed.duplicatesOf(originals))
    note(tests, testId, times.get(original) ?? watermark);
  const remembered = rememberWithin(watermark, [...Object.entries(state.handled), ...seen]);
  const floor = floorOf(state);
  const arrived = changes.filter(({ createdAt }) => microseconds(createdAt) > floor).length;
  return {
    tests,
    grown,
    changes: changes.length,
    oldest,
    watermark,
    handled: remembered.handled,
    settled: remembered.full || isSettled(state, changes.length, watermark, now),
    left: start,
    seen: start > 0 || total === undefined ? undefined : { total, arrived },
    underReview,
  };
}

function grownBy({ findingId, createdAt, content, savedAt }: StatusChange, before: Grown | undefined): Grown {
  const isDated = savedAt !== undefined && (before === undefined || before.savedAt !== undefined);
  return {
    findings: (before?.findings ?? 0) + 1,
    probe: before?.probe ?? findingId,
    at: later(before?.at, createdAt),
    content: addContents(before?.content ?? 0, content),
    savedAt: isDated ? later(before?.savedAt, savedAt) : undefined,
  };
}

/** Down to where the feed is read: microseconds since the epoch. */
const floorOf = ({ watermark, settled }: FollowState) =>
  microseconds(watermark) - (settled === true ? 0 : MARGIN_MS * 1000);

/** A round that finds nothing has looked within the margin, or was told that nothing is to be found there. */
function isSettled({ settled, movedAt }: FollowState, changes: number, watermark: string, now: number): boolean {
  if (now - Date.parse(watermark) >= OLD_MS) return true;
  return changes === 0 && (settled === true || now - Date.parse(movedAt) >= MARGIN_MS);
}

function rememberWithin(watermark: string, entries: readonly (readonly [string, string])[]) {
  const keep = Date.parse(watermark) - MARGIN_MS;
  const handled = new Map(entries.filter(([, at]) => Date.parse(at) >= keep));
  const full = handled.size > MOST_HANDLED;
  return { full, handled: Object.fromEntries(full ? [] : handled) };
}

/**
 * The changes after the floor that were not handled before; of a part that is cut off, none of the moment where it is.
 * @returns undefined where there are more than `most`, or the watermark would not move
 */
async function listChanges(feed: VerdictFeed, state: FollowState, { start, most }: Part) {
  const mark = microseconds(state.watermark);
  const changes: StatusChange[] = [];
  const seen = new Map<string, string>();
  let cut: string | undefined;
  let watermark = state.watermark;
  let total: number | undefined;
  let newer = 0;
  let underReview: readonly FindingRef[] | undefined;
  for await (const page of feed.statusChanges(start, Object.keys(state.underReview).length)) {
    total ??= page.total;
    underReview ??= page.underReview;
    cut ??= start > 0 ? page.changes[0]?.changedAt : undefined;
    const { within, ended } = untilFloor(page.changes, state);
    for (const change of within) {
      const id = String(change.findingId);
      if (seen.has(id) || change.changedAt === cut) continue;
      const at = microseconds(change.changedAt);
      if (at > mark && ++newer > most) return undefined;
      seen.set(id, change.changedAt);
      watermark = later(watermark, change.changedAt);
      const before = state.handled[id];
      if (before === undefined || microseconds(before) < at) changes.push(change);
    }
    if (ended) break;
  }
  if (cut !== undefined && microseconds(watermark) <= mark) return undefined;
  return { changes, watermark, seen, total, underReview };
}

/** Those of a page that are after the floor, and whether one was not. */
function untilFloor(changes: readonly StatusChange[], state: FollowState) {
  const floor = floorOf(state);
  const isBelow = ({ changedAt }: StatusChange) =>
    state.settled === true ? microseconds(changedAt) <= floor : microseconds(changedAt) < floor;
  const end = changes.findIndex(isBelow);
  return end < 0 ? { within: changes, ended: false } : { within: changes.slice(0, end), ended: true };
}

/** How many entries are newer than the watermark, by halving. */
async function countNewer(feed: VerdictFeed, watermark: string): Promise<number> {
  const mark = microseconds(watermark);
  const at = async (place: number) => {
    for await (const { total, changes } of feed.statusChanges(place)) return { total, first: changes[0] };
    return { total: 0, first: undefined };
  };
  let [low, high] = [0, (await at(0)).total];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const { first } = await at(middle);
    if (first !== undefined && microseconds(first.changedAt) > mark) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The newest entry's time, for a follower that begins now; undefined where there is no finding at all. */
export async function newestChange(feed: VerdictFeed): Promise<string | undefined> {
  for await (const { changes } of feed.statusChanges()) return changes[0]?.changedAt;
  return undefined;
}
