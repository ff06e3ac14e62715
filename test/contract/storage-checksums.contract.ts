import { ChecksumAlgorithm, GetObjectCommand, PutObjectCommand, type PutObjectCommandInput } from "@aws-sdk/client-s3";
import { describe, expect, test } from "vitest";
import { statusOf } from "./aws.ts";
import type { StorageUnderTest } from "./storage.contract.ts";

/** The checksums of "123456789", the check value in CRC catalogues. */
const CHECKSUMS = [
  { algorithm: ChecksumAlgorithm.CRC32, right: "y/Q5Jg==", wrong: "AAAAAA==" },
  { algorithm: ChecksumAlgorithm.CRC32C, right: "4waSgw==", wrong: "AAAAAA==" },
  { algorithm: ChecksumAlgorithm.CRC64NVME, right: "rosUhgp5mIg=", wrong: "AAAAAAAAAAA=" },
  { algorithm: ChecksumAlgorithm.SHA1, right: "98O8HYCOBHMq32eZZczDTKeuNEE=", wrong: "AAAAAAAAAAAAAAAAAAAAAAAAAAA=" },
  {
    algorithm: ChecksumAlgorithm.SHA256,
    right: "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
    wrong: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
  },
];

export function storageChecksumTests(storage: StorageUnderTest): void {
  const put = (Key: string, more: Partial<PutObjectCommandInput>) =>
    storage().client.send(new PutObjectCommand({ Bucket: storage().bucket, Key, Body: "123456789", ...more }));
  const get = (Key: string) =>
    storage().client.send(new GetObjectCommand({ Bucket: storage().bucket, Key, ChecksumMode: "ENABLED" }));

  describe("checksums", () => {
    test.for(CHECKSUMS)("$algorithm: accepts and returns a correct one", async ({ algorithm, right }) => {
      await put(`checksum/${algorithm}`, { [`Checksum${algorithm}`]: right });
      const object = await get(`checksum/${algorithm}`);
      expect(object[`Checksum${algorithm}`]).toBe(right);
      expect(await object.Body?.transformToString()).toBe("123456789");
    });

    test.for(CHECKSUMS)("$algorithm: accepts the one that the SDK computes", async ({ algorithm, right }) => {
      await put(`computed/${algorithm}`, { ChecksumAlgorithm: algorithm });
      expect((await get(`computed/${algorithm}`))[`Checksum${algorithm}`]).toBe(right);
    });

    test.for(CHECKSUMS)("$algorithm: rejects a wrong one and stores nothing", async ({ algorithm, wrong }) => {
      expect(await statusOf(put(`wrong/${algorithm}`, { [`Checksum${algorithm}`]: wrong }))).toBe(400);
      expect(await statusOf(get(`wrong/${algorithm}`))).toBe(404);
    });

    test("rejects a wrong Content-MD5 and keeps the existing object", async () => {
      await put("wrong/md5", { ContentMD5: "JfnnlDI7RTiF9RgfG2JNCw==" });
      expect(await statusOf(put("wrong/md5", { Body: "other", ContentMD5: "AAAAAAAAAAAAAAAAAAAAAA==" }))).toBe(400);
      expect(await (await get("wrong/md5")).Body?.transformToString()).toBe("123456789");
    });
  });
}
