import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { describe, expect, test } from "vitest";
import { race, statusOf } from "./aws.ts";
import type { StorageUnderTest } from "./storage.contract.ts";

type Condition = { readonly IfMatch?: string; readonly IfNoneMatch?: string };

const RACERS = 10;
const OTHER_ETAG = '"00000000000000000000000000000000"';
/** S3 may return 409 to the loser of a race, which should then retry; other servers return 412. */
const LOST = [409, 412];

export function storageConditionTests(storage: StorageUnderTest): void {
  const put = (Key: string, Body: string, condition: Condition = {}) =>
    storage().client.send(new PutObjectCommand({ Bucket: storage().bucket, Key, Body, ...condition }));
  const textOf = async (Key: string) =>
    (await storage().client.send(new GetObjectCommand({ Bucket: storage().bucket, Key }))).Body?.transformToString();
  const upload = (Key: string, Body: Buffer, condition: Condition) =>
    new Upload({ client: storage().client, params: { Bucket: storage().bucket, Key, Body, ...condition } }).done();

  /** Uploads one part; the returned function completes the upload, which is when conditions apply. */
  const prepareMultipart = async (Key: string, Body: string) => {
    const { client, bucket: Bucket } = storage();
    const { UploadId } = await client.send(
      new CreateMultipartUploadCommand({ Bucket, Key, ChecksumAlgorithm: "CRC32" }),
    );
    const part = await client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body }));
    const Parts = [{ PartNumber: 1, ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32 }];
    return (condition: Condition) =>
      client.send(
        new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts }, ...condition }),
      );
  };

  describe("conditional writes", () => {
    test("If-None-Match: * creates, but does not overwrite", async () => {
      await put("create-once", "first", { IfNoneMatch: "*" });
      expect(await statusOf(put("create-once", "second", { IfNoneMatch: "*" }))).toBe(412);
      expect(await textOf("create-once")).toBe("first");
    });

    test("If-None-Match: * creates again after a delete", async () => {
      await put("create-again", "first");
      await storage().client.send(new DeleteObjectCommand({ Bucket: storage().bucket, Key: "create-again" }));
      await put("create-again", "second", { IfNoneMatch: "*" });
      expect(await textOf("create-again")).toBe("second");
    });

    test("If-Match overwrites what it names, with the ETag quoted or not", async () => {
      const { ETag = "" } = await put("overwrite", "first");
      const second = await put("overwrite", "second", { IfMatch: ETag });
      await put("overwrite", "third", { IfMatch: second.ETag?.replaceAll('"', "") ?? "" });
      expect(await textOf("overwrite")).toBe("third");
      expect(await statusOf(put("overwrite", "fourth", { IfMatch: ETag }))).toBe(412);
      expect(await textOf("overwrite")).toBe("third");
    });

    test("If-Match of an absent object is 404 and creates nothing", async () => {
      expect(await statusOf(put("never-there", "x", { IfMatch: OTHER_ETAG }))).toBe(404);
      expect(await statusOf(textOf("never-there"))).toBe(404);
    });

    test(`of ${RACERS} racers to create, one wins and its bytes stay`, async () => {
      const racers = Array.from({ length: RACERS }, (_, index) =>
        put("race-create", `racer ${index}`, { IfNoneMatch: "*" }),
      );
      const { winners, refusals } = await race(racers);
      expect(winners).toHaveLength(1);
      for (const status of refusals) expect(LOST).toContain(status);
      expect(await textOf("race-create")).toBe(`racer ${winners[0]}`);
    });

    test(`of ${RACERS} racers to overwrite, one wins and its bytes stay`, async () => {
      const { ETag = "" } = await put("race-overwrite", "start");
      const racers = Array.from({ length: RACERS }, (_, index) =>
        put("race-overwrite", `racer ${index}`, { IfMatch: ETag }),
      );
      const { winners, refusals } = await race(racers);
      expect(winners).toHaveLength(1);
      for (const status of refusals) expect(LOST).toContain(status);
      expect(await textOf("race-overwrite")).toBe(`racer ${winners[0]}`);
    });
  });

  describe("conditional completion of multipart uploads", () => {
    test("If-None-Match: * does not overwrite", async () => {
      await put("mpu-create", "first");
      const complete = await prepareMultipart("mpu-create", "second");
      expect(await statusOf(complete({ IfNoneMatch: "*" }))).toBe(412);
      expect(await textOf("mpu-create")).toBe("first");
    });

    test("If-Match overwrites what it names only", async () => {
      const { ETag = "" } = await put("mpu-overwrite", "first");
      const stale = await prepareMultipart("mpu-overwrite", "stale");
      expect(await statusOf(stale({ IfMatch: OTHER_ETAG }))).toBe(412);
      const complete = await prepareMultipart("mpu-overwrite", "second");
      await complete({ IfMatch: ETag });
      expect(await textOf("mpu-overwrite")).toBe("second");
    });

    test.for(["create", "overwrite"])(`of ${RACERS} racers to %s, one wins and its bytes stay`, async (kind) => {
      const key = `mpu-race-${kind}`;
      const condition = kind === "create" ? { IfNoneMatch: "*" } : { IfMatch: (await put(key, "start")).ETag ?? "" };
      const prepared = await Promise.all(
        Array.from({ length: RACERS }, (_, index) => prepareMultipart(key, `racer ${index}`)),
      );
      const { winners, refusals } = await race(prepared.map((complete) => complete(condition)));
      expect(winners).toHaveLength(1);
      for (const status of refusals) expect(LOST).toContain(status);
      expect(await textOf(key)).toBe(`racer ${winners[0]}`);
    });

    test("a PUT and a completion race like any two writers", async () => {
      const complete = await prepareMultipart("mpu-race-put", "racer 0");
      const { winners } = await race([
        complete({ IfNoneMatch: "*" }),
        put("mpu-race-put", "racer 1", { IfNoneMatch: "*" }),
      ]);
      expect(winners).toHaveLength(1);
      expect(await textOf("mpu-race-put")).toBe(`racer ${winners[0]}`);
    });
  });

  describe("conditional Upload of lib-storage", () => {
    const SIZES = [
      { name: "small: one PUT", size: 1_000 },
      { name: "over 5 MiB: multipart", size: 6 * 1024 ** 2 },
    ];

    test.for(SIZES)("$name", async ({ size }) => {
      const key = `upload-${size}`;
      const body = (fill: string) => Buffer.alloc(size, fill);
      const { ETag = "" } = await upload(key, body("1"), { IfNoneMatch: "*" });
      expect(await statusOf(upload(key, body("2"), { IfNoneMatch: "*" }))).toBe(412);
      await upload(key, body("3"), { IfMatch: ETag });
      expect(await statusOf(upload(key, body("4"), { IfMatch: ETag }))).toBe(412);
      expect(await textOf(key)).toBe(body("3").toString());
    });
  });
}
