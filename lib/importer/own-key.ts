import { jobKey, type ScanJob } from "../model/job.ts";
import { type Receipt, writtenBackBy } from "../model/receipt.ts";
import { canBeOfRun } from "../model/run.ts";
import type { DefectDojo } from "../ports/defectdojo.ts";
import type { ObjectHead } from "../ports/storage.ts";
import type { Checkpoint } from "./checkpoint.ts";

/** What the bucket and DefectDojo know about a job before it starts. */
export interface Traces {
  readonly head: ObjectHead;
  readonly receipt: Receipt | undefined;
  /** The checkpoint beside the findings, of any job. */
  readonly checkpoint: () => Promise<Checkpoint | undefined>;
  readonly dojo: Pick<DefectDojo, "testsByBuildId">;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** If an earlier version imported an upload younger than this, it has a receipt or a checkpoint: no need to query DefectDojo. Milliseconds. */
const FRESH_MS = 10 * 60_000;

/**
 * The job with its effective key: its run's, unless an earlier version (whose keys named only the upload) started or finished it. It then ends under the
 * key that it was started with, so an upgrade imports nothing twice. What was done before the scan was created was done for another run with the
 * same findings, and is left alone.
 */
export async function withOwnKey(job: ScanJob, traces: Traces): Promise<ScanJob> {
  const earlier: ScanJob = { ...job, keyedBy: "upload" };
  if (jobKey(job) === jobKey(earlier)) return job;
  const begun = await begunEarlier(job, jobKey(earlier), traces);
  return begun ? earlier : job;
}

async function begunEarlier(
  job: ScanJob,
  earlierKey: string,
  { head, receipt, checkpoint, dojo, now }: Traces,
): Promise<boolean> {
  const writer = writtenBackBy(job, head.metadata);
  if (writer === jobKey(job) || receipt?.jobKey === jobKey(job)) return false;
  if (receipt?.jobKey === earlierKey) return isOfRun(receipt, job);
  if (writer === earlierKey) return true;
  const noted = await checkpoint();
  if (noted?.jobKey === jobKey(job)) return false;
  if (noted?.jobKey === earlierKey && canBeOfRun(job.scan, noted.postedAt)) return true;
  if (head.lastModified === undefined || now - head.lastModified.getTime() < FRESH_MS) return false;
  const tests = await dojo.testsByBuildId(earlierKey);
  return tests.some(({ createdAt }) => canBeOfRun(job.scan, createdAt));
}

/** Receipts name the Scan's uid; without one its time decides, if known. */
function isOfRun({ scan: { uid }, startedAt }: Receipt, { scan }: ScanJob): boolean {
  if (uid !== undefined && scan.uid) return uid === scan.uid;
  return (scan.createdAt ?? scan.finishedAt) === undefined || canBeOfRun(scan, startedAt);
}
