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
  /** DefectDojo's ids of findings that were told as new. */
  told: z.array(z.number().int()),
  /** The last list of changed verdicts that was told. */
  changes: z.string().optional(),
  /** A message is being sent: its id, and since when, ISO 8601. */
  sending: z.object({ id: z.string(), at: z.string() }).optional(),
});

export type NotifyState = z.infer<typeof stateSchema>;

/** More than the ids of a million findings. */
const MAX_BYTES = 16 * 1024 * 1024;

/** What was told of one scan. Every write depends on what was read: of two at once one sends. */
export interface NotifyStore {
  /** Undefined before anything was told, and where it cannot be read. */
  read(): Promise<NotifyState | undefined>;
  /** @throws RelayError `storage-precondition` where another wrote meanwhile */
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
        log.warn("what was told of a scan cannot be read, and counts as nothing", { object: uri(ref), error });
        return undefined;
      }
    },
    write: async (state) => {
      const condition = etag === undefined ? ({ ifNoneMatch: "*" } as const) : { ifMatch: etag };
      etag = await storage.write(ref, JSON.stringify(state), { contentType: "application/json", condition });
    },
  };
}

/** Whether a write met another's. */
export const isOvertaken = (error: unknown) => error instanceof RelayError && error.reason === "storage-precondition";
