import {
  CreateBucketCommand,
  DeleteBucketCommand,
  GetBucketAclCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketLocationCommand,
  GetBucketVersioningCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsCommand,
  ListObjectVersionsCommand,
  PutBucketEncryptionCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  PutObjectTaggingCommand,
  SelectObjectContentCommand,
} from "@aws-sdk/client-s3";
import { describe, expect, test } from "vitest";
import { errorOf, statusOf } from "./aws.ts";
import type { StorageCapabilities, StorageUnderTest } from "./storage.contract.ts";

export function storageRefusalTests(storage: StorageUnderTest, capabilities: StorageCapabilities): void {
  const Key = "refused";
  const requests: Readonly<Record<string, (Bucket: string) => Promise<unknown>>> = {
    "ACL of an object": (Bucket) => storage().client.send(new PutObjectAclCommand({ Bucket, Key, ACL: "public-read" })),
    "ACL of a bucket": (Bucket) => storage().client.send(new GetBucketAclCommand({ Bucket })),
    attributes: (Bucket) =>
      storage().client.send(new GetObjectAttributesCommand({ Bucket, Key, ObjectAttributes: ["ETag"] })),
    "canned ACL": (Bucket) =>
      storage().client.send(new PutObjectCommand({ Bucket, Key, Body: "no", ACL: "public-read" })),
    "customer's key": (Bucket) =>
      storage().client.send(
        new PutObjectCommand({ Bucket, Key, Body: "no", SSECustomerAlgorithm: "AES256", SSECustomerKey: "k" }),
      ),
    "encryption of a bucket": (Bucket) =>
      storage().client.send(
        new PutBucketEncryptionCommand({
          Bucket,
          ServerSideEncryptionConfiguration: {
            Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" } }],
          },
        }),
      ),
    "encryption of an object": (Bucket) =>
      storage().client.send(new PutObjectCommand({ Bucket, Key, Body: "no", ServerSideEncryption: "AES256" })),
    lifecycle: (Bucket) => storage().client.send(new GetBucketLifecycleConfigurationCommand({ Bucket })),
    "list of uploads": (Bucket) => storage().client.send(new ListMultipartUploadsCommand({ Bucket })),
    "list of version 1": (Bucket) => storage().client.send(new ListObjectsCommand({ Bucket })),
    "list of versions": (Bucket) => storage().client.send(new ListObjectVersionsCommand({ Bucket })),
    "object lock": (Bucket) =>
      storage().client.send(
        new PutObjectCommand({
          Bucket,
          Key,
          Body: "no",
          ObjectLockMode: "GOVERNANCE",
          ObjectLockRetainUntilDate: new Date(),
        }),
      ),
    "part of an object by its number": (Bucket) =>
      storage().client.send(new GetObjectCommand({ Bucket, Key, PartNumber: 1 })),
    policy: (Bucket) => storage().client.send(new PutBucketPolicyCommand({ Bucket, Policy: "{}" })),
    retention: (Bucket) =>
      storage().client.send(new PutObjectRetentionCommand({ Bucket, Key, Retention: { Mode: "GOVERNANCE" } })),
    select: (Bucket) =>
      storage().client.send(
        new SelectObjectContentCommand({
          Bucket,
          Key,
          Expression: "SELECT * FROM s3object",
          ExpressionType: "SQL",
          InputSerialization: { JSON: { Type: "LINES" } },
          OutputSerialization: { JSON: {} },
        }),
      ),
    "tags with the object": (Bucket) =>
      storage().client.send(new PutObjectCommand({ Bucket, Key, Body: "no", Tagging: "a=b" })),
    "tags, read": (Bucket) => storage().client.send(new GetObjectTaggingCommand({ Bucket, Key })),
    "tags, written": (Bucket) =>
      storage().client.send(
        new PutObjectTaggingCommand({ Bucket, Key, Tagging: { TagSet: [{ Key: "a", Value: "b" }] } }),
      ),
    "versioning, read": (Bucket) => storage().client.send(new GetBucketVersioningCommand({ Bucket })),
    "versioning, written": (Bucket) =>
      storage().client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: "Enabled" } })),
  };

  describe("buckets", () => {
    test("are made once, found, listed and located", async () => {
      const { client, bucket: Bucket } = storage();
      await client.send(new HeadBucketCommand({ Bucket }));
      expect(await statusOf(client.send(new CreateBucketCommand({ Bucket })))).toBe(409);
      const { Buckets = [] } = await client.send(new ListBucketsCommand({}));
      expect(Buckets.map(({ Name }) => Name)).toContain(Bucket);
      const { LocationConstraint } = await client.send(new GetBucketLocationCommand({ Bucket }));
      expect(LocationConstraint ?? "").toBe("");
    });

    test("are deleted only when empty", async () => {
      const { client, bucket } = storage();
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: "occupant", Body: "x" }));
      expect((await errorOf(client.send(new DeleteBucketCommand({ Bucket: bucket })))).name).toBe("BucketNotEmpty");
      const other = `${bucket}-empty`;
      await client.send(new CreateBucketCommand({ Bucket: other }));
      await client.send(new DeleteBucketCommand({ Bucket: other }));
      expect(await statusOf(client.send(new HeadBucketCommand({ Bucket: other })))).toBe(404);
    });

    test("have names of the right form", async () => {
      for (const Bucket of ["ab", "UPPER-case", "under_score", "192.168.1.1", "dots..dots"]) {
        expect(await statusOf(storage().client.send(new CreateBucketCommand({ Bucket })))).toBe(400);
      }
    });
  });

  describe.skipIf(!capabilities.unsupportedIsAnError)("what is not supported is an error and changes nothing", () => {
    test.for(Object.entries(requests))("%s", async ([, request]) => {
      const { client, bucket: Bucket } = storage();
      await client.send(new PutObjectCommand({ Bucket, Key, Body: "unchanged" }));
      expect(await errorOf(request(Bucket))).toMatchObject({
        name: "NotImplemented",
        $metadata: { httpStatusCode: 501 },
      });
      const object = await client.send(new GetObjectCommand({ Bucket, Key }));
      expect(await object.Body?.transformToString()).toBe("unchanged");
    });
  });
}
