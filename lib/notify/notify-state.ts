import * as z from "zod";
import { RelayError } from "../errors.ts";
import { type ObjectRef, uri } from "../model/object-keys.ts";
import { noticeKey } from "../model/state-keys.ts";
import type { Log } from "../observe.ts";
import { readSmall } from "../ports/read-small.ts";
import type { Storage } from "../ports/storage.ts";

const stateSchema = z.object({
  version: z.literal(1),
  /** `s3://bucket/key` of the findings, for people. */
  findings: z.string(),
  /** The job that the rest is of. */
  jobKey: z.string(),
  /** DefectDojo's ids of findings that were sent as new. */
  told: z.array(z.number().int()),
  /** The last list of changed verdicts that was sent. */
  changes: z.string().optional(),
  /** A message is being sent: its id, and since when, ISO 8601. */
  sending: z.object({ id: z.string(), at: z.string() }).optional(),
});

export type NotifyState = z.infer<typeof stateSchema>;

/** More than the ids of a million findings. */
const MAX_BYTES = 16 * 1024 * 1024;

/** What was sent for one scan. Every write is conditional on what was read: only one of two concurrent processes sends. */
export interface NotifyStore {
  /** Undefined before anything was sent, and if it is unreadable. */
  read(): Promise<NotifyState | undefined>;
  /** @throws RelayError `storage-precondition` if another process has written since */
  write(state: NotifyState): Promise<void>;
}

export function notifyStore(storage: Storage, findings: ObjectRef, log: Log): NotifyStore {
  const ref = { bucket: findings.bucket, key: noticeKey(findings) };
  let etag: string | undefined;
  return {
    read: async () => {
      const found = await readSmall(storage, ref, MAX_BYTES, "job-invalid");
      etag = found?.head.etag;
      if (found === undefined) return undefined;
      try {
        return stateSchema.parse(JSON.parse(found.bytes.toString("utf8")));
      } catch (error) {
        log.warn("the record of what was sent for a scan is unreadable and counts as empty", {
          object: uri(ref),
          error,
        });
        return undefined;
      }
    },
    write: async (state) => {
      const condition = etag === undefined ? ({ ifNoneMatch: "*" } as const) : { ifMatch: etag };
      etag = await storage.write(ref, JSON.stringify(state), { contentType: "application/json", condition });
    },
  };
}

/** Whether a write conflicted with another. */
export const isOvertaken = (error: unknown) => error instanceof RelayError && error.reason === "storage-precondition";
