import * as z from "zod";
import { RelayError } from "../errors.ts";
import { sha256 } from "../util/digest.ts";
import { describeIssues } from "../util/issues.ts";
import { headerText, usableText } from "../util/usable-text.ts";
import { productName } from "./annotations.ts";
import { folderOf, type ObjectRef, uri } from "./object-keys.ts";
import { runOf } from "./run.ts";
import { type Scan, scanSchema } from "./scan.ts";

/**
 * Messages of more than 256 KiB, attributes included, are refused by older queues and emulators; a dead-lettered job has attributes.
 * Results travel by reference, so jobs are far smaller.
 */
export const MAX_JOB_BYTES = 240 * 1024;

const jobSchema = z.object({
  version: z.literal(1),
  /** `import` is the whole flow; `resync` reads a finished test again and writes today's verdicts. */
  kind: z.enum(["import", "resync"]),
  bucket: usableText().min(1),
  /** Key of the findings, decoded. */
  key: usableText().min(1),
  /** ETag of the findings as uploaded, without quotes. */
  etag: headerText().min(1),
  versionId: z.string().optional(),
  /** Hexadecimal; see {@link compareSequencers}. */
  sequencer: z.string().optional(),
  /** For a resync that the importer enqueued itself; see docs/adr/0011. */
  look: z
    .object({
      /** From 1. */
      number: z.number().int().min(1),
      /** ISO 8601; it stays in the queue until then. */
      notBefore: z.string(),
    })
    .optional(),
  /** Missing if ingest could not read the sidecar and dead-lettered the job: after a redrive, the importer reads it. */
  scan: scanSchema.optional(),
  /** For a job that an operator sent: it is reimported even if its living test has a later run. */
  force: z.literal(true).optional(),
  /**
   * `upload`: the key leaves the run out, as in jobs that an earlier version started, and in the hook, whose ETag identifies the run.
   */
  keyedBy: z.literal("upload").optional(),
});

/** What ingest enqueues and the importer works on. */
export type Job = z.infer<typeof jobSchema>;

/** The parts of a job's key. */
export type KeyParts = Pick<Job, "bucket" | "key" | "etag" | "scan" | "keyedBy">;

/**
 * The job's key: a SHA-256 over bucket, key and ETag of the findings as uploaded and the run of the scan, 64 hexadecimal digits.
 * It is DefectDojo's `build_id` of the test: bucket and DefectDojo are the ledger. Without the run, the same findings of a later run would be
 * this job (docs/adr/0010-a-job-is-a-run.md).
 */
export function jobKey(job: KeyParts): string {
  return keyOf(job, job.etag, jobRun(job));
}

/** The run that the job's key names, or undefined for a key of the upload alone. */
export function jobRun({ scan, keyedBy }: Pick<Job, "scan" | "keyedBy">): string | undefined {
  return scan === undefined || keyedBy === "upload" ? undefined : runOf(scan);
}

/** The key of a job from its parts, to check receipts and metadata without a job. */
export function keyOf({ bucket, key }: ObjectRef, etag: string, run: string | undefined): string {
  return sha256(JSON.stringify([bucket, key, etag, ...(run === undefined ? [] : [run])]));
}

/**
 * The queue's deduplication id: the same for every notification of one upload of a run, but different for the same content uploaded again, which has to be synced
 * again and would be dropped for five minutes. 64 hexadecimal digits.
 */
export function deduplicationId(job: Job): string {
  const look = job.look === undefined ? [] : [job.look.number];
  const force = job.force === undefined ? [] : ["force"];
  return sha256(JSON.stringify([jobKey(job), job.kind, job.sequencer ?? job.versionId, ...look, ...force]));
}

/** A job whose Scan is known. */
export type ScanJob = Job & { readonly scan: Scan };

/**
 * The queue's message group: jobs of one DefectDojo product run one after another; a job without a Scan is in its folder's group. A second look has its
 * own group, because a waiting message holds back its whole group. 64 hexadecimal digits.
 */
export function messageGroup(job: Job): string {
  if (job.look !== undefined) return sha256(`look ${jobKey(job)}`);
  return job.scan === undefined
    ? sha256(`folder ${job.bucket}/${folderOf(job.key)}`)
    : productGroup(productName(job.scan));
}

/** The message group of a product's jobs. 64 hexadecimal digits. */
export function productGroup(product: string): string {
  return sha256(`product ${product.toLowerCase()}`);
}

/**
 * @throws RelayError `sidecar-too-large` if the job would not fit into a message
 */
export function encodeJob(job: Job): string {
  const body = messageText(job);
  if (Buffer.byteLength(body) > MAX_JOB_BYTES) {
    throw new RelayError(
      "sidecar-too-large",
      `the job for ${uri(job)} is larger than ${MAX_JOB_BYTES} bytes: the Scan's parameters or annotations are too long`,
      { object: uri(job) },
    );
  }
  return body;
}

/** A value as JSON in the characters that SQS accepts: it refuses the two that XML 1.0 lacks; JSON.stringify escapes the others. */
export function messageText(value: unknown): string {
  const text = JSON.stringify(value) ?? "null";
  return text.replace(/[\ufffe\uffff]/g, (char) => (char === "\ufffe" ? "\\ufffe" : "\\uffff"));
}

/**
 * @param object the source of the body, for the error
 * @throws RelayError `job-invalid`, naming every bad field
 */
export function decodeJob(body: string, object: string): Job {
  let content: unknown;
  try {
    content = JSON.parse(body);
  } catch (cause) {
    throw new RelayError("job-invalid", `${object} is not a job: not JSON`, { object, cause });
  }
  const parsed = jobSchema.safeParse(content);
  if (!parsed.success) {
    throw new RelayError("job-invalid", `${object} is not a job: ${describeIssues(parsed.error)}`, { object });
  }
  return parsed.data;
}

/**
 * Compares two events of one key: the shorter is padded with zeros on the right, then both are compared as text.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html (`sequencer`)
 * @returns negative if `a` is the earlier, positive if the later, 0 if they are equal or one is missing (order unknown)
 */
export function compareSequencers(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return 0;
  const length = Math.max(a.length, b.length);
  const [left, right] = [a.toLowerCase().padEnd(length, "0"), b.toLowerCase().padEnd(length, "0")];
  return left < right ? -1 : left > right ? 1 : 0;
}
