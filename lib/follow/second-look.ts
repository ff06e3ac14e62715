import type { VerdictFeed } from "../ports/verdict-feed.ts";
import type { FollowState } from "./follow-state.ts";

/** How often that is looked at which does not move the feed. Milliseconds. */
export const SECOND_LOOK_MS = 10 * 60_000;

export interface SecondLook {
  /** Tests to sync again. */
  readonly tests: readonly number[];
  readonly underReview: FollowState["underReview"];
  readonly next: number;
}

/**
 * What the feed does not tell: findings that came under review or left it, by comparing ids; and a severity changed by hand (on 2.34 a
 * risk acceptance too), by one of the recent tests in turn.
 */
export async function takeSecondLook(feed: VerdictFeed, state: FollowState): Promise<SecondLook> {
  const underReview: Record<string, number> = {};
  for await (const { findingId, testId } of feed.underReview()) underReview[String(findingId)] = testId;
  const before = state.underReview;
  const differ = [
    ...Object.entries(underReview).filter(([id]) => before[id] === undefined),
    ...Object.entries(before).filter(([id]) => underReview[id] === undefined),
  ].map(([, testId]) => testId);
  const turn = state.recent.length === 0 ? [] : [state.recent[state.next % state.recent.length] as number];
  return { tests: [...new Set([...differ, ...turn])], underReview, next: state.next + 1 };
}
