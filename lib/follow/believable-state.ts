import type { VerdictFeed } from "../ports/verdict-feed.ts";
import { microseconds } from "../util/instant.ts";
import { newestChange } from "./changed-tests.ts";
import { type FollowState, MOST_RECENT_TESTS } from "./follow-state.ts";

/**
 * The state without what no follower can have written: whoever may write into the bucket can forge one, and a clock that was wrong is corrected. A
 * watermark ahead of DefectDojo would hide every verdict up to then; one that is ahead of us is compared with the feed, which costs a request.
 * @param now milliseconds since the epoch
 * @returns the state itself where nothing is wrong with it
 */
export async function believableState(state: FollowState, feed: VerdictFeed, now: number): Promise<FollowState> {
  const isPast = (time: string) => Date.parse(time) <= now;
  const watermark = isPast(state.watermark) ? state.watermark : await watermarkIn(feed, state.watermark, now);
  const mark = microseconds(watermark);
  const isHandled = ([, at]: readonly [string, string]) => microseconds(at) <= mark;
  const handled = Object.entries(state.handled);
  const wrong: Partial<FollowState> = {
    ...(watermark === state.watermark ? {} : { watermark }),
    ...(isPast(state.movedAt) ? {} : { movedAt: new Date(now).toISOString() }),
    // A look that lies ahead would never be due again.
    ...(isPast(state.lookedAt) ? {} : { lookedAt: new Date(0).toISOString() }),
    ...(handled.every(isHandled) ? {} : { handled: Object.fromEntries(handled.filter(isHandled)) }),
    ...(state.recent.length <= MOST_RECENT_TESTS ? {} : { recent: state.recent.slice(-MOST_RECENT_TESTS) }),
  };
  return Object.keys(wrong).length === 0 ? state : { ...state, ...wrong };
}

/** DefectDojo's clock may be ahead of ours; its newest change is not behind the watermark, unless that finding was deleted. */
async function watermarkIn(feed: VerdictFeed, watermark: string, now: number): Promise<string> {
  const newest = (await newestChange(feed)) ?? new Date(now).toISOString();
  return microseconds(watermark) <= microseconds(newest) ? watermark : newest;
}
