import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  type GetObjectCommandInput,
  HeadObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
} from "@aws-sdk/client-s3";
import { describe, expect, test } from "vitest";
import { errorOf, statusOf } from "./aws.ts";
import type { StorageCapabilities, StorageUnderTest } from "./storage.contract.ts";

const ODD_KEYS = [
  "with space/findings.json",
  "plus+and%20percent/100%.json",
  "umlaut-ü-é/日本語.json",
  "emoji-😀/x.json",
  "quotes'\"&<>;?=#@:,$![]()*~^`{|}.json",
  "dots.../..hidden/...",
];
const PATH_LIKE_KEYS = [
  "a//b",
  "/leading",
  "up/../../etc/passwd",
  "../x",
  "./y",
  "trailing/",
  "back\\slash",
  "new\nline",
];

export function storageObjectTests(storage: StorageUnderTest, capabilities: StorageCapabilities): void {
  const put = (
    Key: string,
    Body: NonNullable<PutObjectCommandInput["Body"]>,
    more: Partial<PutObjectCommandInput> = {},
  ) => storage().client.send(new PutObjectCommand({ Bucket: storage().bucket, Key, Body, ...more }));
  const get = (Key: string, more: Partial<GetObjectCommandInput> = {}) =>
    storage().client.send(new GetObjectCommand({ Bucket: storage().bucket, Key, ...more }));
  const head = (Key: string) => storage().client.send(new HeadObjectCommand({ Bucket: storage().bucket, Key }));
  const textOf = async (Key: string, more: Partial<GetObjectCommandInput> = {}) =>
    (await get(Key, more)).Body?.transformToString();

  describe("objects", () => {
    test("come back as they were put, with type, headers and metadata", async () => {
      const bytes = Buffer.from([0, 1, 2, 0xff, 0xfe, 0x0d, 0x0a]);
      const Metadata = { "scan-name": "nmap", "trace-id": "4bf9" };
      const { ETag } = await put("round/trip", bytes, {
        ContentType: "application/xml",
        CacheControl: "no-store",
        Metadata,
      });
      expect(ETag).toBe(`"${createHash("md5").update(bytes).digest("hex")}"`);
      const object = await get("round/trip");
      expect(Buffer.from((await object.Body?.transformToByteArray()) ?? [])).toEqual(bytes);
      expect(object).toMatchObject({
        ETag,
        ContentType: "application/xml",
        CacheControl: "no-store",
        Metadata,
        ContentLength: 7,
      });
      expect(Math.abs(Date.now() - Number(object.LastModified))).toBeLessThan(60_000);
      expect(await head("round/trip")).toMatchObject({
        ETag,
        Metadata,
        ContentLength: 7,
        ContentType: "application/xml",
      });
    });

    test("give metadata beyond ASCII back as an encoded word", async () => {
      await put("metadata", "x", { Metadata: { umlaut: "é", encoded: "=?UTF-8?B?w6k=?=" } });
      const { Metadata } = await head("metadata");
      expect(Metadata).toEqual({
        umlaut: expect.stringMatching(/^=\?UTF-8\?(B\?w6k=|Q\?=C3=A9)\?=$/i),
        encoded: "=?UTF-8?B?w6k=?=",
      });
    });

    test("may be empty", async () => {
      await put("empty", Buffer.alloc(0));
      expect(await head("empty")).toMatchObject({ ContentLength: 0, ETag: '"d41d8cd98f00b204e9800998ecf8427e"' });
      expect(await textOf("empty")).toBe("");
    });

    test("are replaced whole, metadata included", async () => {
      await put("replaced", "a longer first one", { Metadata: { first: "1" } });
      await put("replaced", "second", { Metadata: { second: "2" } });
      expect(await textOf("replaced")).toBe("second");
      expect((await head("replaced")).Metadata).toEqual({ second: "2" });
    });

    test("of 20 MiB go in one PUT and come back the same", async () => {
      const bytes = Buffer.alloc(20 * 1024 ** 2, "0123456789abcdef\n");
      await put("large", bytes);
      const body = await (await get("large")).Body?.transformToByteArray();
      expect(body?.length).toBe(bytes.length);
      expect(bytes.equals(body ?? Buffer.alloc(0))).toBe(true);
    });

    test("can be streamed in", async () => {
      const blocks = Array.from({ length: 40 }, (_, index) => Buffer.alloc(9_999, index));
      await put("streamed", Readable.from(blocks), { ContentLength: 40 * 9_999 });
      const body = await (await get("streamed")).Body?.transformToByteArray();
      expect(Buffer.concat(blocks).equals(body ?? Buffer.alloc(0))).toBe(true);
    });

    test("that are absent, or in an absent bucket, are errors", async () => {
      expect(await errorOf(get("absent"))).toMatchObject({ name: "NoSuchKey", $metadata: { httpStatusCode: 404 } });
      expect(await errorOf(head("absent"))).toMatchObject({ name: "NotFound", $metadata: { httpStatusCode: 404 } });
      const Bucket = "dojo-relay-absent-bucket";
      expect(await errorOf(get("absent", { Bucket }))).toMatchObject({ name: "NoSuchBucket" });
      expect(await errorOf(put("absent", "x", { Bucket }))).toMatchObject({ name: "NoSuchBucket" });
    });

    test("are gone when deleted, and deleting again is no error", async () => {
      const { client, bucket: Bucket } = storage();
      await put("deleted", "x");
      for (let time = 0; time < 2; time++) {
        const { $metadata } = await client.send(new DeleteObjectCommand({ Bucket, Key: "deleted" }));
        expect($metadata.httpStatusCode).toBe(204);
      }
      expect((await errorOf(get("deleted"))).name).toBe("NoSuchKey");
    });

    test("are deleted in batches", async () => {
      const { client, bucket: Bucket } = storage();
      const keys = ["batch/a", "batch/ü & <b>", "batch/c"];
      await Promise.all(keys.map((key) => put(key, "x")));
      const Objects = [...keys, "batch/never-there"].map((Key) => ({ Key }));
      const { Deleted, Errors } = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
      expect(Deleted?.map(({ Key }) => Key).sort()).toEqual([...keys, "batch/never-there"].sort());
      expect(Errors ?? []).toEqual([]);
      for (const key of keys) expect((await errorOf(get(key))).name).toBe("NoSuchKey");
    });

    test("of ten writers at once are whole: one of the ten", async () => {
      const bodies = Array.from({ length: 10 }, (_, index) => String(index).repeat(300_000));
      await Promise.all(bodies.map((body) => put("contended", body)));
      expect(bodies).toContain(await textOf("contended"));
    });
  });

  describe("keys", () => {
    test.for(ODD_KEYS)("are data: %s", async (key) => {
      await put(key, `body of ${key}`);
      expect(await textOf(key)).toBe(`body of ${key}`);
    });

    test.skipIf(!capabilities.anyKey).for(PATH_LIKE_KEYS)("that look like paths are data: %j", async (key) => {
      await put(key, `body of ${key}`);
      expect(await textOf(key)).toBe(`body of ${key}`);
    });

    test("may have 1024 bytes and no more", async () => {
      const longest = Array.from({ length: 5 }, () => "x".repeat(200)).join("/") + "y".repeat(20);
      await put(longest, "x");
      expect(await textOf(longest)).toBe("x");
      expect(await statusOf(put(`${longest}z`, "x"))).toBe(400);
    });
  });

  describe("ranges and conditions of reads", () => {
    const CASES = [
      { range: "bytes=0-3", text: "0123", contentRange: "bytes 0-3/16" },
      { range: "bytes=10-", text: "abcdef", contentRange: "bytes 10-15/16" },
      { range: "bytes=-4", text: "cdef", contentRange: "bytes 12-15/16" },
      { range: "bytes=12-999", text: "cdef", contentRange: "bytes 12-15/16" },
      { range: "bytes=-999", text: "0123456789abcdef", contentRange: "bytes 0-15/16" },
    ];

    test.for(CASES)("$range", async ({ range: Range, text, contentRange }) => {
      await put("ranged", "0123456789abcdef");
      const object = await get("ranged", { Range });
      expect(object).toMatchObject({ ContentRange: contentRange, ContentLength: text.length });
      expect(object.$metadata.httpStatusCode).toBe(206);
      expect(await object.Body?.transformToString()).toBe(text);
    });

    test("a range beyond the end is 416", async () => {
      await put("ranged", "0123456789abcdef");
      expect(await statusOf(get("ranged", { Range: "bytes=16-" }))).toBe(416);
    });

    test("If-Match and If-None-Match compare ETags", async () => {
      const { ETag } = await put("read-conditions", "x");
      expect(await textOf("read-conditions", { IfMatch: ETag })).toBe("x");
      expect(await textOf("read-conditions", { IfNoneMatch: '"00000000000000000000000000000000"' })).toBe("x");
      expect(await statusOf(get("read-conditions", { IfMatch: '"00000000000000000000000000000000"' }))).toBe(412);
      expect(await statusOf(get("read-conditions", { IfNoneMatch: ETag }))).toBe(304);
    });
  });

  describe("copies", () => {
    const copy = (Key: string, source: string, more: object = {}) => {
      const { client, bucket: Bucket } = storage();
      const CopySource = `${Bucket}/${source.split("/").map(encodeURIComponent).join("/")}`;
      return client.send(new CopyObjectCommand({ Bucket, Key, CopySource, ...more }));
    };

    test("keep the metadata, or replace it", async () => {
      const source = "copy/source ü+%.json";
      await put(source, "copied", { ContentType: "application/json", Metadata: { a: "1" } });
      await copy("copy/kept", source);
      await copy("copy/replaced", source, {
        MetadataDirective: "REPLACE",
        Metadata: { b: "2" },
        ContentType: "text/plain",
      });
      expect(await textOf("copy/kept")).toBe("copied");
      expect(await head("copy/kept")).toMatchObject({ ContentType: "application/json", Metadata: { a: "1" } });
      expect(await head("copy/replaced")).toMatchObject({ ContentType: "text/plain", Metadata: { b: "2" } });
    });

    test("onto itself replace the metadata only", async () => {
      await put("copy/self", "same", { Metadata: { a: "1" } });
      await copy("copy/self", "copy/self", { MetadataDirective: "REPLACE", Metadata: { a: "2" } });
      expect(await textOf("copy/self")).toBe("same");
      expect((await head("copy/self")).Metadata).toEqual({ a: "2" });
      expect(await statusOf(copy("copy/self", "copy/self"))).toBe(400);
    });

    test("outlive their source", async () => {
      await put("copy/doomed", "survives");
      await copy("copy/survivor", "copy/doomed");
      await put("copy/doomed", "overwritten");
      expect(await textOf("copy/survivor")).toBe("survives");
      await storage().client.send(new DeleteObjectCommand({ Bucket: storage().bucket, Key: "copy/doomed" }));
      expect(await textOf("copy/survivor")).toBe("survives");
    });

    test("of an absent source are errors, and so are those whose condition fails", async () => {
      expect((await errorOf(copy("copy/x", "copy/absent"))).name).toBe("NoSuchKey");
      await put("copy/conditional", "x");
      expect(await statusOf(copy("copy/x", "copy/conditional", { CopySourceIfMatch: '"other"' }))).toBe(412);
      expect((await errorOf(get("copy/x"))).name).toBe("NoSuchKey");
    });
  });
}
