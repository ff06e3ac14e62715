import * as z from "zod";
import { RelayError } from "../errors.ts";
import { leaseKey } from "../model/state-keys.ts";
import type { Clock } from "../util/clock.ts";
import { readSmall } from "./read-small.ts";
import type { Condition, Storage } from "./storage.ts";

/** The current or last importer into a living test: one object per test, never removed, so permission to write it is enough. */
const leaseSchema = z.object({
  version: z.literal(1),
  jobKey: z.string(),
  /** ISO 8601: when the lease expires if its holder dies. */
  until: z.string(),
  /** Who had it last, this one first. Missing in earlier versions. */
  runs: z.array(z.object({ jobKey: z.string(), begunAt: z.string() })).optional(),
});

/** A run that imports into a living test. */
export interface LeasedRun {
  readonly jobKey: string;
  /** ISO 8601 */
  readonly begunAt: string;
}

/** So many died one after another where the one that is asked for is not among them. */
const MOST_RUNS = 8;

const MAX_BYTES = 4 * 1024;
/** A lease that ends this much later than a new one would was written by no relay, or by one whose clock is wrong: it is taken over. Milliseconds. */
const MOST_LATER_MS = 2 * 3_600_000;
/** How many concurrent writes of others are tolerated. */
const TRIES = 3;

/**
 * Keeps two runs from importing into one living test at the same time. The queue's message groups do that for jobs of one relay and product; these are for
 * jobs whose group is another (without a Scan, of a cascade) and for several relays on one bucket.
 */
export interface TestLeases {
  /** @returns until when another job has the place, in milliseconds since the epoch; undefined where it is this job's now */
  take(place: string, run: LeasedRun, until: number): Promise<number | undefined>;
  /** When one of the last runs that had the place began; undefined where it is not known. */
  begunAt(place: string, jobKey: string): Promise<string | undefined>;
  /** Gives the place back where it is this job's. */
  giveBack(place: string, jobKey: string): Promise<void>;
}

export function testLeases(storage: Storage, bucket: string, clock: Clock): TestLeases {
  const refOf = (place: string) => ({ bucket, key: leaseKey(place) });
  const read = async (place: string) => {
    const found = await readSmall(storage, refOf(place), MAX_BYTES, "job-invalid");
    if (found === undefined) return undefined;
    return { etag: found.head.etag, lease: leaseSchema.safeParse(parseJson(found.bytes.toString("utf8"))).data };
  };
  const write = async (place: string, body: object, condition: Condition): Promise<boolean> => {
    try {
      const options = { contentType: "application/json", condition };
      await storage.write(refOf(place), JSON.stringify({ version: 1, ...body }), options);
      return true;
    } catch (error) {
      if (error instanceof RelayError && error.reason === "storage-precondition") return false;
      throw error;
    }
  };
  return {
    take: async (place, run, until) => {
      const { jobKey } = run;
      for (let attempt = 1; ; attempt++) {
        const present = await read(place);
        const { lease } = present ?? {};
        const end = lease === undefined ? 0 : Date.parse(lease.until) || 0;
        const holds = end > clock.now() && end <= until + MOST_LATER_MS;
        if (lease !== undefined && lease.jobKey !== jobKey && holds) return end;
        const condition = present === undefined ? ({ ifNoneMatch: "*" } as const) : { ifMatch: present.etag };
        const runs = [run, ...(lease?.runs ?? []).filter((one) => one.jobKey !== jobKey)].slice(0, MOST_RUNS);
        if (await write(place, { jobKey, until: new Date(until).toISOString(), runs }, condition)) return undefined;
        // The SDK sends again what got no answer, and is refused where the first try was done: it is seen the next time.
        if (attempt === TRIES) return clock.now();
      }
    },
    begunAt: async (place, jobKey) => (await read(place))?.lease?.runs?.find((run) => run.jobKey === jobKey)?.begunAt,
    giveBack: async (place, jobKey) => {
      const present = await read(place);
      if (present?.lease?.jobKey !== jobKey || Date.parse(present.lease.until) <= clock.now()) return;
      const ended = { ...present.lease, until: new Date(clock.now()).toISOString() };
      await write(place, ended, { ifMatch: present.etag });
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
