import { describeError } from "../../lib/errors.ts";
import { lossOf } from "../../lib/model/receipt.ts";
import type { Progress } from "../../lib/progress.ts";

/** What `npm start` shows of a scan. */
export interface Row {
  readonly scan: string;
  readonly scanType: string;
  readonly importedAs: string;
  /** What the scanner found, as opposed to what was written back. */
  readonly uploaded: number;
  /** Set when DefectDojo keeps less than was uploaded. */
  readonly loss: string;
  readonly findings: number;
  readonly new: number;
  readonly duplicates: number;
  readonly falsePositives: number;
  readonly riskAccepted: number;
  readonly testUrl: string;
  readonly syncedKey: string;
  readonly outcome: string;
}

const NOTHING = {
  importedAs: "",
  uploaded: 0,
  loss: "",
  findings: 0,
  new: 0,
  duplicates: 0,
  falsePositives: 0,
  riskAccepted: 0,
  testUrl: "",
  syncedKey: "",
};

/** @returns undefined while the job continues */
export function toRow(progress: Progress): Row | undefined {
  const { job } = progress;
  const scan = job.scan?.name ?? job.key;
  const scanType = job.scan?.scanType ?? "";
  const nothing = (outcome: string) => ({ scan, scanType, ...NOTHING, outcome });
  if (progress.state === "failed") {
    return nothing(`failed: ${progress.error.reason}: ${describeError(progress.error, 200)}`);
  }
  if (progress.state !== "done") return undefined;
  const { outcome, receipt, why } = progress.outcome;
  if (receipt === undefined) return nothing(why === undefined ? outcome : `${outcome}: ${why}`);
  return {
    scan,
    scanType,
    importedAs: receipt.importedAs,
    uploaded: receipt.uploaded?.count ?? 0,
    loss: lossOf(receipt) ?? "",
    findings: receipt.findings.count,
    new: receipt.new,
    duplicates: receipt.duplicates,
    falsePositives: receipt.falsePositives,
    riskAccepted: receipt.riskAccepted,
    testUrl: receipt.test.url,
    syncedKey: job.key,
    outcome,
  };
}

const counted = (count: number, what: string) => (count === 0 ? [] : [`${count} ${what}`]);

/** A row under headers for people. */
export const forPeople = (row: Row) => ({
  scan: row.scan,
  "scan type": row.scanType,
  "imported as": row.importedAs,
  uploaded: row.uploaded,
  findings: row.findings,
  new: row.new,
  known: row.duplicates,
  verdict: [...counted(row.falsePositives, "false positive"), ...counted(row.riskAccepted, "risk accepted")].join(", "),
  outcome: row.outcome,
});
