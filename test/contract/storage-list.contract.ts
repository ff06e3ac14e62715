import { ListObjectsV2Command, type ListObjectsV2CommandInput, PutObjectCommand } from "@aws-sdk/client-s3";
import { beforeAll, describe, expect, test } from "vitest";
import { errorOf } from "./aws.ts";
import type { StorageCapabilities, StorageUnderTest } from "./storage.contract.ts";

/** In UTF-8 byte order; UTF-16 would put the emoji before the full-width letter. */
const KEYS = [
  "list/Z",
  "list/a b+c%d&e",
  "list/a.json",
  "list/a/1",
  "list/a/2",
  "list/a/deep/er",
  "list/a0",
  "list/b/1",
  "list/ü",
  "list/ｚ",
  "list/😀/x",
];

export function storageListTests(storage: StorageUnderTest, capabilities: StorageCapabilities): void {
  const page = (more: Partial<ListObjectsV2CommandInput> = {}) =>
    storage().client.send(new ListObjectsV2Command({ Bucket: storage().bucket, Prefix: "list/", ...more }));

  /** All pages; asserts that each but the last is full. */
  const all = async (more: Partial<ListObjectsV2CommandInput> & { MaxKeys: number }) => {
    const keys: string[] = [];
    const prefixes: string[] = [];
    let ContinuationToken: string | undefined;
    do {
      const result = await page({ ...more, ...(ContinuationToken !== undefined && { ContinuationToken }) });
      const count = (result.Contents ?? []).length + (result.CommonPrefixes ?? []).length;
      expect(result.KeyCount).toBe(count);
      if (result.IsTruncated) expect(count).toBe(more.MaxKeys);
      keys.push(...(result.Contents ?? []).map(({ Key = "" }) => Key));
      prefixes.push(...(result.CommonPrefixes ?? []).map(({ Prefix = "" }) => Prefix));
      ContinuationToken = result.NextContinuationToken;
      expect(ContinuationToken !== undefined).toBe(result.IsTruncated);
    } while (ContinuationToken !== undefined);
    return { keys, prefixes };
  };

  describe("listings", () => {
    beforeAll(async () => {
      const { client, bucket: Bucket } = storage();
      // Neighbours that no listing of the prefix may contain.
      for (const Key of [...KEYS.toReversed(), "lisp", "list0", "listing"]) {
        await client.send(new PutObjectCommand({ Bucket, Key, Body: Key }));
      }
    });

    test("show every object with size, ETag and time", async () => {
      const { Contents = [] } = await page();
      expect(Contents.map(({ Key }) => Key)).toEqual(KEYS);
      for (const { Key = "", Size, ETag, LastModified } of Contents) {
        expect(Size).toBe(Buffer.byteLength(Key));
        expect(ETag).toMatch(/^"[\da-f]{32}"$/);
        expect(LastModified).toBeInstanceOf(Date);
      }
    });

    test.for([1, 2, 3, 4, 10, 11])("in pages of %i are complete and in the order of bytes", async (MaxKeys) => {
      expect(await all({ MaxKeys })).toEqual({ keys: KEYS, prefixes: [] });
    });

    test.for([1, 2, 3, 1000])("with a delimiter, in pages of %i, show each common prefix once", async (MaxKeys) => {
      expect(await all({ MaxKeys, Delimiter: "/" })).toEqual({
        keys: ["list/Z", "list/a b+c%d&e", "list/a.json", "list/a0", "list/ü", "list/ｚ"],
        prefixes: ["list/a/", "list/b/", "list/😀/"],
      });
    });

    test("with a delimiter go down into a prefix", async () => {
      const { Contents, CommonPrefixes } = await page({ Prefix: "list/a/", Delimiter: "/" });
      expect(Contents?.map(({ Key }) => Key)).toEqual(["list/a/1", "list/a/2"]);
      expect(CommonPrefixes).toEqual([{ Prefix: "list/a/deep/" }]);
    });

    test("start after a key, which need not exist", async () => {
      const keysAfter = async (StartAfter: string) => (await page({ StartAfter })).Contents?.map(({ Key }) => Key);
      expect(await keysAfter("list/a/2")).toEqual(KEYS.slice(5));
      expect(await keysAfter("list/a/20")).toEqual(KEYS.slice(5));
      expect(await keysAfter("list/😀/x")).toBeUndefined();
    });

    test.skipIf(!capabilities.anyKey)("show a key beside the keys below it", async () => {
      const { client, bucket: Bucket } = storage();
      const keys = ["below", "below/", "below//", "below/a", "below/a/b"];
      for (const Key of keys) await client.send(new PutObjectCommand({ Bucket, Key, Body: "x" }));
      expect(await all({ Prefix: "below", MaxKeys: 2 })).toEqual({ keys, prefixes: [] });
      const folded = { keys: ["below/", "below/a"], prefixes: ["below//", "below/a/"] };
      expect(await all({ Prefix: "below/", Delimiter: "/", MaxKeys: 1 })).toEqual(folded);
    });

    test("with a delimiter start after the prefix that the key is folded into", async () => {
      const { Contents, CommonPrefixes } = await page({ Delimiter: "/", StartAfter: "list/a/1" });
      expect(CommonPrefixes?.map(({ Prefix }) => Prefix)).toEqual(["list/b/", "list/😀/"]);
      expect(Contents?.map(({ Key }) => Key)).toEqual(["list/a0", "list/ü", "list/ｚ"]);
    });

    test("of nothing are empty", async () => {
      const { KeyCount, IsTruncated, Contents } = await page({ Prefix: "list/none" });
      expect({ KeyCount, IsTruncated, Contents }).toEqual({ KeyCount: 0, IsTruncated: false, Contents: undefined });
    });

    test("can be URL-encoded", async () => {
      const { Contents = [], EncodingType } = await page({ EncodingType: "url" });
      expect(EncodingType).toBe("url");
      const decoded = Contents.map(({ Key = "" }) => decodeURIComponent(Key.replaceAll("+", " ")));
      expect(decoded).toEqual(KEYS);
    });

    test("of an absent bucket are errors", async () => {
      expect((await errorOf(page({ Bucket: "dojo-relay-absent-bucket" }))).name).toBe("NoSuchBucket");
    });
  });
}
