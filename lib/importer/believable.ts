/**
 * Deliveries that may end in waiting. An import of a hundred thousand findings takes some three of Lambda's; a worker of DefectDojo's that is hours
 * behind some dozens. Fewer than the deliveries after which the queue itself gives up (MAX_RECEIVE_COUNT).
 */
export const MOST_WAITS = 100;

/** What of a checkpoint is told by times, ISO 8601. */
interface Timed {
  readonly postedAt?: string | undefined;
  readonly lostAt?: string | undefined;
  readonly progress?: { readonly since: string } | undefined;
}

interface Waited {
  readonly waits?: { readonly messageId: string; readonly count: number } | undefined;
}

/**
 * The checkpoint without what the relay cannot have written: whoever may write into the bucket can forge one, and a clock that was wrong is corrected.
 * A time that lies ahead, or is none, would be waited for: it is taken as if it had not been noted, so that the wait begins anew and ends.
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

/** Deliveries of this message that ended in waiting: never more than there were before this one, nor than count as waits at all. */
export function waitsOf(
  checkpoint: Waited | undefined,
  { messageId, receiveCount }: { readonly messageId: string; readonly receiveCount: number },
): number {
  const { waits } = checkpoint ?? {};
  if (waits?.messageId !== messageId) return 0;
  return Math.max(0, Math.min(waits.count, receiveCount - 1, MOST_WAITS));
}
