import { describeError, RelayError } from "../../lib/errors.ts";
import { isOfUnknownAnnotation, productName } from "../../lib/model/annotations.ts";
import type { ObjectRef } from "../../lib/model/object-keys.ts";
import { lossOf, outdatedNote, type Receipt } from "../../lib/model/receipt.ts";
import { countsIn, type FindingCounts } from "../../lib/model/verdicts.ts";
import { isOvertaken, type Progress } from "../../lib/progress.ts";
import { cutText } from "../../lib/util/text.ts";

type Severity = "high" | "medium" | "low" | "informational";

/** A scan as people see it on the page. */
export interface SeenScan {
  /** `bucket/key` of its findings; for a dead letter that is not a job, `letter:` and its id. */
  readonly id: string;
  readonly scan: string;
  readonly scanType: string;
  readonly product: string;
  readonly state: "waiting" | "running" | "again" | "done" | "superseded" | "failed";
  /** ISO 8601: when it reached this state; for a finished scan, when it was last written. */
  readonly at: string;
  readonly importedAs?: string;
  readonly severities?: Readonly<Record<Severity, number>>;
  readonly findings?: number;
  /** Each finding counted once. */
  readonly counts?: FindingCounts;
  readonly testUrl?: string;
  /** Unknown annotations of the Scan; missing if there are none. */
  readonly unknownAnnotations?: number;
  /** Why it is waiting, failed or was superseded, and what to do. */
  readonly why?: string;
  readonly advice?: string;
}

/** Longest name or reason, in characters; uploaders choose names. */
const LONGEST = 500;

const short = (text: string) => cutText(text, LONGEST);

/** The state of a job. */
export function seenProgress(progress: Progress, now: Date): SeenScan {
  const { job, state } = progress;
  const scan = {
    id: `${job.bucket}/${job.key}`,
    scan: short(job.scan === undefined ? job.key : job.scan.name),
    scanType: short(job.scan?.scanType ?? ""),
    product: job.scan === undefined ? "" : short(productName(job.scan)),
    at: now.toISOString(),
  };
  if (state === "failed")
    return { ...scan, state, why: describeError(progress.error, LONGEST), advice: progress.error.advice };
  if (state === "again") {
    const { error, seconds } = progress;
    const why = error instanceof RelayError ? describeError(error, LONGEST) : error.message;
    return { ...scan, state, why: `${why} (again in ${seconds} s)` };
  }
  if (state !== "done") return { ...scan, state };
  const { outcome, receipt, why } = progress.outcome;
  if (receipt !== undefined) return seenReceipt(job, receipt);
  return { ...scan, state: isOvertaken(outcome) ? "superseded" : "done", ...(why === undefined ? {} : { why }) };
}

/** A finished scan, by its receipt. */
export function seenReceipt({ bucket, key }: ObjectRef, receipt: Receipt): SeenScan {
  return {
    id: `${bucket}/${key}`,
    scan: short(receipt.scan.name),
    scanType: short(receipt.scan.scanType),
    product: short(receipt.product.name),
    state: "done",
    at: isoOr(receipt.finishedAt, new Date(0)),
    ...(receipt.outcome === "outdated" ? {} : { importedAs: short(receipt.importedAs) }),
    severities: receipt.findings.severities,
    findings: receipt.findings.count,
    counts: countsIn(receipt),
    testUrl: receipt.test.url.slice(0, LONGEST),
    ...unknownIn(receipt.warnings),
    ...told([outdatedNote(receipt), receipt.fellBack, lossOf(receipt)]),
  };
}

/** A time for sorting; a receipt may contain anything. */
export function isoOr(text: string, otherwise: Date): string {
  const time = Date.parse(text);
  const date = new Date(Number.isNaN(time) ? otherwise : time);
  return date.getUTCFullYear() > 9_999 || date.getUTCFullYear() < 0 ? otherwise.toISOString() : date.toISOString();
}

/** What a reader should know of a scan that is done. */
function told(parts: readonly (string | undefined)[]): { why?: string } {
  const why = parts.filter((part) => part !== undefined).join("; ");
  return why === "" ? {} : { why: short(why) };
}

function unknownIn(warnings: readonly string[]): { unknownAnnotations?: number } {
  const unknownAnnotations = warnings.filter(isOfUnknownAnnotation).length;
  return unknownAnnotations === 0 ? {} : { unknownAnnotations };
}
