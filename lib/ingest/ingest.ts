import { deadLetter } from "../aws/dead-letter.ts";
import { RelayError, toRelayError } from "../errors.ts";
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
import { nameOf, uri } from "../model/object-keys.ts";
import { uploadedEtag, writtenBackBy } from "../model/receipt.ts";
import { dropUndefined, type Scan } from "../model/scan.ts";
import type { Log, Observer } from "../observe.ts";
import type { Queue } from "../ports/queue.ts";
import { readReceipt } from "../ports/receipt-store.ts";
import type { ObjectHead, Storage } from "../ports/storage.ts";
import type { Clock } from "../util/clock.ts";
import { type Notification, type ObjectCreated, parseNotification } from "./notifications.ts";
import { pack, rawAside, rawText, splitTooMany } from "./raw-notifications.ts";
import { readSidecar, type SidecarSettings } from "./sidecar.ts";

export interface IngestPorts extends Observer {
  readonly storage: Storage;
  readonly queue: Queue;
  readonly dlq: Queue;
  readonly clock: Clock;
}

export interface IngestSettings extends SidecarSettings {
  /** The only bucket that is served; any where none is named. */
  readonly bucket?: string | undefined;
  /** `findings.json`, or what FINDINGS_NAME says. */
  readonly findingsName: string;
  /** Labels that a Scan's hookSelector is held against; without them every scan is selected. */
  readonly hookLabels: Readonly<Record<string, string>> | undefined;
  /** How long after the notification a missing sidecar may still come. Milliseconds. */
  readonly sidecarGraceMs: number;
}

export interface IngestResult {
  /** Jobs in the queue now. */
  readonly enqueued: readonly string[];
  readonly ignored: number;
  readonly deadLettered: number;
  /** What a retry may mend; the caller lets the notification come again. */
  readonly failed: readonly { readonly error: RelayError; readonly messageId: string | undefined }[];
}

/**
 * A notification's findings, each as a job into the queue. One bad piece does not stop the others: what no retry can mend is put aside in the
 * dead-letter queue, what one may mend is given back as `failed`.
 */
export async function ingest(event: unknown, ports: IngestPorts, settings: IngestSettings): Promise<IngestResult> {
  const { log, metrics } = ports;
  const enqueued: string[] = [];
  const failed: { error: RelayError; messageId: string | undefined }[] = [];
  let [ignored, aside] = [0, 0];
  const all = newestOfEachKey(parseNotification(event));
  metrics.add("NotificationsReceived", all.length);
  const { now, tooMany } = splitTooMany(all, (one) => takesRequests(one, settings));
  for (const { messageId, pieces, error } of tooMany) {
    try {
      for (const body of pack(pieces)) await deadLetter(ports.dlq, rawAside(body), error, new Date(ports.clock.now()));
      log.error("pieces of a notification are put aside in the dead-letter queue", { pieces: pieces.length, error });
      metrics.add("JobsDeadLettered", pieces.length);
      aside += pieces.length;
    } catch (cause) {
      failed.push({ error: toRelayError(cause, "notification"), messageId });
    }
  }
  for (const notification of now) {
    let etag: string | undefined;
    try {
      const key = await ingestOne(notification, ports, settings, (found) => {
        etag = found;
      });
      if (key === undefined) ignored++;
      else enqueued.push(key);
    } catch (error) {
      const failure = toRelayError(error, objectOf(notification));
      if (mayStillCome(failure, notification, ports, settings)) {
        log.warn("a notification failed and is to come again", { object: failure.object, error: failure });
        metrics.add("NotificationsFailed");
        failed.push({ error: failure, messageId: notification.messageId });
        continue;
      }
      try {
        await deadLetter(ports.dlq, asideOf(notification, etag), failure, new Date(ports.clock.now()));
        log.error("a notification is put aside in the dead-letter queue", { object: failure.object, error: failure });
        metrics.add("JobsDeadLettered");
        const job = unreadJob(notification, etag);
        if (job !== undefined) ports.onProgress?.({ state: "failed", job, error: failure });
        aside++;
      } catch (cause) {
        failed.push({ error: toRelayError(cause, objectOf(notification)), messageId: notification.messageId });
      }
    }
  }
  metrics.add("NotificationsIgnored", ignored);
  return { enqueued, ignored, deadLettered: aside, failed };
}

/** Whether more is to be done about it than a look at what it says. */
const takesRequests = (notification: Notification, { findingsName }: IngestSettings) =>
  "error" in notification || ("created" in notification && nameOf(notification.created.key) === findingsName);

/** @returns the job's key, or undefined where there is nothing to do */
async function ingestOne(
  notification: Notification,
  ports: IngestPorts,
  settings: IngestSettings,
  onEtag: (etag: string) => void,
): Promise<string | undefined> {
  if ("error" in notification) throw notification.error;
  if ("ignored" in notification) {
    ports.log.debug(`a notification is ignored: ${notification.ignored}`);
    return undefined;
  }
  const { created } = notification;
  const ignore = (why: string) => {
    ports.log.debug(`a notification is ignored: ${why}`, { object: uri(created) });
    return undefined;
  };
  if (settings.bucket !== undefined && created.bucket !== settings.bucket) {
    ports.log.warn(`a notification is ignored: only the bucket ${settings.bucket} is served`, { object: uri(created) });
    return undefined;
  }
  if (nameOf(created.key) !== settings.findingsName) return ignore(`no ${settings.findingsName}`);
  if (writtenBackBy(created, created.metadata) !== undefined) return ignore("our own write-back");
  const job = await makeJob(created, ports, settings, false, onEtag);
  if (typeof job === "string") return ignore(job);
  await enqueue(job, ports);
  return jobKey(job);
}

