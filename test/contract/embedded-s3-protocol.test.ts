import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { EmbeddedServer } from "../../cli/embedded/http-listener.ts";
import { startEmbeddedS3 } from "../../cli/embedded/s3-server.ts";

/** What no SDK sends, or not on demand. Signatures are not verified, so these need not be right. */
const SIGNED = {
  authorization: "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0",
};
const CRC32_OF_HELLO_WORLD = "DUoRhQ==";

const PATIENCE = { timeout: 10_000, interval: 20 };

let dataDir: string;
let server: EmbeddedServer;
const reports: string[] = [];

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-s3-"));
  server = await startEmbeddedS3({ dataDir, report: (message) => reports.push(message) });
  await send("PUT", "/bucket");
});
afterEach(() => expect(reports.splice(0)).toEqual([]));
afterAll(async () => {
  await server.close();
  await rm(dataDir, { recursive: true });
});

async function send(
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: string | Uint8Array<ArrayBuffer>,
) {
  const init = { method, headers: { ...SIGNED, ...headers }, ...(body !== undefined && { body }) };
  const response = await fetch(server.url + path, init);
  return { status: response.status, headers: response.headers, text: await response.text() };
}

function codeOf(text: string): string | undefined {
  return /<Code>(\w+)<\/Code>/.exec(text)?.[1];
}

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
    const files = () => readdir(join(dataDir, "bodies"));
    const before = (await files()).length;
    const upload = request(`${server.url}/bucket/broken`, {
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
      const asking = request(`${server.url}/bucket/midst`, { method, agent, headers: { ...SIGNED, ...headers } });
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
    const upload = request(`${server.url}/bucket/unknown`, { method: "PUT", headers: SIGNED });
    upload.write("hel");
    upload.end("lo");
    const [response] = await once(upload, "response");
    response.resume();
    expect(response.statusCode).toBe(411);
  });
});

describe("who may ask", () => {
  const now = () => new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const presigned = (path: string, expires: number, more = "") =>
    `${server.url}${path}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a&X-Amz-Date=${now()}&X-Amz-Expires=${expires}&X-Amz-SignedHeaders=host&X-Amz-Signature=0${more}`;

  test("presigned PUT and GET are served", async () => {
    const put = await fetch(presigned("/bucket/presigned", 60, "&x-amz-meta-a=1&x-id=PutObject"), {
      method: "PUT",
      body: "hello",
    });
    expect(put.status).toBe(200);
    const got = await fetch(presigned("/bucket/presigned", 60, "&response-content-type=text%2Fplain"));
    expect([await got.text(), got.headers.get("content-type"), got.headers.get("x-amz-meta-a")]).toEqual([
      "hello",
      "text/plain",
      "1",
    ]);
  });

  test("presigned requests that expired, that ask for more, or that are no GET or PUT, are refused", async () => {
    expect((await fetch(presigned("/bucket/presigned", 0))).status).toBe(403);
    expect(
      (await fetch(presigned("/bucket/presigned", 60, "&X-Amz-Tagging=a%3Db"), { method: "PUT", body: "x" })).status,
    ).toBe(501);
    expect((await fetch(presigned("/bucket", 60, "&delete"), { method: "POST", body: "x" })).status).toBe(403);
    expect((await fetch(presigned("/bucket/presigned", 60), { method: "DELETE" })).status).toBe(403);
  });

  test("unsigned requests, as a web page can send them, are refused", async () => {
    for (const [method, path] of [
      ["GET", "/"],
      ["PUT", "/bucket/x"],
      ["POST", "/bucket?delete"],
      ["OPTIONS", "/bucket"],
    ] as const) {
      const response = await fetch(server.url + path, { method });
      expect(response.status).toBe(403);
      expect(response.headers.get("access-control-allow-origin")).toBeNull();
    }
  });

  test("other addresses than loopback are refused", async () => {
    await expect(startEmbeddedS3({ dataDir: join(dataDir, "other"), host: "0.0.0.0" })).rejects.toThrow(/loopback/);
  });
});

