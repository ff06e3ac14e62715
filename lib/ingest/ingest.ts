import { type RelayError, toRelayError } from "../errors.ts";
import { compareSequencers, encodeJob, type Job, jobKey, messageGroup } from "../model/job.ts";
import { isFindingsName, nameOf, uri } from "../model/object-keys.ts";
import { writtenBackBy } from "../model/receipt.ts";
import { dropUndefined } from "../model/scan.ts";
import { deadLetter } from "../ports/dead-letter.ts";
import type { Queue } from "../ports/queue.ts";
import type { Clock } from "../util/clock.ts";
import { enqueue, type MakeJobPorts, makeJob } from "./make-job.ts";
import { type Notification, parseNotification } from "./notifications.ts";
import { pack, rawDeadLetter, rawText, splitTooMany } from "./raw-notifications.ts";
import type { IngestSettings } from "./settings.ts";
import { tellUnrecognised } from "./unrecognised.ts";

export interface IngestPorts extends MakeJobPorts {
  readonly queue: Queue;
  readonly dlq: Queue;
  readonly clock: Clock;
}

export interface IngestResult {
  /** Jobs now in the queue. */
  readonly enqueued: readonly string[];
  readonly ignored: number;
  readonly deadLettered: number;
  /** What a retry may fix; the caller has the notification repeated. */
  readonly failed: readonly { readonly error: RelayError; readonly messageId: string | undefined }[];
}

/**
 * Enqueues a job for each of a notification's findings. One bad piece does not stop the others: what no retry can fix goes to the
 * dead-letter queue, what one may fix is returned as `failed`.
 */
export async function ingest(event: unknown, ports: IngestPorts, settings: IngestSettings): Promise<IngestResult> {
  const { log, metrics } = ports;
  const enqueued: string[] = [];
  const failed: { error: RelayError; messageId: string | undefined }[] = [];
  let [ignored, deadLettered] = [0, 0];
  const all = newestOfEachKey(parseNotification(event));
  metrics.add("NotificationsReceived", all.length);
  const { now, tooMany } = splitTooMany(all, (one) => takesRequests(one, settings));
  for (const { messageId, pieces, error } of tooMany) {
    try {
      for (const body of pack(pieces))
        await deadLetter(ports.dlq, rawDeadLetter(body), error, new Date(ports.clock.now()));
      log.error("pieces of a notification are sent to the dead-letter queue", { pieces: pieces.length, error });
      metrics.add("JobsDeadLettered", pieces.length);
      deadLettered += pieces.length;
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
        log.warn("a notification failed and must be repeated", { object: failure.object, error: failure });
        metrics.add("NotificationsFailed");
        failed.push({ error: failure, messageId: notification.messageId });
        continue;
      }
      try {
        await deadLetter(ports.dlq, undeliverable(notification, etag), failure, new Date(ports.clock.now()));
        log.error("a notification is sent to the dead-letter queue", { object: failure.object, error: failure });
        metrics.add("JobsDeadLettered");
        const job = unreadJob(notification, etag);
        if (job !== undefined) ports.onProgress?.({ state: "failed", job, error: failure });
        deadLettered++;
      } catch (cause) {
        failed.push({ error: toRelayError(cause, objectOf(notification)), messageId: notification.messageId });
      }
    }
  }
  metrics.add("NotificationsIgnored", ignored);
  return { enqueued, ignored, deadLettered, failed };
}

/** Whether it needs more than a look at its content. */
const takesRequests = (notification: Notification, { findingsName }: IngestSettings) =>
  "error" in notification ||
  ("created" in notification && isFindingsName(findingsName, nameOf(notification.created.key)));

/** @returns the job's key, or undefined if there is nothing to do */
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
  if (!isFindingsName(settings.findingsName, nameOf(created.key))) {
    if (!tellUnrecognised(created, ports, settings.findingsName))
      ports.log.debug(`a notification is ignored: no ${settings.findingsName}`, { object: uri(created) });
    return undefined;
  }
  if (writtenBackBy(created, created.metadata) !== undefined) return ignore("our own write-back");
  const job = await makeJob(created, ports, settings, { onEtag });
  if (typeof job === "string") return ignore(job);
  await enqueue(job, ports);
  return jobKey(job);
}

/**
 * Of several notifications for one key in one event only the last upload matters; S3 documents how sequencers decide. Without sequencers, each
 * is processed, and the ETag decides.
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
  // The sidecar should exist before the findings. Ingest waits for it, and for a fault of ours to end, but not forever, because later notifications
  // wait too. Without a time in the notification the end of the wait would be unknown.
  return clock.now() - at <= settings.sidecarGraceMs;
}

/**
 * The job without its Scan for a notification's object, if enough is known of it.
 * @param found the ETag of the object, or of its upload
 */
function unreadJob(notification: Notification, found: string | undefined): Job | undefined {
  if (!("created" in notification)) return undefined;
  const { bucket, key, versionId, sequencer } = notification.created;
  const etag = found ?? notification.created.etag;
  if (etag === undefined) return undefined;
  return { version: 1, kind: "import", bucket, key, etag, ...dropUndefined({ versionId, sequencer }) };
}

/** The dead letter for a notification: a job without its Scan, so a redrive reads the sidecar again; else the notification itself. */
function undeliverable(notification: Notification, etag: string | undefined) {
  const job = unreadJob(notification, etag);
  if (job === undefined) return rawDeadLetter(rawText(notification.raw));
  return { body: encodeJob(job), group: messageGroup(job), attempts: 1, subject: uri(job) };
}

const objectOf = (notification: Notification) =>
  "created" in notification ? uri(notification.created) : "notification";
