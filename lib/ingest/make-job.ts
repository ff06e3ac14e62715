import { readAnnotations } from "../model/annotations.ts";
import { selects } from "../model/hook-selector.ts";
import { deduplicationId, encodeJob, type Job, jobKey, messageGroup, type ScanJob } from "../model/job.ts";
import { uri } from "../model/object-keys.ts";
import { writtenBackBy } from "../model/receipt.ts";
import { dropUndefined } from "../model/scan.ts";
import type { Observer } from "../observe.ts";
import type { Queue } from "../ports/queue.ts";
import type { Storage } from "../ports/storage.ts";
import type { ObjectCreated } from "./notifications.ts";
import type { IngestSettings } from "./settings.ts";
import { readSidecar } from "./sidecar.ts";

/** What the making of a job reaches the world through. */
export interface MakeJobPorts extends Observer {
  readonly storage: Storage;
}

export interface MakeJobOptions {
  /** The job may have written the findings back already, and is to be continued then. */
  readonly begun?: boolean;
  /** Told the findings' ETag as soon as it is known, whatever becomes of them. */
  readonly onEtag?: (etag: string) => void;
}

/**
 * The job for findings that were created, or why there is nothing to do.
 * @throws RelayError `sidecar-…`, `storage-…`
 */
export async function makeJob(
  created: ObjectCreated,
  ports: Pick<MakeJobPorts, "storage" | "log" | "metrics">,
  settings: IngestSettings,
  { begun = false, onEtag }: MakeJobOptions = {},
): Promise<ScanJob | string> {
  const { storage, log, metrics } = ports;
  const [head, sidecar] = await Promise.allSettled([storage.head(created), readSidecar(storage, created, settings)]);
  if (head.status === "rejected") throw head.reason;
  if (head.value === undefined) return "the findings were deleted meanwhile";
  const writer = writtenBackBy(created, head.value.metadata);
  const etag = created.etag ?? head.value.etag;
  onEtag?.(etag);
  const goesOn = begun && writer === jobKey({ ...created, etag });
  if (writer !== undefined && !goesOn) return "our own write-back";
  if (!goesOn && etag !== head.value.etag) return "a newer upload has a notification of its own";
  if (sidecar.status === "rejected") throw sidecar.reason;
  const scan = sidecar.value;
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

/** Puts a job into the queue; the same upload's within five minutes is one message. */
export async function enqueue(
  job: Job,
  { queue, log, metrics, onProgress }: Observer & { readonly queue: Queue },
): Promise<void> {
  await queue.send({ body: encodeJob(job), group: messageGroup(job), deduplicationId: deduplicationId(job) });
  log.info("a job is enqueued", { object: uri(job), jobKey: jobKey(job), scan: job.scan?.name });
  metrics.add("JobsEnqueued");
  onProgress?.({ state: "waiting", job });
}
