import { type Checkpoint, checkpointStore } from "../lib/importer/checkpoint.ts";
import { isOfUnknownAnnotation } from "../lib/model/annotations.ts";
import type { ObjectRef } from "../lib/model/object-keys.ts";
import { lossOf, outdatedNote } from "../lib/model/receipt.ts";
import { countsIn, type FindingCounts } from "../lib/model/verdicts.ts";
import type { Log } from "../lib/observe.ts";
import { readReceipt } from "../lib/ports/receipt-store.ts";
import type { ListedObject, Storage } from "../lib/ports/storage.ts";
import { listedScans } from "../lib/sync/scan-folders.ts";
import { mapInOrder } from "../lib/util/concurrency.ts";
import { countOf } from "../lib/util/text.ts";
import { importNeeded } from "./backfill-scans.ts";
import { formatDuration } from "./terminal/durations.ts";

type Done = FindingCounts & {
  readonly importedAs: string;
  readonly findings: number;
  readonly testUrl: string;
  /** The scanner's findings without a match in DefectDojo; 0 if unknown. */
  readonly onlyInScan: number;
  /** Set if DefectDojo keeps less than was uploaded, or has less by now. */
  readonly loss: string | undefined;
  /** Says that a later run of its living test was imported before, and nothing of it. */
  readonly outdated: string | undefined;
  /** Unknown annotations of the Scan. */
  readonly unknownAnnotations: number;
};

/** How far a scan is. */
export type ScanState = { readonly key: string } & (
  | ({ readonly state: "done" } & Done)
  | { readonly state: "running" | "waiting"; readonly what: string }
);

/** Finished scans by their receipt's ETag: another look at a bucket costs little more than its listing. */
export type KnownReceipts = Map<string, { readonly etag: string; readonly done: Done }>;

const CONCURRENCY = 16;

/** The state of every scan below the prefix, by the objects beside its findings. */
export function scanStates(
  storage: Storage,
  { bucket, prefix, findingsName, log }: { bucket: string; prefix: string; findingsName: string; log: Log },
  known: KnownReceipts = new Map(),
  now = Date.now(),
): AsyncIterable<ScanState> {
  const scans = listedScans(storage.list(bucket, prefix), findingsName);
  return mapInOrder(scans, CONCURRENCY, async ({ findings, receipt, checkpoint }): Promise<ScanState> => {
    const { key } = findings;
    const done = receipt === undefined ? undefined : await finished(storage, { findings, receipt }, log, known);
    if (done !== undefined) return { key, state: "done", ...done };
    if (checkpoint === undefined) return { key, state: "waiting", what: "" };
    const note = await checkpointStore(storage, log).peek(findings);
    return { key, state: "running", what: note === undefined ? "begun" : howFar(note, now) };
  });
}

/** The receipt's state, if it belongs to the current findings. It is written last, so it may be older than they are. */
async function finished(
  storage: Storage,
  { findings, receipt: listed }: { findings: ListedObject; receipt: ListedObject },
  log: Log,
  known: KnownReceipts,
): Promise<Done | undefined> {
  const version = `${listed.etag} ${findings.etag}`;
  const before = known.get(findings.key);
  if (before?.etag === version) return before.done;
  const stored = await readReceipt(storage, findings, log);
  if (stored === undefined) return undefined;
  if ((listed.lastModified ?? 0) < (findings.lastModified ?? 0)) {
    const ref: ObjectRef = { bucket: findings.bucket, key: findings.key };
    const head = await storage.head(ref);
    if (head === undefined || importNeeded(ref, head, stored.receipt) !== undefined) return undefined;
  }
  const { importedAs, findings: found, test } = stored.receipt;
  const done = {
    ...{ importedAs, findings: found.count, ...countsIn(stored.receipt), testUrl: test.url },
    onlyInScan: stored.receipt.onlyInScan ?? 0,
    loss: lossOf(stored.receipt),
    outdated: outdatedNote(stored.receipt),
    unknownAnnotations: stored.receipt.warnings.filter(isOfUnknownAnnotation).length,
  };
  known.set(findings.key, { etag: version, done });
  return done;
}

/** The state in the checkpoint between two deliveries. */
export function howFar(note: Checkpoint, now: number): string {
  const since = (iso: string) => `${formatDuration(now - Date.parse(iso))} ago`;
  const { progress, postedAt, waits, fellBack, lastError } = note;
  const parts = [
    progress && `test ${progress.testId} has ${progress.findings} findings, the last ${since(progress.since)}`,
    postedAt !== undefined && progress === undefined && `sent to DefectDojo ${since(postedAt)}`,
    fellBack !== undefined && `as generic findings: ${fellBack}`,
    waits && `waited ${countOf(waits.count, "time")}`,
    lastError && `failed ${since(lastError.at)}: ${lastError.reason}: ${lastError.message}`,
  ];
  return parts.filter((part) => typeof part === "string").join("; ") || "begun";
}
