/**
 * How many deliveries may end in waiting. An import of 100,000 findings takes some three of Lambda's; a worker of DefectDojo that is hours
 * behind takes dozens. Less than the number after which the queue itself gives up (MAX_RECEIVE_COUNT).
 */
export const MOST_WAITS = 100;

/** The times in a checkpoint, ISO 8601. */
interface Timed {
  readonly postedAt?: string | undefined;
  readonly lostAt?: string | undefined;
  readonly progress?: { readonly since: string } | undefined;
}

interface Waited {
  readonly waits?: { readonly messageId: string; readonly count: number } | undefined;
}

/**
 * The checkpoint without what the relay cannot have written: anyone who may write to the bucket can forge one, and a wrong clock may have been corrected.
 * The relay would wait for a future or invalid time; it is ignored, so the wait starts again and ends.
 * @param now milliseconds since the epoch
 */
export function believable<T extends Timed>(checkpoint: T, now: number): T {
  const isPast = (time: string) => Date.parse(time) <= now;
  const { postedAt, lostAt, progress } = checkpoint;
  return {
    ...checkpoint,
    ...(postedAt !== undefined && !isPast(postedAt) ? { postedAt: new Date(now).toISOString() } : {}),
    ...(lostAt !== undefined && !isPast(lostAt) ? { lostAt: undefined } : {}),
    ...(progress !== undefined && !isPast(progress.since) ? { progress: undefined } : {}),
  };
}

/** Deliveries of this message that ended in waiting: never more than earlier deliveries, nor more than {@link MOST_WAITS}. */
export function waitsOf(
  checkpoint: Waited | undefined,
  { messageId, receiveCount }: { readonly messageId: string; readonly receiveCount: number },
): number {
  const { waits } = checkpoint ?? {};
  if (waits?.messageId !== messageId) return 0;
  return Math.max(0, Math.min(waits.count, receiveCount - 1, MOST_WAITS));
}
