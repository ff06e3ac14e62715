import { setTimeout as sleep } from "node:timers/promises";
import { RelayError } from "../../lib/errors.ts";
import type { SidecarSettings } from "../../lib/ingest/sidecar.ts";
import { type ObjectRef, uri } from "../../lib/model/object-keys.ts";
import { outdatedNote, type Receipt } from "../../lib/model/receipt.ts";
import { runOf } from "../../lib/model/run.ts";
import type { Log } from "../../lib/observe.ts";
import type { Storage } from "../../lib/ports/storage.ts";
import type { DeadLetter } from "../dlq/dead-letter.ts";
import { type Awaited, type Look, look } from "./look.ts";

/** How the wait for an upload ended. */
export type WaitEnd =
  | { readonly state: "done"; readonly receipt: Receipt }
  | { readonly state: "outdated"; readonly receipt: Receipt; readonly why: string }
  | { readonly state: "dead-lettered"; readonly letter: Pick<DeadLetter, "id" | "reason" | "error" | "advice"> }
  | { readonly state: "timed-out" | "superseded" | "left-out"; readonly why: string }
  | { readonly state: "interrupted" };

/** @param thorough also looks behind other messages of the same product, which have to be moved for that */
export type FindDeadLetter = (
  isOurs: (letter: DeadLetter) => boolean,
  thorough: boolean,
) => Promise<DeadLetter | undefined>;

/** The upload to wait for, and the ports. */
export interface Waiting {
  readonly storage: Storage;
  readonly findings: ObjectRef;
  readonly settings: SidecarSettings;
  readonly log: Log;
  /** Looks for a dead letter of this upload; undefined if the queues cannot be reached. */
  readonly deadLetter: FindDeadLetter | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Called with the progress. */
  readonly progress: (what: string) => void;
}

/** The first and the longest pause between two looks. Milliseconds. */
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 5_000;
/** How many looks pass between two visits of the dead-letter queue, which hide its messages for a moment. */
const LOOKS_PER_QUEUE = 4;
const LOOKS_PER_THOROUGH = 12;

/** Looks until the receipt of the upload exists, or none will come; the pauses grow. */
export async function waitFor(waiting: Waiting): Promise<WaitEnd> {
  const { findings, timeoutMs, signal, progress } = waiting;
  const end = performance.now() + timeoutMs;
  let pause = FIRST_PAUSE;
  let first: Awaited | undefined;
  for (let looks = 1; ; looks++) {
    const now = await tryLook(waiting);
    if (typeof now !== "string") {
      if (now.state !== "missing") first ??= now.upload;
      const over = ended(now, first, findings);
      if (over !== undefined) return over;
    }
    const what = whatIs(now);
    progress(what);
    const late = performance.now() >= end;
    if (first !== undefined && (late || looks % LOOKS_PER_QUEUE === 0)) {
      const letter = await waiting.deadLetter?.(isOf(findings, first), late || looks % LOOKS_PER_THOROUGH === 0);
      if (letter !== undefined) return { state: "dead-lettered", letter };
    }
    if (late) {
      const why = `no receipt for ${uri(findings)} after ${Math.round(timeoutMs / 1000)} s: ${what}`;
      return { state: "timed-out", why };
    }
    await sleep(Math.min(pause, Math.max(1, end - performance.now())), undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return { state: "interrupted" };
    pause = Math.min(pause * 1.4, LONGEST_PAUSE);
  }
}

/** @returns the state of the upload, or the message of a transient error */
async function tryLook({ storage, findings, settings, log }: Waiting): Promise<Look | string> {
  try {
    return await look(storage, findings, settings, log);
  } catch (error) {
    if (error instanceof RelayError && error.errorClass === "transient") return error.message;
    throw error;
  }
}

function whatIs(now: Look | string): string {
  if (typeof now === "string") return now;
  return now.state === "waiting" ? now.what : "the findings do not exist yet";
}

function ended(now: Look, first: Awaited | undefined, findings: ObjectRef): WaitEnd | undefined {
  if (now.state === "missing") {
    return first && { state: "superseded", why: `${uri(findings)} was deleted during the wait` };
  }
  if (first !== undefined && isAnother(now.upload, first)) {
    return { state: "superseded", why: `${uri(findings)} was uploaded again during the wait` };
  }
  if (now.state === "left-out") return { state: "left-out", why: now.why };
  return now.state === "done" ? withReceipt(now.receipt) : undefined;
}

function withReceipt(receipt: Receipt): WaitEnd {
  const why = outdatedNote(receipt);
  return why === undefined ? { state: "done", receipt } : { state: "outdated", receipt, why };
}

const isAnother = (now: Awaited, first: Awaited) =>
  now.etag !== first.etag || (now.run !== undefined && first.run !== undefined && now.run !== first.run);

const isOf =
  ({ bucket, key }: ObjectRef, { etag, run }: Awaited) =>
  ({ job }: DeadLetter): boolean => {
    if (job === undefined || job.bucket !== bucket || job.key !== key || job.etag !== etag) return false;
    return job.scan === undefined || runOf(job.scan) === run;
  };
