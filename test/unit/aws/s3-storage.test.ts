import { Readable } from "node:stream";
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { mockClient } from "aws-sdk-client-mock";
import { beforeEach, describe, expect, it } from "vitest";
import { s3Storage } from "../../../lib/aws/s3-storage.ts";
import { type Reason, RelayError } from "../../../lib/errors.ts";
import { readSmall } from "../../../lib/ports/read-small.ts";
import { storageError } from "../../../lib/ports/storage-error.ts";
import { collect } from "../../helpers/collect.ts";
import "../../helpers/no-network.ts";
import { brokenBody } from "../../helpers/broken-body.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

const REF = { bucket: "b", key: "scan a/findings.json" };
const URI = "s3://b/scan a/findings.json";
const mock = mockClient(S3Client);
const storage = s3Storage(
  new S3Client({ region: "us-east-1", credentials: { accessKeyId: "a", secretAccessKey: "b" } }),
);
beforeEach(() => void mock.reset());

/** As the SDK throws. */
function s3Error(name: string, status?: number): Error {
  const error = new Error(`${name} happened`);
  error.name = name;
  return Object.assign(error, { $metadata: status === undefined ? {} : { httpStatusCode: status } });
}
const stream = (content: string) => Readable.from(content === "" ? [] : [Buffer.from(content)]) as never;

describe("S3 errors", () => {
  it.each<[string, number | undefined, Reason]>([
    ["NoSuchBucket", 404, "storage-missing"],
    ["NoSuchKey", 404, "storage-missing"],
    ["NotFound", 404, "storage-missing"],
    ["NoSuchUpload", 404, "storage-unavailable"],
    ["AccessDenied", 403, "storage-forbidden"],
    ["InvalidAccessKeyId", 403, "storage-forbidden"],
    ["Forbidden", 403, "storage-forbidden"],
    ["PreconditionFailed", 412, "storage-precondition"],
    ["Unknown", 412, "storage-precondition"],
    ["ConditionalRequestConflict", 409, "storage-unavailable"],
    ["OperationAborted", 409, "storage-unavailable"],
    ["SlowDown", 503, "storage-unavailable"],
    ["ServiceUnavailable", 503, "storage-unavailable"],
    ["InternalError", 500, "storage-unavailable"],
    ["RequestTimeout", 400, "storage-unavailable"],
    ["TimeoutError", undefined, "storage-unavailable"],
    ["ECONNREFUSED", undefined, "storage-unavailable"],
    ["IncompleteBody", 400, "storage-unavailable"],
    ["BadDigest", 400, "storage-unavailable"],
    ["InvalidPart", 400, "storage-unavailable"],
    ["ExpiredToken", 400, "storage-unavailable"],
    ["Unknown", 408, "storage-unavailable"],
    ["TooManyRequests", 429, "storage-unavailable"],
    ["SyntaxError", 200, "storage-unavailable"],
    ["PermanentRedirect", 301, "storage-unavailable"],
    ["SomethingNew", 418, "storage-rejected"],
    ["KeyTooLongError", 400, "storage-rejected"],
    ["AuthorizationHeaderMalformed", 400, "storage-rejected"],
    ["InvalidBucketState", 409, "storage-rejected"],
    ["UnknownError", 400, "storage-rejected"],
    ["SomethingNew", 599, "storage-unavailable"],
  ])("%s (%s) is %s", (name, status, reason) => {
    const cause = s3Error(name, status);
    const error = storageError(cause, REF);
    expect(error).toMatchObject({ reason, object: URI, cause });
    expect(error.status).toBe(status);
    expect(error.message).toBe(`${URI}: ${name}${status === undefined ? "" : ` (HTTP ${status})`}`);
    expect(error.errorClass).toBe(reason === "storage-unavailable" ? "transient" : "permanent");
  });

  it("leaves our own errors unchanged", () => {
    const error = new RelayError("findings-invalid", "x");
    expect(storageError(error, REF)).toBe(error);
  });

  it("retries what is not an Error", () => {
    expect(storageError("text", REF)).toMatchObject({ reason: "storage-unavailable", message: `${URI}: text` });
  });
});

