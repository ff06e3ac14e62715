import * as z from "zod";
import { RelayError } from "../errors.ts";
import { type ObjectRef, uri } from "../model/object-keys.ts";
import type { Log } from "../observe.ts";
import { readSmall } from "../ports/read-small.ts";
import type { Storage } from "../ports/storage.ts";

/** Tests that the slow rotation goes through. */
export const MOST_RECENT_TESTS = 500;

const count = z.number().int().nonnegative();

const knownTest = z.object({
  findings: count,
  /** One of its findings. */
  probe: z.number().int().optional(),
  /** Product and engagement at the last off-feed check. */
  place: z.string().optional(),
  /** Sum of its findings' contents, as they came or at its last turn; missing in earlier versions. */
  content: count.optional(),
});

const waitingTest = z.object({
  findings: count,
  probe: z.number().int(),
  at: z.string(),
  content: count.optional(),
});

export type KnownTest = z.infer<typeof knownTest>;

const stateSchema = z.object({
  version: z.literal(1),
  /** ISO 8601, DefectDojo's clock: every change up to here is handled. */
  watermark: z.string(),
  /** ISO 8601, our clock: when the watermark last moved. */
  movedAt: z.string(),
  /** What was handled within the margin before the watermark: finding id to the time of its change. */
  handled: z.record(z.string(), z.string()),
  /** Whether nothing can come late before the watermark any more: a round has looked there after the margin. Missing in earlier versions. */
  settled: z.boolean().optional(),
  /** Findings that the token saw at the last round; missing in earlier versions. */
  total: count.optional(),
  /** Findings under review when they were last seen: finding id to test id. */
  underReview: z.record(z.string(), z.number().int()),
  /** Tests of this relay in the order of their imports, the oldest first. */
  recent: z.array(z.number().int()),
  /** Where the rotation over `recent` goes on. */
  next: z.number().int(),
  /** ISO 8601, our clock: the last off-feed check. */
  lookedAt: z.string(),
  /** ISO 8601, our clock: every verdict that was made up to then is handled; missing in earlier versions. */
  upTo: z.string().optional(),
  /** What is known of recent tests, by their ids; missing in earlier versions. */
  known: z.record(z.string(), knownTest).optional(),
  /** Tests with new findings that were in no index; missing in earlier versions. */
  waiting: z.record(z.string(), waitingTest).optional(),
  /** How many of the recent tests are still to be asked whether findings were deleted; missing in earlier versions. */
  sweep: count.optional(),
  /** Up to when people's reviews of findings were looked at, by DefectDojo's clock; missing in earlier versions. */
  reviews: z
    .object({
      upTo: z.string(),
      /** Those of the margin before. */
      handled: z.record(z.string(), z.string()),
      /** Whether a look found nothing newer: nothing can come late any more. */
      settled: z.boolean().optional(),
    })
    .optional(),
});

export type FollowState = z.infer<typeof stateSchema>;

const MAX_BYTES = 8 * 1024 * 1024;

export interface FollowStateStore {
  /** The state as it is in the bucket, undefined before the first round; from memory while nobody else wrote. */
  read(): Promise<FollowState | undefined>;
  /** @returns false where another follower wrote meanwhile: its state is read in the next round */
  write(state: FollowState): Promise<boolean>;
}

/** The follower's state in the bucket; every write depends on what was read, so that two followers do no harm. */
export function followStateStore(storage: Storage, ref: ObjectRef, log: Log): FollowStateStore {
  let known: { state: FollowState | undefined; etag: string | undefined } | undefined;
  return {
    read: async () => {
      if (known !== undefined) return known.state;
      const found = await readSmall(storage, ref, MAX_BYTES, "job-invalid");
      known = { state: found === undefined ? undefined : parse(found.bytes, ref, log), etag: found?.head.etag };
      return known.state;
    },
    write: async (state) => {
      const condition = known?.etag === undefined ? ({ ifNoneMatch: "*" } as const) : { ifMatch: known.etag };
      try {
        const etag = await storage.write(ref, JSON.stringify(state), { contentType: "application/json", condition });
        known = { state, etag };
        return true;
      } catch (error) {
        known = undefined;
        if (error instanceof RelayError && error.reason === "storage-precondition") return false;
        throw error;
      }
    },
  };
}

function parse(bytes: Buffer, ref: ObjectRef, log: Log): FollowState | undefined {
  try {
    return stateSchema.parse(JSON.parse(bytes.toString("utf8")));
  } catch (error) {
    log.warn("the follower's state is unreadable and starts again from now", { object: uri(ref), error });
    return undefined;
  }
}
