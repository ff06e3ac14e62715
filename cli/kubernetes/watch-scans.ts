import { setTimeout as sleep } from "node:timers/promises";
import { RelayError, toRelayError } from "../../lib/errors.ts";
import type { ClusterScan } from "../../lib/model/cluster-scan.ts";
import type { Log } from "../../lib/observe.ts";
import { backoff } from "../../lib/util/backoff.ts";
import type { Cluster, ScanEvent } from "./cluster.ts";
import type { ScanIndex } from "./scan-index.ts";

export interface ScanWatch {
  /** Whether every Scan up to now is known; if not, why. */
  state(): { readonly current: true } | { readonly current: false; readonly error: RelayError | undefined };
  /** Resolves when the first list is there, or has failed. */
  readonly first: Promise<void>;
  stop(): Promise<void>;
}

export interface ScanWatchOptions {
  readonly cluster: Cluster;
  /** undefined for all. */
  readonly namespace: string | undefined;
  readonly index: ScanIndex;
  /** Told each Scan that is listed or changes. */
  readonly onScan: (scan: ClusterScan) => void;
  readonly log: Log;
  /** Milliseconds before the nth try after a failure. */
  readonly pauseMs?: (failures: number) => number;
}

const FIRST_PAUSE_MS = 500;
/** Prevents a busy loop if a server ends each watch at once. */
const BETWEEN_WATCHES_MS = 200;
/** Doublings: up to some 30 s. */
const MOST_DOUBLINGS = 7;

/**
 * Keeps the index as the cluster is: a list in pages once, then a watch from there, which is begun again from the last version seen where it ends, and
 * from a new list where the server no longer has that version (410).
 */
export function watchScans(options: ScanWatchOptions): ScanWatch {
  const {
    log,
    namespace,
    pauseMs = (failures) => backoff(FIRST_PAUSE_MS, Math.min(failures, MOST_DOUBLINGS)),
  } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  let state: ReturnType<ScanWatch["state"]> = { current: false, error: undefined };
  let tell = () => {};
  const first = new Promise<void>((resolve) => {
    tell = resolve;
  });

  const markCurrent = () => {
    state = { current: true };
    tell();
  };

  const run = async () => {
    let version: string | undefined;
    for (let failures = 0; !signal.aborted; ) {
      try {
        if (version === undefined) {
          version = await list(options);
          markCurrent();
        }
        version = await follow(options, version, signal, markCurrent);
        if (version === undefined) state = { current: false, error: undefined };
        else markCurrent();
        failures = 0;
        await sleep(BETWEEN_WATCHES_MS, undefined, { signal }).catch(() => undefined);
      } catch (error) {
        const failure = toRelayError(error, "scans");
        failures++;
        state = { current: false, error: failure };
        tell();
        if (isExpired(failure)) version = undefined;
        const fields = { namespace: namespace ?? "all", error: failure, advice: failure.advice };
        // Only the first failure is logged as a warning: a restarting API server is not an incident.
        if (failures === 1 || failures % 20 === 0)
          log.warn("the Scans of the cluster cannot be watched; retrying", fields);
        await sleep(pauseMs(failures), undefined, { signal }).catch(() => undefined);
      }
    }
  };
  const running = run();
  return {
    state: () => state,
    first,
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

/** @returns the version that the list is of */
async function list({ cluster, namespace, index, onScan, log }: ScanWatchOptions): Promise<string> {
  const seen = new Set<string>();
  let version = "";
  for (let next: string | undefined; ; ) {
    const page = await cluster.listScans(namespace, next);
    for (const resource of page.items) {
      const scan = index.put(resource);
      if (scan === undefined) continue;
      seen.add(scan.uid);
      onScan(scan);
    }
    version = page.resourceVersion;
    next = page.next;
    if (next === undefined) break;
  }
  index.retain(namespace, seen);
  log.info("the Scans of the cluster are known", { namespace: namespace ?? "all", scans: seen.size });
  return version;
}

/**
 * @param onBookmark called when everything up to then was seen: a watch that goes on after a failure first delivers what happened meanwhile
 * @returns the last version seen, or undefined where the server no longer has it
 */
async function follow(
  { cluster, namespace, index, onScan }: ScanWatchOptions,
  from: string,
  signal: AbortSignal,
  onBookmark: () => void,
): Promise<string | undefined> {
  let version: string | undefined = from;
  let refused: RelayError | undefined;
  const take = ({ type, object }: ScanEvent) => {
    if (type === "ERROR") {
      const { code, message } = object as { code?: number; message?: string };
      if (code === 410) version = undefined;
      else refused = new RelayError("cluster-unavailable", `WATCH scans: ${message ?? "failed"}`);
      return;
    }
    const { metadata } = object as { metadata?: { resourceVersion?: string; uid?: string } };
    version = metadata?.resourceVersion ?? version;
    if (type === "DELETED") index.remove(metadata?.uid ?? "");
    else if (type === "BOOKMARK") onBookmark();
    else {
      const scan = index.put(object);
      if (scan !== undefined) onScan(scan);
    }
  };
  await cluster.watchScans(namespace, from, take, signal);
  if (refused !== undefined) throw refused;
  return version;
}

const isExpired = (error: RelayError) => error.status === 410;
