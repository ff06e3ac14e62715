import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { describe, expect, test } from "vitest";
import { statusOf } from "./aws.ts";
import type { StorageUnderTest } from "./storage.contract.ts";

export function storageRestartTests(storage: StorageUnderTest): void {
  describe("restart of the server", () => {
    test("keeps objects, metadata and uploads under way", async ({ skip }) => {
      const restart = storage().restart ?? skip("The server is not ours to restart");
      const { client, bucket: Bucket } = storage();
      const object = { Bucket, Key: "restart/object" };
      await client.send(
        new PutObjectCommand({ ...object, Body: "kept", Metadata: { a: "1" }, ContentType: "text/plain" }),
      );
      const upload = { Bucket, Key: "restart/upload" };
      const { UploadId } = await client.send(new CreateMultipartUploadCommand({ ...upload, Metadata: { b: "2" } }));
      const { ETag } = await client.send(new UploadPartCommand({ ...upload, UploadId, PartNumber: 1, Body: "part" }));
      await restart();
      const read = await client.send(new GetObjectCommand(object));
      expect(read).toMatchObject({ Metadata: { a: "1" }, ContentType: "text/plain" });
      expect(await read.Body?.transformToString()).toBe("kept");
      expect(await statusOf(client.send(new PutObjectCommand({ ...object, Body: "x", IfNoneMatch: "*" })))).toBe(412);
      const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] };
      await client.send(new CompleteMultipartUploadCommand({ ...upload, UploadId, MultipartUpload }));
      const completed = await client.send(new GetObjectCommand(upload));
      expect(completed.Metadata).toEqual({ b: "2" });
      expect(await completed.Body?.transformToString()).toBe("part");
      const { KeyCount } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: "restart/" }));
      expect(KeyCount).toBe(2);
    });
  });
}