describe("head", () => {
  it("gives ETag without quotes, size and metadata", async () => {
    mock.on(HeadObjectCommand, { Bucket: "b", Key: REF.key }).resolves({
      ETag: '"abc"',
      ContentLength: 3,
      Metadata: { a: "b" },
    });
    expect(await storage.head(REF)).toEqual({ etag: "abc", size: 3, metadata: { a: "b" }, lastModified: undefined });
  });

  it("gives a weak ETag without its mark", async () => {
    mock.on(HeadObjectCommand).resolves({ ETag: 'W/"abc"' });
    expect(await storage.head(REF)).toMatchObject({ etag: "abc", size: 0, metadata: {} });
  });

  it("returns nothing when there is no object", async () => {
    mock.on(HeadObjectCommand).rejects(s3Error("NotFound", 404));
    expect(await storage.head(REF)).toBeUndefined();
  });

  it("throws any error but a missing object", async () => {
    mock.on(HeadObjectCommand).rejects(s3Error("Forbidden", 403));
    expect(await relayErrorBy(() => storage.head(REF))).toMatchObject({ reason: "storage-forbidden", object: URI });
  });
});

describe("read", () => {
  it("returns head and body, under a condition if given", async () => {
    mock.on(GetObjectCommand).resolves({ ETag: '"abc"', ContentLength: 2, Body: stream("[]") });
    const found = await storage.read(REF, "abc");
    expect(found?.head).toMatchObject({ etag: "abc", size: 2 });
    expect(await collect(found?.body ?? Readable.from([]))).toEqual([Buffer.from("[]")]);
    expect(mock.commandCalls(GetObjectCommand)[0]?.args[0].input).toEqual({
      Bucket: "b",
      Key: REF.key,
      IfMatch: '"abc"',
    });
  });

  it("returns nothing when there is no object", async () => {
    mock.on(GetObjectCommand).rejects(s3Error("NoSuchKey", 404));
    expect(await storage.read(REF)).toBeUndefined();
  });

  it.each<[string, number, Reason]>([
    ["NoSuchBucket", 404, "storage-missing"],
    ["PreconditionFailed", 412, "storage-precondition"],
    ["AccessDenied", 403, "storage-forbidden"],
  ])("throws %s", async (name, status, reason) => {
    mock.on(GetObjectCommand).rejects(s3Error(name, status));
    expect(await relayErrorBy(() => storage.read(REF, "x"))).toMatchObject({ reason, object: URI });
  });

  it("throws when the response has no body", async () => {
    mock.on(GetObjectCommand).resolves({ ETag: '"abc"' });
    expect(await relayErrorBy(() => storage.read(REF))).toMatchObject({ reason: "storage-unavailable" });
  });
});

describe("write", () => {
  it.each([
    ["no condition", undefined, {}],
    ["If-Match", { ifMatch: "abc" }, { IfMatch: '"abc"' }],
    ["If-None-Match", { ifNoneMatch: "*" } as const, { IfNoneMatch: "*" }],
  ])("sends text with %s", async (_, condition, expected) => {
    mock.on(PutObjectCommand).resolves({ ETag: '"new"' });
    const options = { contentType: "application/json", metadata: { a: "b" }, ...(condition && { condition }) };
    expect(await storage.write(REF, "x", options)).toBe("new");
    expect(mock.commandCalls(PutObjectCommand)[0]?.args[0].input).toEqual({
      Bucket: "b",
      Key: REF.key,
      Body: "x",
      ContentType: "application/json",
      Metadata: { a: "b" },
      ...expected,
    });
  });

  it("sends a stream under its condition", async () => {
    mock.on(PutObjectCommand).resolves({ ETag: '"new"' });
    const body = Readable.from([Buffer.from("[1]")]);
    const condition = { ifMatch: "abc" };
    expect(await storage.write(REF, body, { contentType: "application/json", condition })).toBe("new");
    const input = mock.commandCalls(PutObjectCommand)[0]?.args[0].input;
    expect(input).toMatchObject({ IfMatch: '"abc"', ContentType: "application/json" });
    expect(Buffer.from(input?.Body as Uint8Array).toString()).toBe("[1]");
  });

  it("throws the stream's own error, and writes nothing", async () => {
    mock.on(PutObjectCommand).resolves({ ETag: '"new"' });
    const body = Readable.from(
      (async function* () {
        yield Buffer.from("[");
        throw new RelayError("read-unstable", "the test changed", { object: "test 7" });
      })(),
    );
    const error = await relayErrorBy(() => storage.write(REF, body, { contentType: "x" }));
    expect(error).toMatchObject({ reason: "read-unstable", object: "test 7" });
    expect(mock.commandCalls(PutObjectCommand)).toHaveLength(0);
  });

  it.each<[string, number, "ifMatch" | "ifNoneMatch" | "none", Reason]>([
    ["PreconditionFailed", 412, "ifMatch", "storage-precondition"],
    ["PreconditionFailed", 412, "ifNoneMatch", "storage-precondition"],
    ["NoSuchKey", 404, "ifMatch", "storage-precondition"],
    ["NoSuchBucket", 404, "ifMatch", "storage-missing"],
    ["NoSuchKey", 404, "none", "storage-missing"],
    ["ConditionalRequestConflict", 409, "ifMatch", "storage-unavailable"],
    ["AccessDenied", 403, "ifMatch", "storage-forbidden"],
    ["SlowDown", 503, "none", "storage-unavailable"],
  ])("that ends with %s (%d) under %s is %s", async (name, status, kind, reason) => {
    mock.on(PutObjectCommand).rejects(s3Error(name, status));
    const condition =
      kind === "none" ? {} : { condition: kind === "ifMatch" ? { ifMatch: "abc" } : ({ ifNoneMatch: "*" } as const) };
    for (const body of ["x", Readable.from([Buffer.from("x")])]) {
      const error = await relayErrorBy(() => storage.write(REF, body, { contentType: "x", ...condition }));
      expect(error).toMatchObject({ reason, object: URI });
    }
  });
});

