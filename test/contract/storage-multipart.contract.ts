import { createHash } from "node:crypto";
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  GetObjectCommand,
  HeadObjectCommand,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
  type UploadPartCommandInput,
} from "@aws-sdk/client-s3";
import { describe, expect, test } from "vitest";
import { errorOf, statusOf } from "./aws.ts";
import type { StorageUnderTest } from "./storage.contract.ts";

const MINIMUM = 5 * 1024 ** 2;
const ALGORITHMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] as const;

export function storageMultipartTests(storage: StorageUnderTest): void {
  const start = async (Key: string, more: Partial<CreateMultipartUploadCommandInput> = {}) => {
    const { client, bucket: Bucket } = storage();
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ...more }));
    const upload = { Bucket, Key, UploadId };
    return {
      put: async (PartNumber: number, Body: Buffer, options: Partial<UploadPartCommandInput> = {}) => {
        const part = await client.send(new UploadPartCommand({ ...upload, PartNumber, Body, ...options }));
        const { ETag, ChecksumCRC32, ChecksumCRC32C, ChecksumCRC64NVME, ChecksumSHA1, ChecksumSHA256 } = part;
        return { PartNumber, ETag, ChecksumCRC32, ChecksumCRC32C, ChecksumCRC64NVME, ChecksumSHA1, ChecksumSHA256 };
      },
      complete: (Parts: CompletedPart[]) =>
        client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } })),
      abort: () => client.send(new AbortMultipartUploadCommand(upload)),
      list: (options: object = {}) => client.send(new ListPartsCommand({ ...upload, ...options })),
    };
  };
  const read = async (Key: string, Range?: string) => {
    const { client, bucket: Bucket } = storage();
    const object = await client.send(new GetObjectCommand({ Bucket, Key, ...(Range !== undefined && { Range }) }));
    return Buffer.from((await object.Body?.transformToByteArray()) ?? []);
  };
  const head = (Key: string) =>
    storage().client.send(new HeadObjectCommand({ Bucket: storage().bucket, Key, ChecksumMode: "ENABLED" }));
  const first = Buffer.alloc(MINIMUM, "first");
  const last = Buffer.from("the last part may be small");

  describe("multipart uploads", () => {
    test("put the parts together in the order of their numbers, with metadata and the ETag of the parts", async () => {
      const upload = await start("mpu/object ü", { ContentType: "text/plain", Metadata: { a: "1" } });
      const two = await upload.put(7, last);
      const one = await upload.put(3, first);
      expect(await statusOf(head("mpu/object ü"))).toBe(404);
      const { ETag } = await upload.complete([one, two]);
      const md5s = [first, last].map((bytes) => createHash("md5").update(bytes).digest());
      expect(ETag).toBe(`"${createHash("md5").update(Buffer.concat(md5s)).digest("hex")}-2"`);
      expect((await read("mpu/object ü")).equals(Buffer.concat([first, last]))).toBe(true);
      const described = { ETag, ContentType: "text/plain", Metadata: { a: "1" }, ContentLength: MINIMUM + last.length };
      expect(await head("mpu/object ü")).toMatchObject(described);
    });

    test("are read by ranges over the borders of parts, and copied", async () => {
      const upload = await start("mpu/ranged");
      await upload.complete([await upload.put(1, first), await upload.put(2, last)]);
      const range = `bytes=${MINIMUM - 3}-${MINIMUM + 7}`;
      const expected = Buffer.concat([first, last])
        .subarray(MINIMUM - 3, MINIMUM + 8)
        .toString();
      expect((await read("mpu/ranged", range)).toString()).toBe(expected);
      const { client, bucket: Bucket } = storage();
      await client.send(new CopyObjectCommand({ Bucket, Key: "mpu/copied", CopySource: `${Bucket}/mpu/ranged` }));
      expect((await read("mpu/copied", range)).toString()).toBe(expected);
    });

    test("take the last upload of a part", async () => {
      const upload = await start("mpu/again");
      await upload.put(1, Buffer.from("first try"));
      await upload.complete([await upload.put(1, Buffer.from("second try"))]);
      expect((await read("mpu/again")).toString()).toBe("second try");
    });

    test("refuse parts that are unknown, changed, out of order or too small, and can still be completed", async () => {
      const upload = await start("mpu/refused");
      const small = await upload.put(1, last);
      const other = await upload.put(2, last);
      const errors = [
        { parts: [other, small], name: "InvalidPartOrder" },
        { parts: [small, { ...other, PartNumber: 3 }], name: "InvalidPart" },
        { parts: [{ ...small, ETag: '"00000000000000000000000000000000"' }], name: "InvalidPart" },
        { parts: [small, other], name: "EntityTooSmall" },
      ];
      for (const { parts, name } of errors) {
        expect(await errorOf(upload.complete(parts))).toMatchObject({ name, $metadata: { httpStatusCode: 400 } });
      }
      await upload.complete([small]);
      expect((await read("mpu/refused")).equals(last)).toBe(true);
    });

    test("list their parts in pages", async () => {
      const upload = await start("mpu/listed");
      for (const number of [5, 1, 3]) await upload.put(number, Buffer.from(`part ${number}`));
      const page = await upload.list({ MaxParts: 2 });
      expect(page).toMatchObject({ IsTruncated: true, Parts: [{ PartNumber: 1, Size: 6 }, { PartNumber: 3 }] });
      const rest = await upload.list({ PartNumberMarker: page.NextPartNumberMarker });
      expect(rest.Parts).toMatchObject([{ PartNumber: 5, Size: 6, ETag: expect.stringMatching(/^"[\da-f]{32}"$/) }]);
      expect(rest.IsTruncated).toBe(false);
      await upload.abort();
    });

    test("are gone when aborted or completed", async () => {
      const aborted = await start("mpu/aborted");
      const part = await aborted.put(1, last);
      await aborted.abort();
      expect((await errorOf(aborted.put(2, last))).name).toBe("NoSuchUpload");
      expect((await errorOf(aborted.complete([part]))).name).toBe("NoSuchUpload");
      expect(await statusOf(head("mpu/aborted"))).toBe(404);
      const completed = await start("mpu/completed");
      await completed.complete([await completed.put(1, last)]);
      expect((await errorOf(completed.list())).name).toBe("NoSuchUpload");
    });

    test.for(ALGORITHMS)("verify the parts' checksums: %s", async (algorithm) => {
      const upload = await start(`mpu/${algorithm}`, { ChecksumAlgorithm: algorithm });
      const name = `Checksum${algorithm}` as const;
      const one = await upload.put(1, first, { ChecksumAlgorithm: algorithm });
      const two = await upload.put(2, last, { ChecksumAlgorithm: algorithm });
      expect(one[name]).toBeTruthy();
      const wrong = { ...one, [name]: two[name] };
      expect(await statusOf(upload.complete([wrong, two]))).toBe(400);
      await upload.complete([one, two]);
      const { ChecksumType, [name]: whole } = await head(`mpu/${algorithm}`);
      expect(ChecksumType).toBe(algorithm === "CRC64NVME" ? "FULL_OBJECT" : "COMPOSITE");
      if (ChecksumType === "COMPOSITE") expect(whole).toMatch(/-2$/);
    });

    test.for(["CRC32", "CRC32C", "CRC64NVME"] as const)(
      "give the checksum of the whole object: %s",
      async (algorithm) => {
        const key = `mpu/full-${algorithm}`;
        const upload = await start(key, { ChecksumAlgorithm: algorithm, ChecksumType: "FULL_OBJECT" });
        const parts = [
          await upload.put(1, first, { ChecksumAlgorithm: algorithm }),
          await upload.put(2, last, { ChecksumAlgorithm: algorithm }),
        ];
        await upload.complete(parts);
        const { client, bucket: Bucket } = storage();
        const whole = {
          Bucket,
          Key: `${key}-at-once`,
          Body: Buffer.concat([first, last]),
          ChecksumAlgorithm: algorithm,
        };
        const { [`Checksum${algorithm}` as const]: expected } = await client.send(new PutObjectCommand(whole));
        expect(await head(key)).toMatchObject({ [`Checksum${algorithm}`]: expected, ChecksumType: "FULL_OBJECT" });
      },
    );
  });
}
