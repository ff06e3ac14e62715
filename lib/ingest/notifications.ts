import * as z from "zod";
import { RelayError } from "../errors.ts";
import { recordOf } from "../util/first-bad.ts";
import { describeIssues } from "../util/issues.ts";
import { headerText, isUsable, usableText } from "../util/usable-text.ts";

/** A created object, from any kind of notification. */
export interface ObjectCreated {
  readonly bucket: string;
  /** Decoded. */
  readonly key: string;
  /** Without quotes; missing if the source does not give it. */
  readonly etag: string | undefined;
  readonly versionId: string | undefined;
  readonly sequencer: string | undefined;
  /** User metadata in lower case without `x-amz-meta-`, if the source gives it (MinIO). */
  readonly metadata: Readonly<Record<string, string>>;
  /** ISO 8601 */
  readonly at: string | undefined;
}

/** One piece of a notification: an object, or why it is malformed. `raw` is what to dead-letter, `messageId` the SQS message it came in. */
export type Notification = { readonly raw: unknown; readonly messageId?: string } & (
  | { readonly created: ObjectCreated }
  | { readonly ignored: string }
  | { readonly error: RelayError }
);

/**
 * Our own schema of only what is read: powertools' S3 schema demands `aws:s3` and a bare IPv4 address, which MinIO does not send.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
 */
const s3Record = z.object({
  eventName: z.string(),
  eventTime: z.string().optional(),
  s3: z.object({
    bucket: z.object({ name: usableText().min(1) }),
    object: z.object({
      key: usableText().min(1),
      eTag: headerText().optional(),
      versionId: z.string().optional(),
      sequencer: z.string().optional(),
      userMetadata: recordOf(z.string()).optional(),
    }),
  }),
});

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html */
const eventBridge = z.object({
  "detail-type": z.string(),
  time: z.string().optional(),
  detail: z.object({
    bucket: z.object({ name: usableText().min(1) }),
    object: z.object({
      key: usableText().min(1),
      etag: headerText().optional(),
      "version-id": z.string().optional(),
      sequencer: z.string().optional(),
    }),
  }),
});

type Json = Readonly<Record<string, unknown>>;

interface Source {
  readonly fits: (value: Json) => boolean;
  /** @param level how many wrappers are around it */
  readonly parse: (value: Json, level: number) => Notification[];
}

/** One row per source: how to recognise it, and what it holds. The first match counts. */
const SOURCES: Readonly<Record<string, Source>> = {
  "s3:TestEvent": {
    fits: (event) => event.Event === "s3:TestEvent",
    parse: (raw) => [{ raw, ignored: "a test event of S3" }],
  },
  EventBridge: {
    fits: (event) => typeof event["detail-type"] === "string",
    parse: (raw) => [fromEventBridge(raw)],
  },
  "SNS notification": {
    fits: (event) => event.Type === "Notification" && typeof event.Message === "string",
    parse: (event, level) => parseText(event.Message, level),
  },
  Records: {
    fits: (event) => Array.isArray(event.Records),
    parse: (event, level) => (event.Records as unknown[]).flatMap((record) => parseBy(RECORDS, record, level)),
  },
};

/** The same for the records of one event; SQS and SNS records hold another event. */
const RECORDS: Readonly<Record<string, Source>> = {
  SQS: {
    fits: (record) => record.eventSource === "aws:sqs",
    parse: (record, level) =>
      parseText(record.body, level).map((one) =>
        typeof record.messageId === "string" ? { ...one, messageId: record.messageId } : one,
      ),
  },
  SNS: {
    fits: (record) => record.EventSource === "aws:sns" && isObject(record.Sns),
    parse: (record, level) => parseText((record.Sns as Json).Message, level),
  },
  "S3 or MinIO": {
    fits: (record) => isObject(record.s3),
    parse: (raw) => [fromS3Record(raw)],
  },
};

/** S3 in SNS in SQS is the deepest that AWS wraps. */
const DEEPEST = 4;

/**
 * Every object in a notification: native S3, MinIO webhook, EventBridge "Object Created", each also in SNS or SQS.
 * Never throws: an unreadable piece becomes an error and does not stop the others.
 */
export function parseNotification(event: unknown): Notification[] {
  return parseBy(SOURCES, event, 0);
}

function parseBy(sources: Readonly<Record<string, Source>>, value: unknown, level: number): Notification[] {
  const source = isObject(value) ? Object.values(sources).find(({ fits }) => fits(value)) : undefined;
  if (source === undefined || !isObject(value))
    return [unreadable(value, `none of: ${Object.keys(sources).join(", ")}`)];
  return source.parse(value, level);
}

/** The event that a wrapper holds as text. */
function parseText(text: unknown, level: number): Notification[] {
  if (level >= DEEPEST) return [unreadable(text, `wrapped more than ${DEEPEST} times`)];
  try {
    return parseBy(SOURCES, JSON.parse(String(text)), level + 1);
  } catch (cause) {
    return [unreadable(text, "not JSON", cause)];
  }
}

function fromS3Record(raw: Json): Notification {
  const parsed = s3Record.safeParse(raw);
  if (!parsed.success) return unreadable(raw, describeIssues(parsed.error));
  const { eventName, eventTime, s3 } = parsed.data;
  if (!/^(s3:)?ObjectCreated:/.test(eventName)) return { raw, ignored: `${eventName} creates no object` };
  const key = decodeKey(s3.object.key);
  if (key === undefined) return unreadable(raw, `s3.object.key is not form-encoded: ${JSON.stringify(s3.object.key)}`);
  const { eTag, versionId, sequencer, userMetadata } = s3.object;
  const created = {
    bucket: s3.bucket.name,
    key,
    etag: unquoted(eTag),
    versionId,
    sequencer,
    metadata: metadataOf(userMetadata),
    at: eventTime,
  };
  return { raw, created };
}

function fromEventBridge(raw: Json): Notification {
  if (raw["detail-type"] !== "Object Created")
    return { raw, ignored: `${JSON.stringify(raw["detail-type"])} creates no object` };
  const parsed = eventBridge.safeParse(raw);
  if (!parsed.success) return unreadable(raw, describeIssues(parsed.error));
  const { time, detail } = parsed.data;
  const { key, etag, sequencer, "version-id": versionId } = detail.object;
  // EventBridge does not encode keys.
  const created = {
    bucket: detail.bucket.name,
    key,
    etag: unquoted(etag),
    versionId,
    sequencer,
    metadata: {},
    at: time,
  };
  return { raw, created };
}

/** Keys are form-encoded: `+` is a space, the rest percent-encoded; MinIO encodes `/` too. */
function decodeKey(key: string): string | undefined {
  try {
    const decoded = decodeURIComponent(key.replaceAll("+", " "));
    return isUsable(decoded) ? decoded : undefined;
  } catch {
    return undefined;
  }
}

function metadataOf(userMetadata: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(
    Object.entries(userMetadata)
      .map(([name, value]) => [name.toLowerCase(), value] as const)
      .filter(([name]) => name.startsWith("x-amz-meta-"))
      .map(([name, value]) => [name.slice("x-amz-meta-".length), value]),
  );
}

function unreadable(raw: unknown, why: string, cause?: unknown): Notification {
  return {
    raw,
    error: new RelayError("event-invalid", `the notification cannot be read: ${why}`, {
      object: "notification",
      cause,
    }),
  };
}

const unquoted = (etag: string | undefined) =>
  etag === undefined || etag === "" ? undefined : etag.replaceAll('"', "");

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
