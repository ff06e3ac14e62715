import { createHash } from "node:crypto";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { codeOf, PATIENCE, type RawS3, SIGNED, startRawS3 } from "./raw-s3.ts";

const CRC32_OF_HELLO_WORLD = "DUoRhQ==";

let s3: RawS3;
const send: RawS3["send"] = (...request) => s3.send(...request);

beforeAll(async () => {
  s3 = await startRawS3();
});
afterEach(() => expect(s3.reports.splice(0)).toEqual([]));
afterAll(() => s3.close());

describe("aws-chunked bodies", () => {
  const put = (payload: string, headers: Record<string, string>, body: string, length = 11) =>
    send(
      "PUT",
      "/bucket/chunked",
      { "x-amz-content-sha256": payload, "x-amz-decoded-content-length": `${length}`, ...headers },
      body,
    );
  const signature = `;chunk-signature=${"0".repeat(64)}`;

  test("signed, in several chunks", async () => {
    const body = `5${signature}\r\nhello\r\n6${signature}\r\n world\r\n0${signature}\r\n\r\n`;
    const { status } = await put(
      "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
      { "content-encoding": "gzip,aws-chunked" },
      body,
    );
    expect(status).toBe(200);
    const read = await send("HEAD", "/bucket/chunked");
    expect(read.headers.get("content-encoding")).toBe("gzip");
    expect(read.headers.get("etag")).toBe(`"${createHash("md5").update("hello world").digest("hex")}"`);
  });

  test.for([
    ["unsigned", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "", ""],
    [
      "signed",
      "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
      signature,
      `x-amz-trailer-signature:${"0".repeat(64)}\r\n`,
    ],
  ] as const)("%s, with the checksum in a trailer", async ([, payload, sign, end]) => {
    const body = (checksum: string) =>
      `b${sign}\r\nhello world\r\n0${sign}\r\nx-amz-checksum-crc32:${checksum}\r\n${end}\r\n`;
    const headers = { "x-amz-trailer": "x-amz-checksum-crc32", "x-amz-sdk-checksum-algorithm": "CRC32" };
    expect((await put(payload, headers, body(CRC32_OF_HELLO_WORLD))).status).toBe(200);
    const read = await send("GET", "/bucket/chunked", { "x-amz-checksum-mode": "ENABLED" });
    expect(read.text).toBe("hello world");
    expect(read.headers.get("x-amz-checksum-crc32")).toBe(CRC32_OF_HELLO_WORLD);
    expect(codeOf((await put(payload, headers, body("AAAAAA=="))).text)).toBe("BadDigest");
    expect(codeOf((await put(payload, headers, `b${sign}\r\nhello world\r\n0${sign}\r\n\r\n`)).text)).toBe(
      "InvalidRequest",
    );
  });

  test("with a trailer as minio-go sends it: LF, an empty line, the signature", async () => {
    const end = `x-amz-checksum-crc32:${CRC32_OF_HELLO_WORLD}\n\r\nx-amz-trailer-signature:${"0".repeat(64)}\r\n\r\n`;
    const body = `b${signature}\r\nhello world\r\n0${signature}\r\n${end}`;
    const headers = { "x-amz-trailer": "x-amz-checksum-crc32" };
    expect((await put("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", headers, body)).status).toBe(200);
  });

  test.for([
    ["a size that is no number", "xyz\r\nhello world\r\n0\r\n\r\n", "InvalidRequest"],
    ["a chunk longer than it says", "5\r\nhello world\r\n0\r\n\r\n", "InvalidRequest"],
    ["an end before the last chunk", "b\r\nhello world\r\n", "IncompleteBody"],
    ["fewer bytes than declared", "5\r\nhello\r\n0\r\n\r\n", "IncompleteBody"],
    ["more bytes than declared", "c\r\nhello world!\r\n0\r\n\r\n", "IncompleteBody"],
    ["bytes after the end", "b\r\nhello world\r\n0\r\n\r\nmore", "InvalidRequest"],
  ] as const)("with %s are refused", async ([, body, code]) => {
    const before = await send("GET", "/bucket/chunked");
    const { status, text } = await put("STREAMING-UNSIGNED-PAYLOAD-TRAILER", {}, body);
    expect([status, codeOf(text)]).toEqual([400, code]);
    expect((await send("GET", "/bucket/chunked")).text).toBe(before.text);
  });

  test("of a signature scheme that is not supported are 501", async () => {
    expect((await put("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", {}, "")).status).toBe(501);
  });
});

describe("integrity of plain bodies", () => {
  test.for([
    ["x-amz-content-sha256", "0".repeat(64), 400, "XAmzContentSHA256Mismatch"],
    ["x-amz-content-sha256", "nonsense", 400, "InvalidArgument"],
    ["content-md5", "nonsense", 400, "InvalidDigest"],
    ["x-amz-checksum-crc32", "nonsense", 400, "InvalidRequest"],
    ["x-amz-checksum-xxhash64", "AAAAAAAAAAA=", 501, "NotImplemented"],
    ["x-amz-sdk-checksum-algorithm", "CRC32", 400, "InvalidRequest"],
  ] as const)("%s: %s is %i", async ([name, value, status, code]) => {
    const answer = await send("PUT", "/bucket/plain", { [name]: value }, "hello world");
    expect([answer.status, codeOf(answer.text)]).toEqual([status, code]);
  });

  test("two checksums at once are refused", async () => {
    const headers = {
      "x-amz-checksum-crc32": CRC32_OF_HELLO_WORLD,
      "x-amz-checksum-sha1": "Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
    };
    expect((await send("PUT", "/bucket/plain", headers, "hello world")).status).toBe(400);
  });

  test("an upload that breaks off leaves neither object nor file", async () => {
    const files = () => readdir(join(s3.dataDir, "bodies"));
    const before = (await files()).length;
    const upload = request(`${s3.url()}/bucket/broken`, {
      method: "PUT",
      headers: { ...SIGNED, "content-length": "1000000" },
    });
    upload.on("error", () => undefined);
    upload.write(Buffer.alloc(100_000));
    await vi.waitFor(async () => expect(await files()).toHaveLength(before + 1), PATIENCE);
    upload.destroy();
    await vi.waitFor(async () => expect(await files()).toHaveLength(before), PATIENCE);
    expect((await send("HEAD", "/bucket/broken")).status).toBe(404);
  });

  test("a refusal in the midst of a large body leaves the client's only connection free", async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const statusOf = async (method: string, body: Buffer, headers: Record<string, string | number>) => {
      const asking = request(`${s3.url()}/bucket/midst`, { method, agent, headers: { ...SIGNED, ...headers } });
      asking.end(body);
      const [response] = await once(asking, "response");
      await response.resume().toArray();
      return response.statusCode;
    };
    const malformed = Buffer.alloc(30 * 1024 ** 2, "not a chunk\r\n");
    const headers = {
      "content-length": malformed.length,
      "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
      "x-amz-decoded-content-length": 1,
    };
    expect(await statusOf("PUT", malformed, headers)).toBe(400);
    expect(await statusOf("GET", Buffer.alloc(0), {})).toBe(404);
    agent.destroy();
  });

  test("a body of unknown length is refused", async () => {
    const upload = request(`${s3.url()}/bucket/unknown`, { method: "PUT", headers: SIGNED });
    upload.write("hel");
    upload.end("lo");
    const [response] = await once(upload, "response");
    response.resume();
    expect(response.statusCode).toBe(411);
  });
});
