import { randomUUID } from "node:crypto";
import * as z from "zod";
import { Deferral } from "../deferral.ts";
import { RelayError } from "../errors.ts";
import { checkpointOf, type ObjectRef, uri } from "../model/object-keys.ts";
import type { Log } from "../observe.ts";
import { readSmall } from "../ports/read-small.ts";
import type { Condition, Storage } from "../ports/storage.ts";
import { believable } from "./believable.ts";

/**
 * What must be known of a job between its deliveries and is neither in DefectDojo nor in the findings: `defectdojo.pending.json`
 * beside them. It exists only while a job is in flight.
 */
const checkpointSchema = z.object({
  version: z.literal(1),
  jobKey: z.string(),
  /** The parts of the key, so a later upload of the run can continue under it. Missing in earlier versions, and if the Scan names no run. */
  upload: z.object({ etag: z.string(), run: z.string(), origin: z.string() }).optional(),
  /** ISO 8601: when an import with a still unknown outcome was sent. */
  postedAt: z.string().optional(),
  /** ISO 8601: when the response failed, or the sender's death was noticed. From then on the import has a limited time to appear. */
  lostAt: z.string().optional(),
  /** The living test that it was sent into; missing if it creates one. */
  into: z.number().int().optional(),
  /** What that living test says of its newest run while it is described as this job's. */
  newestRun: z
    .object({ testId: z.number().int(), description: z.string(), start: z.iso.datetime(), end: z.iso.datetime() })
    .optional(),
  /** The living test into which an earlier attempt may have stored a part of this report, and when that was sent first. ISO 8601. */
  interrupted: z.object({ into: z.number().int(), since: z.string() }).optional(),
  /** Why that import has no response. Counts as a failure of the delivery that finds it lost. */
  unanswered: z.string().optional(),
  /** How many findings of that report DefectDojo must keep. */
  expected: z.number().int().optional(),
  /** How many findings the import kept, according to its response. */
  kept: z.number().int().min(0).optional(),
  /** What was repaired in that report, for the receipt. */
  repairs: z.array(z.string()).optional(),
  repairCount: z.number().int().optional(),
  /** How often DefectDojo's parser failed on the report as `scanType`. */
  refusals: z.number().int().min(0).default(0),
  /** ISO 8601: the first of these failures. */
  refusedSince: z.string().optional(),
  /** How many findings each of them left behind. */
  refusedWith: z.number().int().min(0).optional(),
  /** Why the report is imported as Generic Findings Import instead. */
  fellBack: z.string().optional(),
  /** The message in which server errors led to that decision: a redrive tries the parser again. */
  fellBackIn: z.string().optional(),
  /** The native test that a generic import replaces, because its parser kept fewer findings; `fellBack` says how many. */
  replaces: z.number().int().optional(),
  /** How far a running import was, and since when it has made no progress. ISO 8601. */
  progress: z.object({ testId: z.number(), findings: z.number(), since: z.string() }).optional(),
  /** Deliveries of this message that ended in waiting, not in failure. */
  waits: z.object({ messageId: z.string(), count: z.number().int().min(0) }).optional(),
  /** The last failure, for people. */
  lastError: z.object({ reason: z.string(), message: z.string(), at: z.string() }).optional(),
});

export type Checkpoint = z.infer<typeof checkpointSchema>;

/** No import is in flight that DefectDojo does not show. */
export const UNSENT = { postedAt: undefined, lostAt: undefined, into: undefined, unanswered: undefined } as const;

/** The change that records that the import sent last may have stored a part of its report in a living test. */
export function interruption({ into, postedAt, interrupted }: Checkpoint): Pick<Checkpoint, "interrupted"> {
  if (into === undefined || postedAt === undefined || interrupted?.into === into) return { interrupted };
  return { interrupted: { into, since: postedAt } };
}

/** The checkpoint of one job in one delivery: its only owner. */
export interface JobCheckpoint {
  /** The current content. */
  readonly now: Checkpoint;
  /** Changes the content without writing it. */
  remember(change: Partial<Checkpoint>): void;
  /** Changes and writes it. @throws Deferral if another delivery has written it since */
  save(change: Partial<Checkpoint>): Promise<void>;
  /** Writes pending changes, if any. */
  keep(): Promise<void>;
}

/** Reads the job's checkpoint as far as it can be believed, or begins one. @param readAt milliseconds since the epoch */
export async function openCheckpoint(
  store: CheckpointStore,
  findings: ObjectRef,
  jobKey: string,
  readAt: number,
): Promise<JobCheckpoint> {
  let now = believable(await store.read(findings, jobKey), readAt);
  let remembered = false;
  const save = async (change: Partial<Checkpoint>) => {
    now = { ...now, ...change };
    await store.write(findings, now);
    remembered = false;
  };
  return {
    get now() {
      return now;
    },
    remember: (change) => {
      now = { ...now, ...change };
      remembered = true;
    },
    save,
    keep: async () => {
      if (remembered) await save({});
    },
  };
}

