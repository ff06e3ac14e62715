import type { StatusChange, VerdictFeed } from "../ports/verdict-feed.ts";
import type { FollowState } from "./follow-state.ts";

/**
 * Transactions commit late: for this long after the watermark moved, entries this far before it are read again. Milliseconds.
 * Afterwards an idle round reads one small page, however many findings changed last.
 */
const MARGIN_MS = 60_000;
/** A finding that was created and changed within this is new, not judged. Milliseconds. */
const NEW_MS = 1_000;

/** Verdicts given within that time are in the feed anyway. */
const isNew = ({ changedAt, createdAt, judged }: StatusChange) =>
  !judged && Date.parse(changedAt) - Date.parse(createdAt) < NEW_MS;

/** What a round found in the feed. */
export interface FeedReading {
  /** Tests with a verdict that changed, and the time of the newest change: ISO 8601. */
  readonly tests: ReadonlyMap<number, string>;
  /** Tests that got new findings, and the newest creation time: ISO 8601. */
  readonly grown: ReadonlyMap<number, string>;
  /** Changes that were not handled before. */
  readonly changes: number;
  readonly watermark: string;
  readonly handled: FollowState["handled"];
}

const later = (a: string | undefined, b: string) => (a === undefined || Date.parse(b) > Date.parse(a) ? b : a);
const note = (map: Map<number, string>, test: number, at: string) => map.set(test, later(map.get(test), at));

/**
 * Reads the feed from its newest entry down to the watermark, and with each changed original its duplicates: a verdict stands on the
 * original, and theirs changes with it. Holds ids and times only.
 */
export async function readFeed(feed: VerdictFeed, state: FollowState, now: number): Promise<FeedReading> {
  const settled = now - Date.parse(state.movedAt) >= MARGIN_MS;
  const floor = Date.parse(state.watermark) - (settled ? 0 : MARGIN_MS);
  const tests = new Map<number, string>();
  const grown = new Map<number, string>();
  const seen = new Map<string, string>();
  let watermark = state.watermark;
  let changes = 0;
  for await (const change of entriesSince(feed, floor)) {
    const id = String(change.findingId);
    // Many findings changed by one statement have the same time: the first that is known ends an idle round.
    if (settled && change.changedAt === state.handled[id]) break;
    if (seen.has(id)) continue;
    seen.set(id, change.changedAt);
    watermark = later(watermark, change.changedAt);
    const before = state.handled[id];
    if (before !== undefined && Date.parse(before) >= Date.parse(change.changedAt)) continue;
    changes++;
    if (isNew(change)) {
      note(grown, change.testId, change.createdAt);
      continue;
    }
    note(tests, change.testId, change.changedAt);
    if (change.duplicate) continue;
    for await (const { testId } of feed.duplicatesOf(change.findingId)) note(tests, testId, change.changedAt);
  }
  const keep = Date.parse(watermark) - MARGIN_MS;
  const handled = Object.fromEntries(
    [...Object.entries(state.handled), ...seen].filter(([, at]) => Date.parse(at) >= keep),
  );
  return { tests, grown, changes, watermark, handled };
}

async function* entriesSince(feed: VerdictFeed, floor: number): AsyncGenerator<StatusChange> {
  for await (const changes of feed.statusChanges()) {
    for (const change of changes) {
      if (Date.parse(change.changedAt) < floor) return;
      yield change;
    }
  }
}

/** The newest entry's time, for a follower that begins now; undefined where there is no finding at all. */
export async function newestChange(feed: VerdictFeed): Promise<string | undefined> {
  for await (const changes of feed.statusChanges()) return changes[0]?.changedAt;
  return undefined;
}
