import type { VerdictFeed } from "../ports/verdict-feed.ts";
import type { FollowState } from "./follow-state.ts";
import { countUnknown, movedTests } from "./recent-tests.ts";

/** Interval of checks for what does not move the feed. Milliseconds. */
export const SECOND_LOOK_MS = 10 * 60_000;

const LOOKS_A_DAY = 86_400_000 / SECOND_LOOK_MS;

export interface SecondLook {
  /** Tests to resync. */
  readonly tests: readonly number[];
  readonly state: Pick<FollowState, "underReview" | "next" | "known">;
}

/**
 * What the feed does not tell: findings that came under review or left it, by comparing ids; products and engagements that were renamed or moved, by
 * one finding of each recent test; and a severity changed by hand (on 2.34 a risk acceptance too), by some of the recent tests in turn.
 */
export async function takeSecondLook(feed: VerdictFeed, state: FollowState): Promise<SecondLook> {
  const underReview: Record<string, number> = {};
  for await (const { findingId, testId } of feed.underReview()) underReview[String(findingId)] = testId;
  const before = state.underReview;
  const differ = [
    ...Object.entries(underReview).filter(([id]) => before[id] === undefined),
    ...Object.entries(before).filter(([id]) => underReview[id] === undefined),
  ].map(([, testId]) => testId);
  const counted = await countUnknown(feed, state);
  const moved = await movedTests(feed, counted);
  const turn = inTurn(state);
  const tests = [...new Set([...differ, ...moved.tests, ...turn])];
  return { tests, state: { underReview, next: state.next + turn.length, known: moved.known } };
}

/** How many recent tests each look has to take to reach all once a day. */
function inTurn({ recent, next }: FollowState): number[] {
  const turns = Math.ceil(recent.length / LOOKS_A_DAY);
  return Array.from({ length: turns }, (_, n) => recent[(next + n) % recent.length] as number);
}
