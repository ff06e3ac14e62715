import { jobKey, type ScanJob } from "../model/job.ts";
import { originalOf, uri } from "../model/object-keys.ts";
import { keptFrom, type Receipt, uploadedEtag, writtenBackBy } from "../model/receipt.ts";
import { runOf } from "../model/run.ts";
import type { Scan } from "../model/scan.ts";
import type { Log } from "../observe.ts";
import type { DefectDojo } from "../ports/defectdojo.ts";
import { readReceipt } from "../ports/receipt-store.ts";
import type { Storage } from "../ports/storage.ts";
import type { JobOutcome } from "../progress.ts";
import type { FlowSettings } from "../types.ts";
import type { Clock } from "../util/clock.ts";
import type { Checkpoint, CheckpointStore } from "./checkpoint.ts";
import { withOwnKey } from "./own-key.ts";
import { asBegun } from "./same-run.ts";

/** How a job relates to the current findings. */
export interface Claim {
  /** The job with its effective key. */
  readonly job: ScanJob;
  /** ETag of findings.json now. */
  readonly etag: string;
  /** findings.json is this job's own write-back. */
  readonly own: boolean;
  /** findings.json is a write-back over this upload, by this job or that of an earlier run. */
  readonly overwritten: boolean;
  /** The readable copy of the job's upload: findings.json, or the copy beside it once that was overwritten. */
  readonly upload: ScanJob;
}

export interface ClaimPorts {
  readonly storage: Storage;
  readonly dojo: DefectDojo;
  readonly clock: Clock;
  readonly log: Log;
  readonly pending: CheckpointStore;
  /** The current Scan beside the findings; undefined if it cannot be read. */
  readonly currentScan?: (() => Promise<Scan | undefined>) | undefined;
}

/**
 * Whether this job still has work to do, and under which key. The ETag decides; between runs with the same findings, the Scan beside them does.
 */
export async function whoOwns(
  given: ScanJob,
  ports: ClaimPorts,
  { syncBack }: Pick<FlowSettings, "syncBack">,
): Promise<Claim | JobOutcome> {
  const { storage, log, dojo, pending, clock } = ports;
  const [stored, head] = await Promise.all([readReceipt(storage, given, log), storage.head(given)]);
  if (head === undefined) return { outcome: "superseded", why: `${uri(given)} was deleted` };
  const receipt = stored?.receipt;
  let noted: Promise<Checkpoint | undefined> | undefined;
  const traces = { head, receipt, checkpoint: () => (noted ??= pending.peek(given)) };
  const begun = await asBegun(given, { ...traces, storage });
  const overwritten = uploadedEtag(begun, head.metadata) === begun.etag;
  if (!overwritten && head.etag !== given.etag) {
    return { outcome: "superseded", why: `${uri(given)} is now a newer upload` };
  }
  const job = await withOwnKey(begun, { ...traces, dojo, now: clock.now() });
  const key = jobKey(job);
  const own = writtenBackBy(job, head.metadata) === key;
  if (receipt?.jobKey === key && isDone(receipt, job, own || !syncBack)) return { outcome: "done-before", receipt };
  if (ofAnotherRun(job, receipt, { own, overwritten }) && !(await isCurrentRun(job, ports))) {
    return { outcome: "superseded", why: `${uri(job)} now belongs to a later run with the same findings` };
  }
  if (begun.etag !== given.etag)
    log.info("the run's findings were uploaded again: syncing them with its test", { testOf: key });
  if (!overwritten) return { job, etag: head.etag, own, overwritten, upload: { ...job, etag: given.etag } };
  const upload = await keptUpload(job, storage);
  if (upload === undefined && !own) {
    return { outcome: "superseded", why: `${uri(job)} was overwritten, and its upload was not kept` };
  }
  return { job, etag: head.etag, own, overwritten, upload: upload ?? job };
}

/** An outdated run is imported only if an operator asks for it. @param written whether the findings are as such a job leaves them */
const isDone = ({ outcome }: Receipt, { force }: ScanJob, written: boolean): boolean =>
  outcome === "outdated" ? force !== true : written;

/** Whether another run's job was at work on the same findings. */
function ofAnotherRun(
  job: ScanJob,
  receipt: Receipt | undefined,
  { own, overwritten }: Pick<Claim, "own" | "overwritten">,
): boolean {
  if (own) return false;
  return overwritten || (receipt !== undefined && receipt.jobKey !== jobKey(job) && receipt.etag === job.etag);
}

async function isCurrentRun(job: ScanJob, { currentScan }: ClaimPorts): Promise<boolean> {
  const scan = await currentScan?.();
  return scan === undefined || runOf(scan) === runOf(job.scan);
}

/** The copy of the upload that a write-back keeps, as a job reads its findings. */
async function keptUpload(job: ScanJob, storage: Storage): Promise<ScanJob | undefined> {
  const ref = originalOf(job);
  const head = await storage.head(ref);
  if (head === undefined) return undefined;
  const isUpload = head.etag === job.etag || keptFrom(head.metadata) === job.etag;
  return isUpload ? { ...job, ...ref, etag: head.etag } : undefined;
}
