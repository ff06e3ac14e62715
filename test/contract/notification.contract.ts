import { setTimeout as sleep } from "node:timers/promises";
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetBucketNotificationConfigurationCommand,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { statusOf } from "./aws.ts";
import { type Delivery, startWebhook, type Webhook } from "./webhook.ts";

export interface NotificationSetup {
  readonly client: S3Client;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly close: () => Promise<void>;
}

/** MinIO orders the events of its queue_dir by the times of their files, which Linux may tell by steps of 10 ms (internal/store/queuestore.go, list). */
const APART_MS = 25;
const ARN = "arn:minio:sqs::relay:webhook";
export const WEBHOOK_TOKEN = "s3cr3t-token";
const ODD_KEY = "scan-abc/fin dings+é ü&=%20(1)~😀!*'/findings.json";
const ODD_KEY_ENCODED = "scan-abc%2Ffin+dings%2B%C3%A9+%C3%BC%26%3D%2520%281%29~%F0%9F%98%80%21%2A%27%2Ffindings.json";

/** The webhook events that dojo-relay depends on: those of MinIO with QUEUE_DIR, or of the embedded S3. */
export function notificationContract(
  name: string,
  webhookPort: number,
  setup: (webhookPort: number) => Promise<NotificationSetup>,
): void {
  describe(`notification contract: ${name}`, () => {
    let webhook: Webhook;
    let setUp: NotificationSetup;
    const configure = (...filters: { Name: "prefix" | "suffix"; Value: string }[]) => {
      const Filter = filters.length > 0 ? { Key: { FilterRules: filters } } : undefined;
      const QueueConfigurations = [
        { QueueArn: ARN, Events: ["s3:ObjectCreated:*" as const], ...(Filter && { Filter }) },
      ];
      const NotificationConfiguration = { QueueConfigurations };
      return setUp.client.send(
        new PutBucketNotificationConfigurationCommand({ Bucket: setUp.bucket, NotificationConfiguration }),
      );
    };
    const put = async (Key: string, more: Partial<PutObjectCommandInput> = {}) => {
      const input = { Bucket: setUp.bucket, Key, Body: "{}", ContentType: "application/json", ...more };
      const stored = await setUp.client.send(new PutObjectCommand(input));
      await sleep(APART_MS);
      return stored;
    };
    const keysOf = (deliveries: readonly Delivery[]) =>
      deliveries.map(({ body }) => (JSON.parse(body) as { Key: string }).Key.slice(setUp.bucket.length + 1));

    beforeAll(async () => {
      webhook = await startWebhook(webhookPort);
      setUp = await setup(webhook.port);
    });
    beforeEach(async () => {
      await configure();
      webhook.deliveries.length = 0;
    });
    afterAll(async () => {
      await setUp?.close();
      await webhook?.close();
    });

    function eventOf(name: string, key: string, encodedKey: string, object: object): object {
      const principalId = setUp.accessKeyId;
      const text = expect.any(String);
      const record = {
        eventVersion: "2.0",
        eventSource: "minio:s3",
        awsRegion: "",
        eventTime: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        eventName: name,
        userIdentity: { principalId },
        requestParameters: { principalId, region: "", sourceIPAddress: "127.0.0.1" },
        responseElements: expect.objectContaining({
          "x-amz-id-2": text,
          "x-amz-request-id": expect.stringMatching(/^[\dA-F]{16}$/),
          "x-minio-deployment-id": expect.stringMatching(/^[\da-f-]{36}$/),
          "x-minio-origin-endpoint": expect.stringMatching(/^http:\/\/.+:\d+$/),
        }),
        s3: {
          s3SchemaVersion: "1.0",
          configurationId: "Config",
          bucket: { name: setUp.bucket, ownerIdentity: { principalId }, arn: `arn:aws:s3:::${setUp.bucket}` },
          object: { key: encodedKey, sequencer: expect.stringMatching(/^[\dA-F]{16}$/), ...object },
        },
        source: { host: "127.0.0.1", port: "", userAgent: expect.stringMatching(/^aws-sdk-js/) },
      };
      return { EventName: name, Key: `${setUp.bucket}/${key}`, Records: [record] };
    }

    test("reports a PUT with key, size, ETag, type and metadata, and the token", async () => {
      const Metadata = { "scan-name": "abc", "x-y": "é" };
      const { ETag } = await put(ODD_KEY, { Metadata, CacheControl: "no-cache", Expires: new Date() });
      const [delivery] = await webhook.waitFor(1);
      expect(delivery?.headers).toMatchObject({
        authorization: `Bearer ${WEBHOOK_TOKEN}`,
        "content-type": "application/json",
      });
      const userMetadata = {
        "X-Amz-Meta-Scan-Name": "abc",
        "X-Amz-Meta-X-Y": "é",
        "cache-control": "no-cache",
        "content-type": "application/json",
      };
      expect(JSON.parse(delivery?.body ?? "")).toEqual(
        eventOf("s3:ObjectCreated:Put", ODD_KEY, ODD_KEY_ENCODED, {
          size: 2,
          eTag: ETag?.replaceAll('"', ""),
          contentType: "application/json",
          userMetadata,
        }),
      );
    });

    test("reports a copy and a completed multipart upload with their own event names", async () => {
      const { client, bucket: Bucket } = setUp;
      const { ETag } = await put("source.json");
      await client.send(new CopyObjectCommand({ Bucket, Key: "copy.json", CopySource: `${Bucket}/source.json` }));
      await sleep(APART_MS);
      const upload = { Bucket, Key: "mpu.json" };
      const { UploadId } = await client.send(new CreateMultipartUploadCommand({ ...upload, Metadata: { m: "1" } }));
      const part = await client.send(new UploadPartCommand({ ...upload, UploadId, PartNumber: 1, Body: "part" }));
      const MultipartUpload = { Parts: [{ PartNumber: 1, ETag: part.ETag }] };
      const done = await client.send(new CompleteMultipartUploadCommand({ ...upload, UploadId, MultipartUpload }));
      const [, copied, completed] = await webhook.waitFor(3);
      expect(JSON.parse(copied?.body ?? "")).toEqual(
        eventOf("s3:ObjectCreated:Copy", "copy.json", "copy.json", {
          size: 2,
          eTag: ETag?.replaceAll('"', ""),
          contentType: "application/json",
          userMetadata: { "content-type": "application/json" },
        }),
      );
      expect(JSON.parse(completed?.body ?? "")).toEqual(
        eventOf("s3:ObjectCreated:CompleteMultipartUpload", "mpu.json", "mpu.json", {
          size: 4,
          eTag: done.ETag?.replaceAll('"', ""),
          contentType: expect.stringMatching(/octet-stream$/),
          userMetadata: { "X-Amz-Meta-M": "1", "content-type": expect.stringMatching(/octet-stream$/) },
        }),
      );
    });

    test("reports only matching objects, and no failed write or delete", async () => {
      await configure({ Name: "prefix", Value: "scan-" }, { Name: "suffix", Value: "/findings.json" });
      const { QueueConfigurations = [] } = await setUp.client.send(
        new GetBucketNotificationConfigurationCommand({ Bucket: setUp.bucket }),
      );
      expect(QueueConfigurations).toMatchObject([{ QueueArn: ARN, Events: ["s3:ObjectCreated:*"] }]);
      await put("other/findings.json");
      await put("scan-1/scan.json");
      await put("scan-1/findings.json");
      expect(await statusOf(put("scan-1/findings.json", { IfNoneMatch: "*" }))).toBe(412);
      expect(await statusOf(put("scan-2/findings.json", { ChecksumCRC32: "AAAAAA==" }))).toBe(400);
      await setUp.client.send(new DeleteObjectCommand({ Bucket: setUp.bucket, Key: "scan-1/findings.json" }));
      await put("scan-3/findings.json");
      expect(keysOf(await webhook.waitFor(2))).toEqual(["scan-1/findings.json", "scan-3/findings.json"]);
      expect(webhook.deliveries).toHaveLength(2);
    });

    test("reports an overwrite again, with a greater sequencer", async () => {
      for (const body of ["1", "2", "3"]) await put("again.json", { Body: body });
      const sequencers = (await webhook.waitFor(3)).map(
        ({ body }) =>
          (JSON.parse(body) as { Records: { s3: { object: { sequencer: string } } }[] }).Records[0]?.s3.object
            .sequencer,
      );
      expect(sequencers).toEqual(sequencers.toSorted());
      expect(new Set(sequencers).size).toBe(3);
    });

    test("resends a rejected event until it is accepted, and blocks those behind it", async () => {
      webhook.answerNext(503, 400);
      for (const key of ["first", "second", "third"]) await put(key);
      const deliveries = await webhook.waitFor(5);
      expect(keysOf(deliveries)).toEqual(["first", "first", "first", "second", "third"]);
      expect(deliveries.map(({ status }) => status)).toEqual([503, 400, 200, 200, 200]);
    });

    test("rejects an unknown target", async () => {
      const QueueConfigurations = [
        { QueueArn: "arn:minio:sqs::unknown:webhook", Events: ["s3:ObjectCreated:*" as const] },
      ];
      const command = new PutBucketNotificationConfigurationCommand({
        Bucket: setUp.bucket,
        NotificationConfiguration: { QueueConfigurations },
      });
      expect(await statusOf(setUp.client.send(command))).toBe(400);
    });

    test("no configuration, no events", async () => {
      const { client, bucket: Bucket } = setUp;
      const none = new PutBucketNotificationConfigurationCommand({ Bucket, NotificationConfiguration: {} });
      await client.send(none);
      await put("untold");
      await configure();
      await put("told");
      expect(keysOf(await webhook.waitFor(1))).toEqual(["told"]);
    });
  });
}
