import { describeError, RelayError } from "../../lib/errors.ts";
import { isOfUnknownAnnotation } from "../../lib/model/annotations.ts";
import { lossOf } from "../../lib/model/receipt.ts";
import { countsIn, describeCounts, type FindingCounts } from "../../lib/model/verdicts.ts";
import type { Progress } from "../../lib/progress.ts";

/** A scan as people see it on the page. */
export interface SeenScan extends Partial<FindingCounts> {
  /** `bucket/key` of its findings. */
  readonly id: string;
  readonly scan: string;
  readonly scanType: string;
  readonly state: "waiting" | "running" | "again" | "done" | "superseded" | "failed";
  /** ISO 8601 */
  readonly at: string;
  readonly importedAs?: string;
  readonly severities?: Readonly<Record<"high" | "medium" | "low" | "informational", number>>;
  readonly findings?: number;
  /** All counts in words. */
  readonly counts?: string;
  readonly testUrl?: string;
  /** Unknown annotations of the Scan; absent if there are none. */
  readonly unknownAnnotations?: number;
  /** Why it waits, failed or was superseded, and what to do. */
  readonly why?: string;
  readonly advice?: string;
}

export interface Activity {
  see(progress: Progress): void;
  /** The latest scans, newest first. */
  scans(): SeenScan[];
  /** Calls with each change until the returned function is called. */
  watch(listener: (scan: SeenScan) => void): () => void;
}

/** More than a page shows at once; older ones are in the bucket's receipts. */
const MOST = 500;

/** The scans since the service started, in memory. */
export function activity(now: () => Date = () => new Date()): Activity {
  const seen = new Map<string, SeenScan>();
  const listeners = new Set<(scan: SeenScan) => void>();
  return {
    see: (progress) => {
      const scan = toSeen(progress, now());
      seen.delete(scan.id);
      seen.set(scan.id, scan);
      const [oldest] = seen.keys();
      if (seen.size > MOST && oldest !== undefined) seen.delete(oldest);
      for (const listener of listeners) listener(scan);
    },
    scans: () => [...seen.values()].toReversed(),
    watch: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function toSeen(progress: Progress, now: Date): SeenScan {
  const { job, state } = progress;
  const scan = {
    id: `${job.bucket}/${job.key}`,
    scan: job.scan === undefined ? job.key : job.scan.name,
    scanType: job.scan?.scanType ?? "",
    at: now.toISOString(),
  };
  if (state === "failed")
    return { ...scan, state, why: describeError(progress.error, 500), advice: progress.error.advice };
  if (state === "again") {
    const why = progress.error instanceof RelayError ? describeError(progress.error, 500) : progress.error.message;
    return { ...scan, state, why: `${why} (again in ${progress.seconds} s)` };
  }
  if (state !== "done") return { ...scan, state };
  const { outcome, receipt, why } = progress.outcome;
  if (receipt === undefined)
    return { ...scan, state: outcome === "superseded" ? "superseded" : "done", ...(why === undefined ? {} : { why }) };
  return {
    ...scan,
    state: "done",
    importedAs: receipt.importedAs,
    severities: receipt.findings.severities,
    findings: receipt.findings.count,
    ...countsIn(receipt),
    counts: describeCounts(countsIn(receipt)),
    testUrl: receipt.test.url,
    ...unknownIn(receipt.warnings),
    ...told([receipt.fellBack, lossOf(receipt)]),
  };
}

/** What a reader should know of a scan that is done. */
function told(parts: readonly (string | undefined)[]): { why?: string } {
  const why = parts.filter((part) => part !== undefined).join("; ");
  return why === "" ? {} : { why };
}

function unknownIn(warnings: readonly string[]): { unknownAnnotations?: number } {
  const unknownAnnotations = warnings.filter(isOfUnknownAnnotation).length;
  return unknownAnnotations === 0 ? {} : { unknownAnnotations };
}
