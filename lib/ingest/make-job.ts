import { RelayError } from "../errors.ts";
import { readAnnotations } from "../model/annotations.ts";
import { selects } from "../model/hook-selector.ts";
import {
  compareSequencers,
  deduplicationId,
  encodeJob,
  type Job,
  jobKey,
  messageGroup,
  type ScanJob,
} from "../model/job.ts";
import { uri } from "../model/object-keys.ts";
import { uploadedEtag, writtenBackBy } from "../model/receipt.ts";
import { dropUndefined, type Scan } from "../model/scan.ts";
import type { Log, Observer } from "../observe.ts";
import type { Queue } from "../ports/queue.ts";
import { readReceipt } from "../ports/receipt-store.ts";
import type { ScanSource } from "../ports/scan-source.ts";
import type { ObjectHead, Storage } from "../ports/storage.ts";
import type { ObjectCreated } from "./notifications.ts";
import type { IngestSettings } from "./settings.ts";
import { readSidecar } from "./sidecar.ts";

/** The ports for making a job. */
export interface MakeJobPorts extends Observer {
  readonly storage: Storage;
  /** The cluster's Scans, if there is a cluster. */
  readonly scans?: ScanSource | undefined;
}

export interface MakeJobOptions {
  /** The job may have written the findings back already; then it is continued. */
  readonly begun?: boolean;
  /** Called with the findings' ETag as soon as it is known, whatever happens next. */
  readonly onEtag?: (etag: string) => void;
}

/**
 * The job for created findings, or why there is nothing to do.
 * @throws RelayError `sidecar-…`, `storage-…`
 */
export async function makeJob(
  created: ObjectCreated,
  ports: Pick<MakeJobPorts, "storage" | "scans" | "log" | "metrics">,
  settings: IngestSettings,
  { begun = false, onEtag }: MakeJobOptions = {},
): Promise<ScanJob | string> {
  const { storage, log, metrics } = ports;
  const [head, sidecar] = await Promise.allSettled([
    storage.head(created),
    readSidecar(storage, created, settings, ports.scans),
  ]);
  if (head.status === "rejected") throw head.reason;
  if (head.value === undefined) return "the findings were deleted in the meantime";
  const present = { created, head: head.value, begun, log };
  const etag = uploadOf(present);
  if (etag === undefined) {
    const own = writtenBackBy(created, head.value.metadata) !== undefined;
    return own ? "our own write-back" : "a newer upload has a notification of its own";
  }
  onEtag?.(etag);
  const overwritten = etag !== head.value.etag;
  if (sidecar.status === "rejected") {
    if (overwritten && !begun && isSidecarError(sidecar.reason)) return "our own write-back";
    throw sidecar.reason;
  }
  const scan = sidecar.value;
  if (overwritten && !begun && !(await isOtherRun(present, scan, etag, storage))) return "our own write-back";
  const { options } = readAnnotations(scan, uri(created));
  const unselected = settings.hookLabels !== undefined && !selects(scan.hookSelector, settings.hookLabels);
  if (unselected || options.doNotImport) {
    log.info(
      unselected ? "the scan's hookSelector does not select this relay" : "the scan is annotated do-not-import",
      { object: uri(created) },
    );
    metrics.add("JobsNotSelected");
    return unselected ? "not selected" : "do-not-import";
  }
  const { bucket, key, versionId, sequencer } = created;
  return { version: 1, kind: "import", bucket, key, etag, scan, ...dropUndefined({ versionId, sequencer }) };
}

interface Present {
  readonly created: ObjectCreated;
  readonly head: ObjectHead;
  readonly begun: boolean;
  readonly log: Log;
}

/**
 * ETag of the upload to import, or undefined if there is none: the object is just our own write-back, or, for a job that has
 * started, a newer upload.
 */
function uploadOf({ created, head, begun, log }: Present): string | undefined {
  const uploaded = uploadedEtag(created, head.metadata);
  // Its bytes have since been overwritten: by its own job, or by that of an earlier run with the same findings.
  if (uploaded !== undefined) return created.etag === uploaded ? uploaded : undefined;
  if (created.etag === undefined || created.etag === head.etag) return head.etag;
  if (begun) return undefined;
  // Overwritten in the meantime, or the source truncates ETags or encodes them differently. The job's key makes a second notification harmless.
  log.warn("the notification's ETag is not the object's; using the object's own", {
    object: uri(created),
    eventEtag: created.etag,
    etag: head.etag,
  });
  return head.etag;
}

/**
 * Whether a notification of written-back findings belongs to another run than that write-back's: a later one with the same findings, which the
 * earlier run's job mistook for its own.
 */
async function isOtherRun(
  { created, head, log }: Present,
  scan: Scan,
  etag: string,
  storage: Storage,
): Promise<boolean> {
  const { bucket, key } = created;
  const writer = writtenBackBy(created, head.metadata);
  if (writer === jobKey({ bucket, key, etag, scan })) return false;
  const stored = await readReceipt(storage, created, log);
  // The same notification again, not that of the later run.
  const late = stored?.receipt.jobKey === writer && isNotLater(created.sequencer, stored?.receipt.sequencer);
  return !late;
}

const isSidecarError = (error: unknown) => error instanceof RelayError && error.reason.startsWith("sidecar-");

const isNotLater = (sequencer: string | undefined, than: string | undefined) =>
  sequencer !== undefined && (sequencer === than || compareSequencers(sequencer, than) < 0);

/** Enqueues a job; the same upload's jobs within five minutes are one message. */
export async function enqueue(
  job: Job,
  { queue, log, metrics, onProgress }: Observer & { readonly queue: Queue },
): Promise<void> {
  await queue.send({ body: encodeJob(job), group: messageGroup(job), deduplicationId: deduplicationId(job) });
  log.info("enqueued a job", { object: uri(job), jobKey: jobKey(job), scan: job.scan?.name });
  metrics.add("JobsEnqueued");
  onProgress?.({ state: "waiting", job });
}