describe("copy", () => {
  const to = { bucket: "b", key: "scan a/findings.original.json" };
  const copy = (from = REF) => storage.copy(from, to, "abc", { contentType: "application/json", metadata: { a: "b" } });

  it("copies what still has the ETag, with metadata of its own", async () => {
    mock.on(CopyObjectCommand).resolves({});
    await copy({ bucket: "b", key: "scan é+?&/findings.json" });
    expect(mock.commandCalls(CopyObjectCommand)[0]?.args[0].input).toEqual({
      Bucket: "b",
      Key: to.key,
      CopySource: "b/scan%20%C3%A9%2B%3F%26/findings.json",
      CopySourceIfMatch: '"abc"',
      MetadataDirective: "REPLACE",
      ContentType: "application/json",
      Metadata: { a: "b" },
    });
  });

  it.each<[string, number, Reason]>([
    ["PreconditionFailed", 412, "storage-precondition"],
    ["NoSuchKey", 404, "storage-precondition"],
    ["NoSuchBucket", 404, "storage-missing"],
    ["AccessDenied", 403, "storage-forbidden"],
  ])("that ends with %s is %s", async (name, status, reason) => {
    mock.on(CopyObjectCommand).rejects(s3Error(name, status));
    expect(await relayErrorBy(() => copy())).toMatchObject({ reason, object: URI });
  });
});

describe("remove", () => {
  it("removes an object, and tolerates a missing one", async () => {
    mock.on(DeleteObjectCommand).resolvesOnce({}).rejects(s3Error("NoSuchKey", 404));
    await storage.remove(REF);
    await storage.remove(REF);
  });

  it("throws anything else", async () => {
    mock.on(DeleteObjectCommand).rejects(s3Error("AccessDenied", 403));
    expect(await relayErrorBy(() => storage.remove(REF))).toMatchObject({ reason: "storage-forbidden", object: URI });
  });
});