describe("errors", () => {
  test("are the XML of S3, and have no body in answer to HEAD", async () => {
    const { status, text, headers } = await send("GET", "/bucket/absent%20%C3%BC?x-id=GetObject");
    expect([status, headers.get("content-type")]).toEqual([404, "application/xml"]);
    const id = headers.get("x-amz-request-id");
    expect(text).toBe(
      `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Resource>/bucket/absent%20%C3%BC</Resource><RequestId>${id}</RequestId></Error>`,
    );
    expect(await send("HEAD", "/bucket/absent")).toMatchObject({ status: 404, text: "" });
  });

  test.for([
    ["GET", "/bucket/x?torrent", 501],
    ["GET", "/bucket/x?unheard-of=1", 501],
    ["GET", "/?max-buckets=1", 501],
    ["PATCH", "/bucket/x", 501],
    ["POST", "/bucket", 501],
    ["POST", "/bucket/x", 501],
    ["PUT", "/", 501],
    ["GET", "/bucket/%E0%A4%A", 400],
    ["GET", "/bucket/x?versionId=abc", 404],
    ["GET", "/bucket?list-type=2&max-keys=many", 400],
    ["GET", "/bucket?list-type=2&encoding-type=rot13", 400],
    ["PUT", "/bucket/x?partNumber=1&uploadId=none", 404],
    ["PUT", "/bucket/x?partNumber=1", 501],
  ] as const)("%s %s is %i", async ([method, path, status]) => {
    if (path.includes("versionId")) await send("PUT", "/bucket/x", {}, "x");
    expect((await send(method, path, {}, method === "GET" ? undefined : "")).status).toBe(status);
  });

  test("the version null is the object itself", async () => {
    await send("PUT", "/bucket/versioned", {}, "x");
    expect((await send("GET", "/bucket/versioned?versionId=null")).text).toBe("x");
  });

  test.for([
    ["no XML", "nonsense", 400],
    ["an unclosed element", "<Delete><Object><Key>a</Key></Object>", 400],
    ["a DTD", '<!DOCTYPE d [<!ENTITY e "x">]><Delete><Object><Key>&e;</Key></Object></Delete>', 400],
    ["an unknown entity", "<Delete><Object><Key>&e;</Key></Object></Delete>", 400],
    ["the wrong root", "<Remove/>", 400],
    ["no objects", "<Delete></Delete>", 400],
    ["a condition that is not supported", "<Delete><Object><Key>a</Key><Size>1</Size></Object></Delete>", 501],
    [
      "a namespace, CDATA and references",
      '<s:Delete xmlns:s="x"><!-- c --><Object><Key><![CDATA[<a>]]>&#x26;&#38;</Key></Object></s:Delete>',
      200,
    ],
  ] as const)("a Delete of %s is %3$i", async ([, body, status]) => {
    const answer = await send("POST", "/bucket?delete", {}, body);
    expect(answer.status).toBe(status);
    if (status === 200) expect(answer.text).toContain("<Key>&#60;a&#62;&#38;&#38;</Key>");
  });

  test("a Delete by ETag or version deletes nothing else", async () => {
    await send("PUT", "/bucket/guarded", {}, "x");
    const entries = ["<VersionId>v1</VersionId>", "<ETag>other</ETag>"].map(
      (more) => `<Object><Key>guarded</Key>${more}</Object>`,
    );
    const { text } = await send("POST", "/bucket?delete", {}, `<Delete>${entries.join("")}</Delete>`);
    expect([...text.matchAll(/<Code>(\w+)<\/Code>/g)].map(([, code]) => code)).toEqual([
      "NoSuchVersion",
      "PreconditionFailed",
    ]);
    expect((await send("DELETE", "/bucket/guarded", { "if-match": '"other"' })).status).toBe(412);
    expect((await send("GET", "/bucket/guarded")).text).toBe("x");
  });
});

describe("the data directory", () => {
  test("an object that is overwritten or deleted while it is read is read to its end", async () => {
    const first = Buffer.alloc(8 * 1024 ** 2, "1");
    await send("PUT", "/bucket/slow", {}, first);
    const reader = request(`${server.url}/bucket/slow`, { headers: SIGNED });
    reader.end();
    const [response] = await once(reader, "response");
    await send("PUT", "/bucket/slow", {}, "2");
    await send("DELETE", "/bucket/slow");
    const blocks: Buffer[] = [];
    for await (const block of response) blocks.push(block);
    expect(Buffer.concat(blocks).equals(first)).toBe(true);
  });

  test("holds no file but those of objects and uploads", async () => {
    for (const body of ["1", "2", "3"]) await send("PUT", "/bucket/once", {}, body);
    const { text } = await send("GET", "/bucket?list-type=2");
    const count = Number(/<KeyCount>(\d+)/.exec(text)?.[1]);
    await vi.waitFor(async () => expect(await readdir(join(dataDir, "bodies"))).toHaveLength(count), PATIENCE);
  });

  test("is that of one server at a time", async () => {
    await expect(startEmbeddedS3({ dataDir })).rejects.toThrow(/in use by another process/);
    expect((await send("GET", "/bucket/once")).text).toBe("3");
  });

  test("is free again when a start failed", async () => {
    const other = join(dataDir, "other");
    await expect(startEmbeddedS3({ dataDir: other, port: server.port })).rejects.toThrow(/EADDRINUSE/);
    await (await startEmbeddedS3({ dataDir: other })).close();
  });

  test("is cleaned of orphans at start, and of nothing else", async () => {
    await server.close();
    await writeFile(join(dataDir, "bodies", "orphan"), "of a crash");
    server = await startEmbeddedS3({ dataDir, report: (message) => reports.push(message) });
    expect(await readdir(join(dataDir, "bodies"))).not.toContain("orphan");
    expect((await send("GET", "/bucket/once")).text).toBe("3");
  });
});
