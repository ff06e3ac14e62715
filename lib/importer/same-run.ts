import { jobKey, jobRun, type ScanJob } from "../model/job.ts";
import { rawResultsOf } from "../model/object-keys.ts";
import { isReceiptOf, type Receipt, writtenBackBy, writtenBackOf } from "../model/receipt.ts";
import type { Scan } from "../model/scan.ts";
import type { ObjectHead, Storage } from "../ports/storage.ts";
import { sha256 } from "../util/digest.ts";
import type { Checkpoint, CheckpointStore } from "./checkpoint.ts";

/** What the bucket records of a run. */
interface Traces {
  readonly head: ObjectHead;
  readonly receipt: Receipt | undefined;
  readonly checkpoint: () => Promise<Checkpoint | undefined>;
  readonly storage: Storage;
}

/**
 * What distinguishes a hook's rewrite of the findings from results of another scan: the operator's Scan and its raw result, which no hook changes. Undefined if this
 * is unknown: for a Scan that is not from the cluster, whose uid may be an example's, and without a raw result.
 * @returns 32 hexadecimal digits
 */
export async function originOf(job: ScanJob, storage: Storage): Promise<string | undefined> {
  const { uid, rawResultFile, name, namespace, scanType, parameters, annotations, inCluster } = job.scan;
  if (!uid || !inCluster || rawResultFile === undefined) return undefined;
  for (const ref of rawResultsOf(job, rawResultFile)) {
    const raw = await storage.head(ref);
    if (raw === undefined) continue;
    return sha256(JSON.stringify([uid, name, namespace, scanType, parameters, annotations, raw.etag])).slice(0, 32);
  }
  return undefined;
}

/** What a checkpoint records of a job to recognise a later upload of its run; undefined if the run is unknown. */
export async function runUploadOf(
  job: ScanJob,
  storage: Storage,
): Promise<NonNullable<Checkpoint["upload"]> | undefined> {
  const run = jobRun(job);
  const origin = run === undefined ? undefined : await originOf(job, storage);
  return run === undefined || origin === undefined ? undefined : { etag: job.etag, run, origin };
}

/**
 * The job under its run's first key. A hook of secureCodeBox may rewrite the findings after they were imported, which is an upload of the same run: it keeps
 * the key of the run's first upload and therefore ends in the same test.
 */
export async function asBegun(job: ScanJob, { head, receipt, checkpoint, storage }: Traces): Promise<ScanJob> {
  const run = jobRun(job);
  if (run === undefined || !job.scan.inCluster) return job;
  const written = writtenBackOf(job, head.metadata);
  if (written?.run === run) return { ...job, etag: written.etag };
  const received = receipt?.run === run && isReceiptOf(job, receipt) ? receipt : undefined;
  const noted = received === undefined ? await checkpoint() : undefined;
  // A lost import leaves it too: the job keeps its key, under which its waits are counted.
  const begun = received ?? (noted?.upload?.run === run ? noted.upload : undefined);
  if (begun?.origin === undefined || begun.etag === job.etag) return job;
  return begun.origin === (await originOf(job, storage)) ? { ...job, etag: begun.etag } : job;
}

/**
 * Whether a superseded job's checkpoint has to stay: the findings of its run were rewritten during the import. The job of that upload continues under
 * its key and removes it.
 */
export async function isTakenOver(
  job: ScanJob,
  {
    storage,
    pending,
    currentScan,
  }: { storage: Storage; pending: CheckpointStore; currentScan: () => Promise<Scan | undefined> },
): Promise<boolean> {
  const noted = job.scan.inCluster ? await pending.peek(job) : undefined;
  if (noted?.jobKey !== jobKey(job) || noted.postedAt === undefined || noted.upload === undefined) return false;
  const [head, scan] = await Promise.all([storage.head(job), currentScan()]);
  if (head === undefined || head.etag === job.etag || writtenBackBy(job, head.metadata) !== undefined) return false;
  return scan !== undefined && noted.upload.origin === (await originOf({ ...job, scan }, storage));
}
