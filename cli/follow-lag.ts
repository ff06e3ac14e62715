import { followStateStore } from "../lib/follow/follow-state.ts";
import { FOLLOW_FOLDER } from "../lib/model/state-keys.ts";
import type { Log } from "../lib/observe.ts";
import type { Storage } from "../lib/ports/storage.ts";

/** How far a follower of verdicts is, one for each DefectDojo. */
export interface FollowLag {
  /** Verdicts made up to then are enqueued or written: ISO 8601, by our clock. */
  readonly upTo: string;
  /** Seconds from there to now. A follower with nothing to do notes its progress every ten minutes. */
  readonly lagSeconds: number;
}

/** The followers whose state is in the bucket. */
export async function followLags(storage: Storage, bucket: string, log: Log, now = Date.now()): Promise<FollowLag[]> {
  const lags: FollowLag[] = [];
  for await (const { key } of storage.list(bucket, FOLLOW_FOLDER)) {
    const state = await followStateStore(storage, { bucket, key }, log).read();
    if (state === undefined) continue;
    lags.push(lagOf(state.upTo ?? state.lookedAt, now));
  }
  return lags;
}

/** @param now milliseconds since the epoch */
export const lagOf = (upTo: string, now: number): FollowLag => ({
  upTo,
  lagSeconds: Math.max(0, Math.round((now - Date.parse(upTo)) / 1000)),
});
