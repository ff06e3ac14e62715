import "./no-network.ts";

type Fields = Readonly<Record<string, unknown>>;

/** A record as S3 and MinIO send it; `object` is merged over `s3.object`. */
export function s3Record(object: Fields = {}, eventName = "ObjectCreated:Put") {
  return {
    eventVersion: "2.1",
    eventSource: "aws:s3",
    awsRegion: "eu-central-1",
    eventTime: "2026-11-24T17:01:43.829Z",
    eventName,
    userIdentity: { principalId: "AWS:AIDA" },
    requestParameters: { sourceIPAddress: "2001:db8::1" },
    s3: {
      s3SchemaVersion: "1.0",
      configurationId: "Config",
      bucket: { name: "securecodebox", arn: "arn:aws:s3:::securecodebox" },
      object: {
        key: "scan-abc/findings.json",
        size: 32,
        eTag: "70312070ada42765d542274ccf66f853",
        sequencer: "18EB09D8F2CA398B",
        ...object,
      },
    },
  };
}

export function s3Event(object: Fields = {}, eventName = "ObjectCreated:Put") {
  return { Records: [s3Record(object, eventName)] };
}

/** The payload of MinIO's webhook. */
export function minioEvent(object: Fields = {}) {
  const record = { ...s3Record({ key: "scan-abc%2Ffindings.json", ...object }, "s3:ObjectCreated:Put") };
  return {
    EventName: "s3:ObjectCreated:Put",
    Key: "securecodebox/scan-abc/findings.json",
    Records: [{ ...record, eventSource: "minio:s3", awsRegion: "" }],
  };
}

export function eventBridge(object: Fields = {}) {
  return {
    version: "0",
    id: "17793124-05d4-b198-2fde-7ededc63b103",
    "detail-type": "Object Created",
    source: "aws.s3",
    account: "111122223333",
    time: "2026-11-24T17:01:44Z",
    region: "eu-central-1",
    resources: ["arn:aws:s3:::securecodebox"],
    detail: {
      version: "0",
      bucket: { name: "securecodebox" },
      object: {
        key: "scan-abc/findings.json",
        size: 32,
        etag: "70312070ada42765d542274ccf66f853",
        sequencer: "18EB09D8F2CA398B",
        ...object,
      },
      reason: "PutObject",
    },
  };
}

/** One SQS message for each body; a text is sent unchanged. */
export function sqsEvent(...bodies: unknown[]) {
  return {
    Records: bodies.map((body, index) => ({
      messageId: `message-${index + 1}`,
      receiptHandle: `handle-${index + 1}`,
      body: typeof body === "string" ? body : JSON.stringify(body),
      attributes: { ApproximateReceiveCount: "1", MessageGroupId: "group" },
      messageAttributes: {},
      eventSource: "aws:sqs",
      awsRegion: "eu-central-1",
    })),
  };
}

/** The event with which SNS invokes a Lambda function. */
export function snsEvent(message: unknown) {
  return {
    Records: [
      { EventVersion: "1.0", EventSource: "aws:sns", Sns: { Type: "Notification", Message: JSON.stringify(message) } },
    ],
  };
}
