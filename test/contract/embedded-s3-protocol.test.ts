import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readdir, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { startEmbeddedS3 } from "../../infra/local/s3/server.ts";
import { PATIENCE, type RawS3, SIGNED, startRawS3 } from "./raw-s3.ts";

let s3: RawS3;
const send: RawS3["send"] = (...request) => s3.send(...request);

beforeAll(async () => {
  s3 = await startRawS3();
});
afterEach(() => expect(s3.reports.splice(0)).toEqual([]));
afterAll(() => s3.close());

describe("who may ask", () => {
  const now = () => new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const presigned = (path: string, expires: number, more = "") =>
    `${s3.url()}${path}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a&X-Amz-Date=${now()}&X-Amz-Expires=${expires}&X-Amz-SignedHeaders=host&X-Amz-Signature=0${more}`;

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
      const response = await fetch(s3.url() + path, { method });
      expect(response.status).toBe(403);
      expect(response.headers.get("access-control-allow-origin")).toBeNull();
    }
  });

  test("other addresses than loopback are refused", async () => {
    await expect(startEmbeddedS3({ dataDir: join(s3.dataDir, "other"), host: "0.0.0.0" })).rejects.toThrow(/loopback/);
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
    const reader = request(`${s3.url()}/bucket/slow`, { headers: SIGNED });
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
    await vi.waitFor(async () => expect(await readdir(join(s3.dataDir, "bodies"))).toHaveLength(count), PATIENCE);
  });

  test("is that of one server at a time", async () => {
    await expect(startEmbeddedS3({ dataDir: s3.dataDir })).rejects.toThrow(/in use by another process/);
    expect((await send("GET", "/bucket/once")).text).toBe("3");
  });

  test("is free again when a start failed", async () => {
    const other = join(s3.dataDir, "other");
    await expect(startEmbeddedS3({ dataDir: other, port: s3.port() })).rejects.toThrow(/EADDRINUSE/);
    await (await startEmbeddedS3({ dataDir: other })).close();
  });

  test("is cleaned of orphans at start, and of nothing else", async () => {
    const orphan = randomUUID();
    await s3.restart(() => writeFile(join(s3.dataDir, "bodies", orphan), "of a crash"));
    expect(await readdir(join(s3.dataDir, "bodies"))).not.toContain(orphan);
    expect((await send("GET", "/bucket/once")).text).toBe("3");
  });
});
