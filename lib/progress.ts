import type { RelayError } from "./errors.ts";
import type { Job } from "./model/job.ts";
import type { Receipt } from "./model/receipt.ts";

/**
 * How a job ended:
 * - `synced`, `imported`: done, with a receipt (`imported`: read-only mode). A resync that finds nothing changed writes nothing; the receipt is the last one.
 * - `done-before`: an earlier delivery had finished it.
 * - `outdated`: its living test has a later run; nothing was imported, and the receipt says so.
 * - `superseded`: a newer upload or another writer owns the findings, or the test was deleted in DefectDojo; no findings were written.
 */
export interface JobOutcome {
  readonly outcome: "synced" | "imported" | "done-before" | "outdated" | "superseded";
  readonly receipt?: Receipt;
  readonly why?: string;
}

/** Whether something later made the job unnecessary. */
export const isOvertaken = (outcome: JobOutcome["outcome"]): boolean =>
  outcome === "superseded" || outcome === "outdated";

/** A job's progress, for observers. */
export type Progress =
  | { readonly state: "waiting"; readonly job: Job }
  | { readonly state: "running"; readonly job: Job }
  | { readonly state: "done"; readonly job: Job; readonly outcome: JobOutcome }
  | { readonly state: "again"; readonly job: Job; readonly error: Error; readonly seconds: number }
  | { readonly state: "failed"; readonly job: Job; readonly error: RelayError };
