import { setTimeout as sleep } from "node:timers/promises";
import { describeError } from "../../../lib/errors.ts";
import type { Log } from "../../../lib/observe.ts";
import type { Storage } from "../../../lib/ports/storage.ts";
import type { Progress } from "../../../lib/progress.ts";
import { seenReceipt } from "../seen-scan.ts";
import { lookAtBucket } from "./look-at-bucket.ts";
import type { ScanIndex } from "./scan-index.ts";

/** How much of the bucket's history is known. */
export interface HistoryStatus {
  /** Finished scans. */
  readonly scans: number;
  /** ISO 8601: when the last look at the whole bucket ended; missing before the first one. */
  readonly lookedAt?: string;
  /** Why the last look at the bucket failed. */
  readonly trouble?: string;
}

export interface History extends Pick<ScanIndex, "page" | "choices" | "moments" | "importedAt"> {
  /** Records the end of a job without waiting for the next look. */
  see(progress: Progress): void;
  status(): HistoryStatus;
  /** Calls after each look until the returned function is called. */
  watch(listener: (status: HistoryStatus) => void): () => void;
  stop(): Promise<void>;
}

export interface HistoryOptions {
  readonly storage: Storage;
  readonly bucket: string;
  readonly index: ScanIndex;
  readonly log: Log;
  /** Shortest pause between two looks. Milliseconds. */
  readonly pauseMs?: number;
}

/** Listing a bucket costs requests: a look is followed by a pause of at least this, and of ten times its own length. Milliseconds. */
const PAUSE_MS = 60_000;
/** Scans that end within this time are reported together. Milliseconds. */
const TOGETHER_MS = 1_000;

/** The finished scans of the bucket, listed at intervals while the service runs. */
export function startHistory({ storage, bucket, index, log, pauseMs = PAUSE_MS }: HistoryOptions): History {
  const stopped = new AbortController();
  const listeners = new Set<(status: HistoryStatus) => void>();
  let last: Omit<HistoryStatus, "scans"> = {};
  const status = () => ({ scans: index.count(), ...last });
  const tell = () => {
    if (stopped.signal.aborted) return;
    for (const listener of listeners) listener(status());
  };
  const look = async () => {
    try {
      await lookAtBucket({ storage, index, log }, bucket, stopped.signal);
      if (!stopped.signal.aborted) last = { lookedAt: new Date().toISOString() };
    } catch (error) {
      const trouble = describeError(error, 300);
      if (last.trouble === undefined) log.warn("the bucket's receipts cannot be read for the page", { why: trouble });
      last = { ...last, trouble };
    }
    tell();
  };
  const running = (async () => {
    while (!stopped.signal.aborted) {
      const began = performance.now();
      await look();
      const pause = Math.max(pauseMs, 10 * (performance.now() - began));
      await sleep(pause, undefined, { signal: stopped.signal, ref: false }).catch(() => undefined);
    }
  })();
  const tellSoon = together(tell);
  const { page, choices, moments, importedAt } = index;
  return {
    ...{ page, choices, moments, importedAt },
    status,
    see: (progress) => {
      if (stopped.signal.aborted || progress.job.bucket !== bucket) return;
      try {
        if (put(index, progress)) tellSoon();
      } catch (error) {
        // The page must not make a job fail; the next look reads the receipt from the bucket.
        log.warn("a finished scan cannot be stored for the page", { why: describeError(error) });
      }
    },
    watch: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stop: async () => {
      stopped.abort();
      await running;
      index.close();
    },
  };
}

/** @returns whether there was a receipt to store */
function put(index: ScanIndex, { job, ...progress }: Progress): boolean {
  const receipt = progress.state === "done" ? progress.outcome.receipt : undefined;
  if (receipt === undefined) return false;
  const seen = seenReceipt(job, receipt);
  const imported = index.importedAt(job.key, receipt.jobKey) ?? seen.at;
  index.put({ key: job.key, etag: "", jobKey: receipt.jobKey, imported, seen });
  return true;
}

/** Calls back once for all requests within {@link TOGETHER_MS}. */
function together(work: () => void): () => void {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    setTimeout(() => {
      waiting = false;
      work();
    }, TOGETHER_MS).unref();
  };
}
