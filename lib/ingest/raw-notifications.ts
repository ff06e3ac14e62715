import { RelayError } from "../errors.ts";
import { MAX_JOB_BYTES, messageText } from "../model/job.ts";
import type { Undeliverable } from "../ports/dead-letter.ts";
import { cutText } from "../util/text.ts";
import type { Notification } from "./notifications.ts";

/**
 * The most pieces of one notification that are processed. Each takes some sequential requests within the function's 60 s; a bucket sends a
 * few pieces at most.
 */
export const MOST_PIECES = 1_000;

/** The dead letter for a notification that cannot become a job: as received, at most once per five minutes if its sender repeats it. */
export const rawDeadLetter = (body: string): Undeliverable => ({
  body,
  group: "notifications",
  attempts: 1,
  subject: "notification",
  repeated: true,
});

/** Longest message in characters: each takes at most three bytes. */
const LONGEST = MAX_JOB_BYTES / 3;

/** The notification as received, as far as it fits into a message. */
export function rawText(raw: unknown): string {
  try {
    return cutText(messageText(raw), LONGEST);
  } catch {
    return '"a notification that is nested too deep to be kept"';
  }
}

/** The pieces of one notification beyond {@link MOST_PIECES}. */
export interface TooMany {
  readonly messageId: string | undefined;
  readonly pieces: readonly Notification[];
  readonly error: RelayError;
}

/**
 * Separates the pieces to process from those beyond the limit of one notification. A repetition would have as many, and never end:
 * they are dead-lettered.
 * @param isWork whether a piece takes requests; others do not count
 */
export function splitTooMany(
  notifications: readonly Notification[],
  isWork: (notification: Notification) => boolean,
): { now: Notification[]; tooMany: TooMany[] } {
  const now: Notification[] = [];
  /** By message: other messages of the batch have their own limit. */
  const work = new Map<string | undefined, Notification[]>();
  for (const one of notifications) {
    if (!isWork(one)) {
      now.push(one);
      continue;
    }
    const pieces = work.get(one.messageId) ?? [];
    pieces.push(one);
    work.set(one.messageId, pieces);
    if (pieces.length <= MOST_PIECES) now.push(one);
  }
  const tooMany = [...work].flatMap(([messageId, pieces]) =>
    pieces.length <= MOST_PIECES
      ? []
      : { messageId, pieces: pieces.slice(MOST_PIECES), error: tooLarge(pieces.length) },
  );
  return { now, tooMany };
}

function tooLarge(count: number): RelayError {
  const message = `the notification has ${count} pieces, more than ${MOST_PIECES}: the rest go to the dead-letter queue, and \`dojo-relay backfill\` finds their scans`;
  return new RelayError("event-invalid", message, { object: "notification" });
}

const ENVELOPE = '{"Records":[]}'.length;

/** The pieces as few notifications, each small enough for a message. */
export function pack(pieces: readonly Notification[]): string[] {
  const bodies: string[] = [];
  let held: string[] = [];
  let bytes = 0;
  const flush = () => {
    if (held.length > 0) bodies.push(`{"Records":[${held.join(",")}]}`);
    [held, bytes] = [[], 0];
  };
  for (const { raw } of pieces) {
    const text = rawText(raw);
    // A truncated text is not JSON and must not make that of others unreadable.
    if (text.length === LONGEST) {
      bodies.push(text);
      continue;
    }
    const size = Buffer.byteLength(text) + 1;
    if (bytes + size > MAX_JOB_BYTES - ENVELOPE) flush();
    held.push(text);
    bytes += size;
  }
  flush();
  return bodies;
}
