import { describe, expect, it } from "vitest";
import { type Notification, type ObjectCreated, parseNotification } from "../../../lib/ingest/notifications.ts";
import { eventBridge, minioEvent, s3Event, s3Record, snsEvent, sqsEvent } from "../../helpers/events.ts";
import { sharedFile, sharedJson } from "../../helpers/shared.ts";

const created = (notification: Notification | undefined): ObjectCreated => {
  if (notification === undefined || !("created" in notification)) throw new Error(JSON.stringify(notification));
  return notification.created;
};
const one = (event: unknown) => {
  const notifications = parseNotification(event);
  expect(notifications).toHaveLength(1);
  return notifications[0];
};

const EXPECTED = {
  bucket: "securecodebox",
  key: "scan-abc/findings.json",
  etag: "70312070ada42765d542274ccf66f853",
  sequencer: "18EB09D8F2CA398B",
};

describe("sources", () => {
  it("native S3", () => {
    expect(created(one(s3Event()))).toEqual({
      ...EXPECTED,
      versionId: undefined,
      metadata: {},
      at: "2026-11-24T17:01:43.829Z",
    });
  });

  it("MinIO's webhook, with the version and the user metadata", () => {
    const event = minioEvent({ versionId: "v1", userMetadata: { "X-Amz-Meta-Scan-Name": "abc", "content-type": "x" } });
    expect(created(one(event))).toEqual({
      ...EXPECTED,
      versionId: "v1",
      metadata: { "scan-name": "abc" },
      at: "2026-11-24T17:01:43.829Z",
    });
  });

  it("EventBridge's Object Created, whose keys are as they are", () => {
    const event = eventBridge({ key: "scan a+b%2F/findings.json", "version-id": "v1" });
    expect(created(one(event))).toEqual({
      ...EXPECTED,
      key: "scan a+b%2F/findings.json",
      versionId: "v1",
      metadata: {},
      at: "2026-11-24T17:01:44Z",
    });
  });

  it.each([
    ["SQS", sqsEvent(s3Event())],
    ["MinIO in SQS", sqsEvent(minioEvent())],
    ["EventBridge in SQS", sqsEvent(eventBridge())],
    ["SNS to Lambda", snsEvent(s3Event())],
    ["SNS in SQS", sqsEvent({ Type: "Notification", TopicArn: "arn", Message: JSON.stringify(s3Event()) })],
    ["SNS in SQS, raw delivery", sqsEvent(s3Event())],
    ["an SNS notification by HTTP", { Type: "Notification", Message: JSON.stringify(eventBridge()) }],
    ["SQS in SNS in SQS", sqsEvent({ Type: "Notification", Message: JSON.stringify(sqsEvent(s3Event())) })],
  ])("%s", (_, event) => {
    expect(created(one(event))).toMatchObject(EXPECTED);
  });

  it("keeps the id of the SQS message that a record came in", () => {
    const notifications = parseNotification(sqsEvent(s3Event(), minioEvent(), "not JSON"));
    expect(notifications.map(({ messageId }) => messageId)).toEqual(["message-1", "message-2", "message-3"]);
    expect(one(s3Event())?.messageId).toBeUndefined();
  });

  it("quotes around an ETag are dropped and an empty one is none", () => {
    expect(created(one(s3Event({ eTag: '"abc"' }))).etag).toBe("abc");
    expect(created(one(s3Event({ eTag: "" }))).etag).toBeUndefined();
    expect(created(one(s3Event({ eTag: undefined }))).etag).toBeUndefined();
  });
});

describe("keys", () => {
  it.each([
    ["scan-abc/findings.json", "scan-abc/findings.json"],
    ["scan-abc%2Ffindings.json", "scan-abc/findings.json"],
    ["a+b/findings.json", "a b/findings.json"],
    ["a%2Bb/findings.json", "a+b/findings.json"],
    ["a%20b/findings.json", "a b/findings.json"],
    ["100%25/findings.json", "100%/findings.json"],
    ["%252F/findings.json", "%2F/findings.json"],
    ["%C3%A9%F0%9F%98%80/findings.json", "é😀/findings.json"],
    ["é/findings.json", "é/findings.json"],
    ["..%2F..%2Fetc/findings.json", "../../etc/findings.json"],
    [
      "scan-abc%2Ffin+dings%2B%C3%A9+%C3%BC%26%3D%2520%281%29~%F0%9F%98%80%2Ffindings.json",
      "scan-abc/fin dings+é ü&=%20(1)~😀/findings.json",
    ],
  ])("%s is %s", (encoded, key) => {
    expect(created(one(s3Event({ key: encoded }))).key).toBe(key);
  });

  it.each(["%", "%zz", "%C3/findings.json", "%ff"])("%s is no key", (key) => {
    expect(one(s3Event({ key }))).toMatchObject({ error: { reason: "event-invalid", object: "notification" } });
  });
});