/** Room for the repairs: a hundred lines of at most a thousand characters (MOST_REPAIRS, LONGEST_REPAIR). */
const MAX_BYTES = 1024 * 1024;

export interface CheckpointStore {
  /** The stored checkpoint, of any job; undefined if there is none or it is unreadable. */
  peek(findings: ObjectRef): Promise<Checkpoint | undefined>;
  /** The checkpoint of this job; a new one if there is none, if it is another job's, or if it is unreadable. */
  read(findings: ObjectRef, jobKey: string): Promise<Checkpoint>;
  /**
   * Overwrites what was read before, also another job's.
   * @throws Deferral where another delivery wrote it since
   */
  write(findings: ObjectRef, checkpoint: Checkpoint): Promise<void>;
  /** Changes the stored checkpoint, and creates one if it must; another job's is left alone. */
  amend(findings: ObjectRef, jobKey: string, change: Partial<Checkpoint>, must: boolean): Promise<void>;
  /** Removes the checkpoint if it is this job's. */
  remove(findings: ObjectRef, jobKey: string): Promise<void>;
}

/** Time for another delivery to end or die. Seconds. */
const OTHER_DELIVERY_SECONDS = 10;

/** The objects behind the checkpoints. Every write is conditional on what was read, so only one of two concurrent deliveries sends an import. */
function checkpointObjects(storage: Storage, log: Log) {
  const writer = randomUUID();
  /** ETags by location, undefined if there was no checkpoint. */
  const seen = new Map<string, string | undefined>();

  const find = async (findings: ObjectRef): Promise<Checkpoint | undefined> => {
    const ref = checkpointOf(findings);
    seen.delete(uri(ref));
    try {
      const found = await readSmall(storage, ref, MAX_BYTES, "job-invalid");
      seen.set(uri(ref), found?.head.etag);
      return found === undefined ? undefined : checkpointSchema.parse(JSON.parse(found.bytes.toString("utf8")));
    } catch (error) {
      if (error instanceof RelayError && error.reason !== "job-invalid") throw error;
      log.warn("the checkpoint is unreadable and is created again", { object: uri(ref), error });
      return undefined;
    }
  };

  const write = async (findings: ObjectRef, checkpoint: Checkpoint): Promise<void> => {
    const ref = checkpointOf(findings);
    const body = JSON.stringify({ ...checkpoint, writer });
    const etag = seen.get(uri(ref));
    const condition: Condition = etag === undefined ? { ifNoneMatch: "*" } : { ifMatch: etag };
    const options = { contentType: "application/json", ...(seen.has(uri(ref)) ? { condition } : {}) };
    try {
      seen.set(uri(ref), await storage.write(ref, body, options));
    } catch (error) {
      if (!isConflict(error)) throw error;
      // The SDK resends a write without a response; it is refused if the first attempt succeeded.
      const present = await readSmall(storage, ref, MAX_BYTES, "job-invalid");
      if (present?.bytes.toString("utf8") !== body)
        throw new Deferral(`${uri(ref)} was written by another delivery`, OTHER_DELIVERY_SECONDS);
      seen.set(uri(ref), present.head.etag);
    }
  };

  return { find, write, seenEtag: (ref: ObjectRef) => seen.get(uri(ref)) };
}

/** The checkpoints as one delivery reads and writes them. */
export function checkpointStore(storage: Storage, log: Log): CheckpointStore {
  const { find, write, seenEtag } = checkpointObjects(storage, log);
  return {
    peek: find,
    read: async (findings, jobKey) => {
      const checkpoint = await find(findings);
      return checkpoint?.jobKey === jobKey ? checkpoint : { version: 1, jobKey, refusals: 0 };
    },
    write,
    amend: async (findings, jobKey, change, must) => {
      for (let attempt = 1; ; attempt++) {
        const checkpoint = (await find(findings)) ?? (must ? { version: 1, jobKey, refusals: 0 } : undefined);
        if (checkpoint?.jobKey !== jobKey) return;
        try {
          return await write(findings, { ...checkpoint, ...change });
        } catch (error) {
          if (!(error instanceof Deferral) || attempt === 3) throw error;
        }
      }
    },
    remove: async (findings, jobKey) => {
      const ref = checkpointOf(findings);
      if ((await find(findings))?.jobKey !== jobKey) return;
      try {
        await storage.remove(ref, seenEtag(ref));
      } catch (error) {
        if (!isConflict(error)) throw error;
      }
    },
  };
}

const isConflict = (error: unknown) => error instanceof RelayError && error.reason === "storage-precondition";