describe("list", () => {
  const list = () => collect(storage.list("b", "scan-"));

  it("reads every page", async () => {
    mock
      .on(ListObjectsV2Command, { Bucket: "b", Prefix: "scan-" })
      .resolves({
        IsTruncated: true,
        NextContinuationToken: "t",
        Contents: [{ Key: "scan-1/a", ETag: '"1"', Size: 1 }],
      })
      .on(ListObjectsV2Command, { Bucket: "b", Prefix: "scan-", ContinuationToken: "t" })
      .resolves({ IsTruncated: false, Contents: [{ Key: "scan-2/a", ETag: '"2"', Size: 2 }, {}] });
    expect(await list()).toEqual([
      { bucket: "b", key: "scan-1/a", etag: "1", size: 1, lastModified: undefined },
      { bucket: "b", key: "scan-2/a", etag: "2", size: 2, lastModified: undefined },
    ]);
  });

  it("sends the start key with the first page only", async () => {
    mock
      .on(ListObjectsV2Command, { StartAfter: "scan-1" })
      .resolves({ IsTruncated: true, NextContinuationToken: "t", Contents: [{ Key: "scan-1/a" }] })
      .on(ListObjectsV2Command, { ContinuationToken: "t" })
      .resolves({ IsTruncated: false, Contents: [{ Key: "scan-2/a" }] });
    const found = await collect(storage.list("b", "scan-", "scan-1"));
    expect(found.map(({ key }) => key)).toEqual(["scan-1/a", "scan-2/a"]);
    expect(mock.commandCalls(ListObjectsV2Command)[1]?.args[0].input).not.toHaveProperty("StartAfter");
  });

  it("is empty for an empty bucket", async () => {
    mock.on(ListObjectsV2Command).resolves({ IsTruncated: false });
    expect(await list()).toEqual([]);
  });

  it("throws when a truncated page lacks a continuation token", async () => {
    mock.on(ListObjectsV2Command).resolves({ IsTruncated: true, Contents: [{ Key: "scan-1/a" }] });
    expect(await relayErrorBy(list)).toMatchObject({ reason: "storage-unavailable", object: "s3://b/scan-" });
  });

  it("throws when a page fails", async () => {
    mock
      .on(ListObjectsV2Command)
      .resolvesOnce({ IsTruncated: true, NextContinuationToken: "t", Contents: [{ Key: "scan-1/a" }] })
      .rejects(s3Error("SlowDown", 503));
    expect(await relayErrorBy(list)).toMatchObject({ reason: "storage-unavailable" });
  });

  it("passes on the consumer's own errors", async () => {
    mock.on(ListObjectsV2Command).resolves({ IsTruncated: false, Contents: [{ Key: "scan-1/a" }] });
    const read = async () => {
      for await (const _ of storage.list("b", "scan-")) throw new TypeError("mine");
    };
    await expect(read()).rejects.toThrow(new TypeError("mine"));
  });
});

describe("readSmall", () => {
  const small = (most = 4) => readSmall(storage, REF, most, "sidecar-too-large");

  it("returns the whole object", async () => {
    mock.on(GetObjectCommand).resolves({ ETag: '"e"', ContentLength: 4, Body: stream("abcd") });
    expect(await small()).toMatchObject({ head: { etag: "e" }, bytes: Buffer.from("abcd") });
  });

  it("returns nothing when there is none", async () => {
    mock.on(GetObjectCommand).rejects(s3Error("NoSuchKey", 404));
    expect(await small()).toBeUndefined();
  });

  it("refuses an object of larger declared size without reading it", async () => {
    const body = stream("abcde") as Readable;
    mock.on(GetObjectCommand).resolves({ ContentLength: 5, Body: body as never });
    const error = await relayErrorBy(() => small());
    expect(error).toMatchObject({ reason: "sidecar-too-large", object: URI });
    expect(body.destroyed).toBe(true);
  });

  it("refuses a larger object of undeclared size", async () => {
    let sent = 0;
    const endless = Readable.from(
      (function* () {
        for (; sent < 10_000; sent++) yield Buffer.from("abcd");
      })(),
    );
    mock.on(GetObjectCommand).resolves({ Body: endless as never });
    expect(await relayErrorBy(() => small())).toMatchObject({ reason: "sidecar-too-large", object: URI });
    expect(sent).toBeLessThan(100);
  });

  it("treats an interrupted body as an unavailable store", async () => {
    const body = brokenBody("ab", new Error("aborted"));
    mock.on(GetObjectCommand).resolves({ ContentLength: 4, Body: body as never });
    expect(await relayErrorBy(() => small())).toMatchObject({ reason: "storage-unavailable", object: URI });
  });

  it("keeps the error of a body that is interrupted before anybody reads it", async () => {
    const body = new Readable({ read: () => undefined });
    mock.on(GetObjectCommand).resolves({ Body: body as never });
    const found = await storage.read(REF);
    body.destroy(new Error("aborted"));
    await new Promise((closed) => body.once("close", closed));
    await expect(collect(found?.body as Readable)).rejects.toThrow("aborted");
  });
});
