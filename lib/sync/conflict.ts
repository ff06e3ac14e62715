import { Deferral } from "../deferral.ts";
import { type Reason, RelayError } from "../errors.ts";
import { type Job, jobKey } from "../model/job.ts";
import { uri } from "../model/object-keys.ts";
import { uploadedEtag, writtenBackBy } from "../model/receipt.ts";
import type { Storage } from "../ports/storage.ts";
import type { JobOutcome } from "../progress.ts";

/** Time for another delivery of the job to end or die. Seconds. */
const OTHER_DELIVERY_SECONDS = 10;

/** The reasons of errors for a failed condition or missing findings. */
const CONFLICTS: ReadonlySet<Reason> = new Set<Reason>(["storage-precondition", "findings-missing"]);

/**
 * Resolves a failed precondition on the findings. Whoever wrote or deleted them owns them, and the job ends. But it may also have
 * been this job: a concurrent delivery, or this one, whose answer was lost and which the SDK then sent again.
 * @param etag of the findings as this delivery knew them
 * @throws Deferral if this job wrote them: the next delivery continues from there
 * @throws RelayError `storage-unavailable` if they are unchanged; any other error unchanged
 */
export async function afterConflict(error: unknown, job: Job, etag: string, storage: Storage): Promise<JobOutcome> {
  const conflict = error instanceof RelayError && CONFLICTS.has(error.reason) && error.object === uri(job);
  if (!conflict) throw error;
  const head = await storage.head(job);
  if (head === undefined) return { outcome: "superseded", why: `${uri(job)} was deleted` };
  if (head.etag === etag) {
    const message = `${uri(job)}: the store refused a condition that holds`;
    throw new RelayError("storage-unavailable", message, { object: uri(job), cause: error });
  }
  if (uploadedEtag(job, head.metadata) === job.etag) {
    const by =
      writtenBackBy(job, head.metadata) === jobKey(job) ? "delivery of this job" : "run with the same findings";
    throw new Deferral(`${uri(job)} was written back by another ${by}`, OTHER_DELIVERY_SECONDS);
  }
  return { outcome: "superseded", why: `${uri(job)} was written by somebody else` };
}