describe("what is ignored", () => {
  it.each([
    ["S3's test event", { Service: "Amazon S3", Event: "s3:TestEvent", Bucket: "b" }],
    ["S3's test event in SQS", sqsEvent({ Service: "Amazon S3", Event: "s3:TestEvent", Bucket: "b" })],
    ["a removal", s3Event({}, "ObjectRemoved:Delete")],
    ["a delete marker", s3Event({}, "s3:ObjectRemoved:DeleteMarkerCreated")],
    ["a restore", s3Event({}, "ObjectRestore:Completed")],
    ["MinIO's access", s3Event({}, "s3:ObjectAccessed:Get")],
    ["EventBridge's Object Deleted", { ...eventBridge(), "detail-type": "Object Deleted" }],
    ["any other event of EventBridge", { "detail-type": "Scheduled Event", detail: {} }],
  ])("%s", (_, event) => {
    expect(one(event)).toHaveProperty("ignored");
  });

  it.each([
    "ObjectCreated:Put",
    "ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
  ])("but not %s", (eventName) => {
    expect(created(one(s3Event({}, eventName)))).toMatchObject(EXPECTED);
  });

  it("an event without records holds nothing", () => {
    expect(parseNotification({ Records: [] })).toEqual([]);
  });
});

describe("what cannot be read", () => {
  it.each([
    ["undefined", undefined],
    ["null", null],
    ["a number", 1],
    ["a text", "x"],
    ["an array", [s3Event()]],
    ["an empty object", {}],
    ["records that are no array", { Records: {} }],
    ["a record that is null", { Records: [null] }],
    ["a record of another service", { Records: [{ eventSource: "aws:kinesis", kinesis: {} }] }],
    ["an SQS record without a body", { Records: [{ eventSource: "aws:sqs", messageId: "m" }] }],
    ["an SQS record with a body that is no JSON", sqsEvent("not JSON")],
    ["an SNS record without a message", { Records: [{ EventSource: "aws:sns", Sns: {} }] }],
    ["a record without a bucket", { Records: [{ eventName: "ObjectCreated:Put", s3: { object: { key: "a" } } }] }],
    ["a record without an event name", { Records: [{ s3: s3Record().s3 }] }],
    ["a record with an empty key", s3Event({ key: "" })],
    ["a record whose ETag is a number", s3Event({ eTag: 1 })],
    ["EventBridge without a detail", { "detail-type": "Object Created" }],
  ])("%s", (_, event) => {
    const notification = one(event);
    expect(notification).toMatchObject({ error: { reason: "event-invalid", object: "notification" } });
    if (notification !== undefined && "error" in notification)
      expect(notification.error.message).toMatch(/^the notification cannot be read: ./);
  });

  it.each<unknown>([undefined, null, 7, {}, { toString: null, valueOf: null }])(
    "a message id that is %j is none",
    (messageId) => {
      const [record] = sqsEvent(s3Event()).Records;
      const notification = one({ Records: [{ ...record, messageId }] });
      expect(created(notification)).toMatchObject(EXPECTED);
      expect(notification?.messageId).toBeUndefined();
    },
  );

  it("names the bad fields", () => {
    expect(one({ Records: [{ eventName: "ObjectCreated:Put", s3: {} }] })).toMatchObject({
      error: { message: expect.stringMatching(/s3\.bucket: .*; s3\.object: /) },
    });
  });

  it("does not stop the records around it", () => {
    const event = { Records: [s3Record(), { eventSource: "x" }, s3Record({ key: "%" }), s3Record({ key: "b" })] };
    const kinds = parseNotification(event).map((notification) =>
      "created" in notification ? notification.created.key : "error",
    );
    expect(kinds).toEqual(["scan-abc/findings.json", "error", "error", "b"]);
  });

  it("is dead-lettered as it came", () => {
    const record = s3Record({ key: "%" });
    expect(one({ Records: [record] })?.raw).toBe(record);
    expect(one(sqsEvent("not JSON"))?.raw).toBe("not JSON");
  });
});

describe("deep wrapping", () => {
  const wrap = (times: number) => {
    let event: unknown = s3Event();
    for (let i = 0; i < times; i++) event = { Type: "Notification", Message: JSON.stringify(event) };
    return event;
  };

  it("is unwrapped as deep as AWS wraps", () => {
    for (const times of [1, 2, 3, 4]) expect(created(one(wrap(times)))).toMatchObject(EXPECTED);
  });

  it("is refused beyond that", () => {
    expect(one(wrap(5))).toMatchObject({ error: { message: expect.stringContaining("wrapped more than 4 times") } });
  });
});

describe("recorded events of MinIO", () => {
  const recorded = sharedJson("minio-events").filter(([file]) => !file.startsWith("_"));

  it.each(recorded)("%s", (_, event) => {
    const { Key } = event as { Key: string };
    const { bucket, key, etag, sequencer, at } = created(one(event));
    expect(`${bucket}/${key}`).toBe(Key);
    expect(etag).toMatch(/^[\da-f]{32}(-\d+)?$/);
    expect(sequencer).toMatch(/^[\dA-F]{16}$/);
    expect(Number.isNaN(Date.parse(at ?? ""))).toBe(false);
  });

  it.skipIf(recorded.length === 0)("hold the user metadata", () => {
    expect(created(one(sharedFile("minio-events/put-user-metadata.json"))).metadata).toEqual({
      "scan-name": "abc",
      "trace-id": "4bf9",
      x: "é",
    });
  });
});
