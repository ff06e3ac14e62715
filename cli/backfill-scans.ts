import { type RelayError, toRelayError } from "../lib/errors.ts";
import type { IngestPorts } from "../lib/ingest/ingest.ts";
import { makeJob } from "../lib/ingest/make-job.ts";
import type { IngestSettings } from "../lib/ingest/settings.ts";
import { readSidecar } from "../lib/ingest/sidecar.ts";
import { encodeJob, messageGroup, type ScanJob } from "../lib/model/job.ts";
import { isFindingsName, nameOf, type ObjectRef, uri } from "../lib/model/object-keys.ts";
import { isReceiptOf, type Receipt, uploadedEtag, writtenBackBy } from "../lib/model/receipt.ts";
import { readReceipt } from "../lib/ports/receipt-store.ts";
import type { ListedObject, ObjectHead } from "../lib/ports/storage.ts";
import { mapInOrder } from "../lib/util/concurrency.ts";
import { sha256 } from "../lib/util/digest.ts";
import { pace } from "./terminal/pace.ts";

export interface BackfillOptions {
  readonly bucket: string;
  readonly prefix: string;
  /** Skips findings up to this key, which an earlier run covered. */
  readonly startAfter?: string | undefined;
  /** Skips findings uploaded before. */
  readonly since?: Date | undefined;
  readonly dryRun: boolean;
  /** Jobs per second. */
  readonly rate?: number | undefined;
  /** Imports even if a later run of the scan is in DefectDojo (reimport mode). */
  readonly force?: boolean | undefined;
  readonly signal: AbortSignal;
}

/** The result for one scan. */
export type Backfilled = { readonly key: string } & (
  | { readonly outcome: "enqueued" | "not-selected"; readonly why: string }
  | { readonly outcome: "done" }
  | { readonly outcome: "failed"; readonly error: RelayError }
);

/** Scans checked in parallel, at three small requests each. */
const CONCURRENCY = 16;

/**
 * Enqueues every scan whose findings, as they are now, have no final receipt. A bad scan is one of the results; what affects all of them (the
 * listing, the queue) is thrown. Results come in key order, so a later run can continue after the last.
 */
export async function* backfillScans(
  ports: IngestPorts,
  settings: IngestSettings,
  options: BackfillOptions,
): AsyncGenerator<Backfilled> {
  const { bucket, prefix, startAfter, since, signal } = options;
  const wait = pace(options.rate, signal);
  const findings = wanted(ports.storage.list(bucket, prefix, startAfter), settings.findingsName, since, signal);
  const force = options.force === true;
  const results = mapInOrder(findings, CONCURRENCY, (found) => examine(found, ports, settings, force));
  for await (const result of results) {
    if (!("job" in result)) {
      yield result;
      continue;
    }
    await wait();
    if (signal.aborted) return;
    const { key, deduplicationId, why } = result;
    const job: ScanJob = force ? { ...result.job, force: true } : result.job;
    if (!options.dryRun) {
      await ports.queue.send({ body: encodeJob(job), group: messageGroup(job), deduplicationId });
    }
    yield { key, outcome: "enqueued", why };
  }
}

/**
 * Why these findings have to be imported, and the ETag of their upload; undefined if they are done.
 * Synced findings that are not a write-back are the same bytes uploaded again: they need another sync.
 * @param force whether outdated runs have to be imported too
 */
export function importNeeded(
  ref: ObjectRef,
  head: ObjectHead,
  stored: Receipt | undefined,
  force = false,
): { etag: string; why: string } | undefined {
  const receipt = stored !== undefined && isReceiptOf(ref, stored) ? stored : undefined;
  const uploaded = uploadedEtag(ref, head.metadata);
  if (uploaded !== undefined) {
    const done = receipt?.jobKey === writtenBackBy(ref, head.metadata);
    return done ? undefined : { etag: uploaded, why: "written back, but without its receipt" };
  }
  if (receipt === undefined) return { etag: head.etag, why: "never imported" };
  if (receipt.etag !== head.etag) return { etag: head.etag, why: "a newer upload than what was imported" };
  const why = NEEDED_AGAIN[receipt.outcome](force);
  return why === undefined ? undefined : { etag: head.etag, why };
}

/** One row an outcome of a receipt: why its findings have to be imported while they are the upload still. */
const NEEDED_AGAIN: Readonly<Record<Receipt["outcome"], (force: boolean) => string | undefined>> = {
  synced: () => "the same findings were uploaded again",
  imported: () => undefined,
  outdated: (force) => (force ? "outdated, and forced" : undefined),
};

interface ToEnqueue {
  readonly key: string;
  readonly job: ScanJob;
  readonly why: string;
  /** Stable while the findings are unchanged: the queue drops what is enqueued twice within five minutes, but not later. */
  readonly deduplicationId: string;
}

async function examine(
  found: ListedObject,
  ports: IngestPorts,
  settings: IngestSettings,
  force: boolean,
): Promise<Backfilled | ToEnqueue> {
  const { bucket, key } = found;
  const ref = { bucket, key };
  try {
    const [head, stored] = await Promise.all([ports.storage.head(ref), readReceipt(ports.storage, ref, ports.log)]);
    const need = head === undefined ? undefined : importNeeded(ref, head, stored?.receipt, force);
    if (head === undefined || need === undefined) return { key, outcome: "done" };
    const version = [head.etag, head.lastModified?.getTime(), ...(force ? ["force"] : [])];
    const deduplicationId = sha256(JSON.stringify(["backfill", bucket, key, ...version]));
    if (uploadedEtag(ref, head.metadata) !== undefined) {
      const scan = await readSidecar(ports.storage, ref, settings);
      const job: ScanJob = { version: 1, kind: "import", ...ref, etag: need.etag, scan };
      return { key, job, why: need.why, deduplicationId };
    }
    const job = await makeJob(
      { ...ref, etag: need.etag, versionId: undefined, sequencer: undefined, metadata: {}, at: undefined },
      ports,
      settings,
    );
    if (typeof job === "string") return { key, outcome: "not-selected", why: job };
    return { key, job, why: need.why, deduplicationId };
  } catch (error) {
    return { key, outcome: "failed", error: toRelayError(error, uri(ref)) };
  }
}

async function* wanted(
  listing: AsyncIterable<ListedObject>,
  findingsName: string,
  since: Date | undefined,
  signal: AbortSignal,
): AsyncGenerator<ListedObject> {
  for await (const object of listing) {
    if (signal.aborted) return;
    if (!isFindingsName(findingsName, nameOf(object.key))) continue;
    if (since === undefined || object.lastModified === undefined || object.lastModified >= since) yield object;
  }
}
