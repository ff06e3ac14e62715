import * as z from "zod";
import { RelayError } from "../errors.ts";
import { testIndexKey } from "../model/state-keys.ts";
import { readSmall } from "./read-small.ts";
import type { Storage } from "./storage.ts";

/** From a test in DefectDojo to its scan in the bucket: one object per test. */
const entrySchema = z.object({
  version: z.literal(1),
  /** Key of the findings. */
  key: z.string().min(1),
  /** ETag of the findings as uploaded. */
  etag: z.string().min(1),
  jobKey: z.string(),
  /** The queue's message group of the scan's jobs, in the characters that a queue takes. */
  group: z.string().regex(/^[!-~]{1,128}$/),
  /** ISO 8601, by our clock. */
  importedAt: z.string(),
  /** ISO 8601, by DefectDojo's clock: changes in the test up to then were made by the import and read back after it. Only for living tests. */
  recordedAt: z.string().optional(),
});

export type TestIndexEntry = z.infer<typeof entrySchema>;

const MAX_BYTES = 16 * 1024;

export interface TestIndex {
  /** @returns undefined for a test that is not this relay's, and for an unreadable entry */
  find(testId: number): Promise<TestIndexEntry | undefined>;
  /** Writes the entry unless the same one exists already. */
  put(testId: number, entry: TestIndexEntry): Promise<void>;
}

/**
 * The index of one DefectDojo in one bucket.
 * @param urlOf a test's URL for people
 */
export function testIndex(storage: Storage, bucket: string, urlOf: (testId: number) => string): TestIndex {
  const refOf = (testId: number) => ({ bucket, key: testIndexKey(urlOf(testId)) });
  const read = async (testId: number) => {
    const found = await readSmall(storage, refOf(testId), MAX_BYTES, "job-invalid");
    if (found === undefined) return undefined;
    const parsed = entrySchema.safeParse(parseJson(found.bytes.toString("utf8")));
    return { etag: found.head.etag, entry: parsed.data };
  };
  return {
    find: async (testId) => (await read(testId))?.entry,
    put: async (testId, entry) => {
      const write = (condition: { ifNoneMatch: "*" } | { ifMatch: string }) =>
        storage.write(refOf(testId), JSON.stringify(entry), { contentType: "application/json", condition });
      try {
        await write({ ifNoneMatch: "*" });
      } catch (error) {
        if (!(error instanceof RelayError) || error.reason !== "storage-precondition") throw error;
        const present = await read(testId);
        if (present === undefined || present.entry?.jobKey === entry.jobKey) return;
        await write({ ifMatch: present.etag });
      }
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
