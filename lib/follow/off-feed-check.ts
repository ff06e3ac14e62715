import type { FindingRef, VerdictFeed } from "../ports/verdict-feed.ts";
import type { FollowState } from "./follow-state.ts";
import { countUnknown, movedTests } from "./recent-tests.ts";
import { takeReviews } from "./reviews.ts";

/** Interval of checks for what does not move the feed. Milliseconds. */
export const OFF_FEED_CHECK_MS = 10 * 60_000;

const CHECKS_A_DAY = 86_400_000 / OFF_FEED_CHECK_MS;

export interface OffFeedCheck {
  /** Tests to resync. */
  readonly tests: readonly number[];
  /** Findings whose tests are to be synced again, and those of their duplicates. */
  readonly findings: readonly FindingRef[];
  readonly state: Pick<FollowState, "next" | "known" | "reviews">;
}

/**
 * What the feed does not tell: findings that people edited in the UI, by the time of their review; products and engagements that were renamed or moved,
 * by one finding in each; and a severity changed over the API (on 2.34 a risk acceptance too), by comparing some of the recent tests in turn.
 */
export async function checkOffFeed(feed: VerdictFeed, state: FollowState): Promise<OffFeedCheck> {
  const { findings, reviews } = await takeReviews(feed, state);
  const counted = await countUnknown(feed, state);
  const moved = await movedTests(feed, { ...state, known: counted });
  const turn = inTurn(state);
  const known = { ...moved.known };
  const changed: number[] = [];
  for (const id of turn) {
    const [before, content] = [known[String(id)], await feed.content(id)];
    if (before?.content !== content) changed.push(id);
    if (before !== undefined) known[String(id)] = { ...before, content };
  }
  const tests = [...new Set([...moved.tests, ...changed])];
  return { tests, findings, state: { next: state.next + turn.length, known, reviews } };
}

/** How many recent tests each check has to take to reach all once a day. */
function inTurn({ recent, next }: FollowState): number[] {
  const turns = Math.ceil(recent.length / CHECKS_A_DAY);
  return Array.from({ length: turns }, (_, n) => recent[(next + n) % recent.length] as number);
}