/**
 * The job for findings that were created, or why there is nothing to do.
 * @param begun that job may have written them back already, and is to be gone on with
 * @param onEtag is told the findings' ETag as soon as it is known, whatever becomes of them
 * @throws RelayError `sidecar-…`, `storage-…`
 */
export async function makeJob(
  created: ObjectCreated,
  ports: Pick<IngestPorts, "storage" | "log" | "metrics">,
  settings: IngestSettings,
  begun = false,
  onEtag?: (etag: string) => void,
): Promise<ScanJob | string> {
  const { storage, log, metrics } = ports;
  const [head, sidecar] = await Promise.allSettled([storage.head(created), readSidecar(storage, created, settings)]);
  if (head.status === "rejected") throw head.reason;
  if (head.value === undefined) return "the findings were deleted meanwhile";
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
 * ETag of the upload that is to be imported, or undefined where there is none: the object is our own write-back and nothing else, or, for a job that has
 * begun, a newer upload than that.
 */
function uploadOf({ created, head, begun, log }: Present): string | undefined {
  const uploaded = uploadedEtag(created, head.metadata);
  // Its bytes were written over since: by its own job, or by that of an earlier run with the same findings.
  if (uploaded !== undefined) return created.etag === uploaded ? uploaded : undefined;
  if (created.etag === undefined || created.etag === head.etag) return head.etag;
  if (begun) return undefined;
  // Overwritten meanwhile, or a source that cuts ETags, or gives those of another encoding. The job's key makes a second notification harmless.
  log.warn("the notification's ETag is not the object's: the object's own counts", {
    object: uri(created),
    eventEtag: created.etag,
    etag: head.etag,
  });
  return head.etag;
}

/**
 * Whether a notification of findings that were written back is of another run than that write-back's: a later one with the same findings, which the
 * earlier run's job took for its own.
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
  // The same notification once more, and not that of the later run.
  const late = stored?.receipt.jobKey === writer && isNotLater(created.sequencer, stored?.receipt.sequencer);
  return !late;
}

const isSidecarError = (error: unknown) => error instanceof RelayError && error.reason.startsWith("sidecar-");

const isNotLater = (sequencer: string | undefined, than: string | undefined) =>
  sequencer !== undefined && (sequencer === than || compareSequencers(sequencer, than) < 0);

/** Puts a job into the queue; the same upload's within five minutes is one message. */
export async function enqueue(
  job: Job,
  { queue, log, metrics, onProgress }: Pick<IngestPorts, "queue" | keyof Observer>,
): Promise<void> {
  await queue.send({ body: encodeJob(job), group: messageGroup(job), deduplicationId: deduplicationId(job) });
  log.info("a job is enqueued", { object: uri(job), jobKey: jobKey(job), scan: job.scan?.name });
  metrics.add("JobsEnqueued");
  onProgress?.({ state: "waiting", job });
}

/**
 * Of several notifications of one key in one event only the last upload matters; S3 documents how sequencers tell. Where they do not tell, each
 * is looked at, and the ETag decides.
 */
function newestOfEachKey(notifications: readonly Notification[]): Notification[] {
  const newest = new Map<string, string | undefined>();
  for (const one of notifications) {
    if (!("created" in one)) continue;
    const known = newest.get(uri(one.created));
    if (known === undefined || compareSequencers(known, one.created.sequencer) < 0)
      newest.set(uri(one.created), one.created.sequencer);
  }
  return notifications.map((one) =>
    "created" in one && compareSequencers(one.created.sequencer, newest.get(uri(one.created))) < 0
      ? {
          raw: one.raw,
          ignored: "a later upload of the key is in the same event",
          ...dropUndefined({ messageId: one.messageId }),
        }
      : one,
  );
}

function mayStillCome(
  failure: RelayError,
  notification: Notification,
  { clock }: IngestPorts,
  settings: IngestSettings,
): boolean {
  if (failure.errorClass === "permanent") return false;
  if (failure.reason !== "sidecar-missing" && failure.reason !== "internal") return true;
  const at =
    "created" in notification && notification.created.at !== undefined
      ? Date.parse(notification.created.at)
      : Number.NaN;
  // A sidecar belongs there before the findings: it is waited for, and so is the end of a fault of ours, but not for ever, as the notifications behind
  // this one wait too. Without a time nobody could tell when that is over.
  return clock.now() - at <= settings.sidecarGraceMs;
}

/**
 * The job without its Scan that a notification's object makes, where enough is known of it.
 * @param found the ETag that the object was found to have, or its upload
 */
function unreadJob(notification: Notification, found: string | undefined): Job | undefined {
  if (!("created" in notification)) return undefined;
  const { bucket, key, versionId, sequencer } = notification.created;
  const etag = found ?? notification.created.etag;
  if (etag === undefined) return undefined;
  return { version: 1, kind: "import", bucket, key, etag, ...dropUndefined({ versionId, sequencer }) };
}

/** What is put aside of a notification: a job without its Scan, so that a redrive reads the sidecar anew; else the notification itself. */
function asideOf(notification: Notification, etag: string | undefined) {
  const job = unreadJob(notification, etag);
  if (job === undefined) return rawAside(rawText(notification.raw));
  return { body: encodeJob(job), group: messageGroup(job), attempts: 1, subject: uri(job) };
}

const objectOf = (notification: Notification) =>
  "created" in notification ? uri(notification.created) : "notification";
