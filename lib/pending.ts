import * as z from "zod";
import { RelayError } from "./errors.ts";
import { type ObjectRef, pendingOf, uri } from "./layout.ts";
import type { Log } from "./observe.ts";
import { readSmall, type Storage } from "./storage.ts";

/**
 * What has to be known of a job between its deliveries and is neither in DefectDojo nor in the findings: `defectdojo.pending.json`
 * beside them, there only while a job is under way.
 */
const noteSchema = z.object({
  version: z.literal(1),
  jobKey: z.string(),
  /** ISO 8601; an import was sent then, and its outcome is not known. */
  postedAt: z.string().optional(),
  /** ISO 8601; the answer failed to come then, or that the sender had died was found then: from then on it has to show up or stay away. */
  lostAt: z.string().optional(),
  /** Why that import has no answer. Counts as a failure of whichever delivery finds that nothing came of it. */
  unanswered: z.string().optional(),
  /** How many findings of that report DefectDojo must keep. */
  expected: z.number().int().optional(),
  /** How often DefectDojo's parser failed on the report as `scanType`. */
  refusals: z.number().int().default(0),
  /** Why the report is imported as Generic Findings Import instead. */
  fellBack: z.string().optional(),
  /** How far a running import was, and since when it is no further. ISO 8601. */
  progress: z.object({ testId: z.number(), findings: z.number(), since: z.string() }).optional(),
  /** Deliveries of this message that ended in waiting, not in failure. */
  waits: z.object({ messageId: z.string(), count: z.number().int() }).optional(),
  /** The last failure, for people. */
  lastError: z.object({ reason: z.string(), message: z.string(), at: z.string() }).optional(),
});

export type PendingNote = z.infer<typeof noteSchema>;

const MAX_BYTES = 64 * 1024;

export interface PendingNotes {
  read(findings: ObjectRef, jobKey: string): Promise<PendingNote>;
  write(findings: ObjectRef, note: PendingNote): Promise<void>;
  /** Removes the note if it is this job's. */
  remove(findings: ObjectRef, jobKey: string): Promise<void>;
}

export function pendingNotes(storage: Storage, log: Log): PendingNotes {
  const find = async (findings: ObjectRef, jobKey: string): Promise<PendingNote | undefined> => {
    const ref = pendingOf(findings);
    try {
      const found = await readSmall(storage, ref, MAX_BYTES, "job-invalid");
      if (found === undefined) return undefined;
      const note = noteSchema.parse(JSON.parse(found.bytes.toString("utf8")));
      return note.jobKey === jobKey ? note : undefined;
    } catch (error) {
      if (error instanceof RelayError && error.reason !== "job-invalid") throw error;
      log.warn("the pending note cannot be read and is made anew", { object: uri(ref), error });
      return undefined;
    }
  };
  return {
    /** The note of this job; a new one where there is none, or another job's, or one that nobody can read. */
    read: async (findings, jobKey) => (await find(findings, jobKey)) ?? { version: 1, jobKey, refusals: 0 },
    write: async (findings, note) => {
      await storage.write(pendingOf(findings), JSON.stringify(note), { contentType: "application/json" });
    },
    remove: async (findings, jobKey) => {
      if ((await find(findings, jobKey)) !== undefined) await storage.remove(pendingOf(findings));
    },
  };
}
