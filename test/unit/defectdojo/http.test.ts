import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createNetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { neverSent } from "../../../lib/defectdojo/errors.ts";
import { httpTransport, type Transport, type TransportOptions } from "../../../lib/defectdojo/http.ts";
import type { Reason, RelayError } from "../../../lib/errors.ts";
import { type Handler, json, listen, type TestServer, testServer } from "../../helpers/http-server.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

const KEY = "s3cr3t-api-key";
const folder = mkdtempSync(join(tmpdir(), "dojo-relay-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const servers: { close: () => Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const transportTo = (baseUrl: string, options: Partial<TransportOptions> = {}): Transport =>
  httpTransport({ baseUrl, apiKey: async () => KEY, timeoutMs: 30_000, ...options });

async function start(handle: Handler, options: Partial<TransportOptions> = {}) {
  const server: TestServer = await testServer(handle);
  servers.push(server);
  return { server, transport: transportTo(server.url, options), received: server.received };
}
async function startBare(...args: Parameters<typeof listen>) {
  const server = await listen(...args);
  servers.push(server);
  return server;
}
/** No key in the message, nor anywhere on the error. */
const keyless = (error: RelayError) => {
  for (let e: unknown = error; e instanceof Error; e = e.cause) {
    expect(`${e.message} ${e.stack} ${JSON.stringify(e)}`).not.toContain(KEY);
  }
};

describe("requests", () => {
  it("go below /api/v2/ with the key, and come back parsed", async () => {
    const { transport, received } = await start((_, response) => json(response, 200, { count: 1 }));
    expect(await transport.request("GET", "tests/")).toEqual({ status: 200, body: { count: 1 } });
    expect(received[0]).toMatchObject({
      method: "GET",
      url: "/api/v2/tests/",
      headers: { authorization: `Token ${KEY}`, accept: "application/json" },
    });
  });

  it("go below a path of the address", async () => {
    const { server, received } = await start((_, response) => json(response, 200, {}));
    await transportTo(`${server.url}/dojo`).request("GET", "tests/");
    expect(received[0]?.url).toBe("/dojo/api/v2/tests/");
  });

  it("are sent again with the key that took the place of a refused one, a report too", async () => {
    const { server, received } = await start(({ headers }, response) =>
      headers.authorization === "Token new"
        ? json(response, 201, {})
        : json(response, 403, { detail: "Invalid token." }),
    );
    const path = join(folder, "rotated.json");
    writeFileSync(path, "[]");
    const multipart = { fields: [], file: { path, name: "report.json" } };
    const asked: unknown[] = [];
    const apiKey = async (refused?: string) => {
      asked.push(refused);
      return refused === undefined ? "old" : "new";
    };
    await transportTo(server.url, { apiKey }).request("POST", "import-scan/", { multipart });
    expect(asked).toEqual([undefined, "old"]);
    expect(received).toHaveLength(2);
    const rotatedToWrong = { apiKey: async (refused?: string) => `${refused ?? ""}x` };
    const error = await relayErrorBy(() => transportTo(server.url, rotatedToWrong).request("GET", "tests/"));
    expect(error.reason).toBe("dojo-forbidden");
    expect(received).toHaveLength(4);
  });

  it("ask for the key each time, so that a new one is taken up", async () => {
    const keys = ["a", "b"];
    const { server, received } = await start((_, response) => json(response, 200, {}));
    const transport = transportTo(server.url, { apiKey: async () => keys.shift() ?? "" });
    await transport.request("GET", "tests/");
    await transport.request("GET", "tests/");
    expect(received.map(({ headers }) => headers.authorization)).toEqual(["Token a", "Token b"]);
  });

  it("have their query encoded, with commas as they are", async () => {
    const { transport, received } = await start((_, response) => json(response, 200, {}));
    const query = [
      ["name", "a&b=c d+é%?#/"],
      ["id", "1,2,3"],
      ["x\r\nY: z", "1"],
    ] as const;
    await transport.request("GET", "tests/", { query });
    expect(received[0]?.url).toBe("/api/v2/tests/?name=a%26b%3Dc%20d%2B%C3%A9%25%3F%23%2F&id=1,2,3&x%0D%0AY%3A%20z=1");
    expect([...new URLSearchParams(received[0]?.url.split("?")[1])]).toEqual(query.map((pair) => [...pair]));
  });

  it("send JSON with its length in bytes", async () => {
    const { transport, received } = await start((_, response) => json(response, 201, { id: 1 }));
    await transport.request("POST", "products/", { json: { name: "é😀" } });
    const { headers, body } = received[0] ?? {};
    expect(JSON.parse(body?.toString() ?? "")).toEqual({ name: "é😀" });
    expect(headers).toMatchObject({ "content-type": "application/json", "content-length": String(body?.length) });
    expect(headers?.["transfer-encoding"]).toBeUndefined();
  });

  it("may be answered with nothing", async () => {
    const { transport } = await start((_, response) => void response.writeHead(204).end());
    expect(await transport.request("DELETE", "tests/1/")).toEqual({ status: 204, body: undefined });
  });

  it("reuse their connections, but for what may not be sent twice", async () => {
    const ports: (number | undefined)[] = [];
    const { transport } = await start((_, response, raw) => {
      ports.push(raw.socket.remotePort);
      json(response, 200, {});
    });
    for (let i = 0; i < 3; i++) await transport.request("GET", "tests/");
    await transport.request("POST", "tests/", { json: {} });
    await transport.request("POST", "tests/", { json: {} });
    expect(new Set(ports.slice(0, 3)).size).toBe(1);
    expect(new Set(ports).size).toBe(3);
  });
});

describe("multipart", () => {
  const file = (content: Uint8Array | string, name = "report.bin") => {
    const path = join(folder, `file-${Math.random()}`);
    writeFileSync(path, content);
    return { path, name };
  };
  const boundaryOf = (contentType: string | undefined) => /boundary=(\S+)/.exec(contentType ?? "")?.[1] ?? "";

  it("is exact to the byte, with a Content-Length", async () => {
    const { transport, received } = await start((_, response) => json(response, 201, { test_id: 1 }));
    const fields = [
      ["scan_type", "ZAP Scan"],
      ["tags", "a"],
      ["tags", "é"],
    ] as const;
    await transport.request("POST", "import-scan/", { multipart: { fields, file: file("<xml/>", "zap.xml") } });
    const { headers, body } = received[0] ?? {};
    const boundary = boundaryOf(headers?.["content-type"]);
    expect(body?.toString()).toBe(
      [
        `--${boundary}\r\nContent-Disposition: form-data; name="scan_type"\r\n\r\nZAP Scan\r\n`,
        `--${boundary}\r\nContent-Disposition: form-data; name="tags"\r\n\r\na\r\n`,
        `--${boundary}\r\nContent-Disposition: form-data; name="tags"\r\n\r\né\r\n`,
        `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="zap.xml"\r\nContent-Type: application/octet-stream\r\n\r\n`,
        `<xml/>\r\n--${boundary}--\r\n`,
      ].join(""),
    );
    expect(headers?.["content-length"]).toBe(String(body?.length));
    expect(headers?.["transfer-encoding"]).toBeUndefined();
  });

  it.each([
    ["every byte", Uint8Array.from({ length: 1_024 }, (_, i) => i % 256)],
    ["what is no UTF-8", new Uint8Array([0xff, 0xfe, 0xc3, 0x28, 0xed, 0xa0, 0x80])],
    ["nothing", new Uint8Array()],
    ["line ends", "a\r\nb\n\r--\r\n"],
    ["more than a chunk", Buffer.alloc(300_000, "\u00e9\u0000", "latin1")],
  ])("leaves a file of %s unchanged", async (_, content) => {
    const { transport, received } = await start((_, response) => json(response, 201, {}));
    await transport.request("POST", "import-scan/", { multipart: { fields: [], file: file(content) } });
    const { headers, body = Buffer.alloc(0) } = received[0] ?? {};
    const boundary = boundaryOf(headers?.["content-type"]);
    const start_ = body.indexOf("\r\n\r\n") + 4;
    const end = body.lastIndexOf(`\r\n--${boundary}--\r\n`);
    expect(body.subarray(start_, end).equals(Buffer.from(content))).toBe(true);
  });

  it.each([
    'a"b',
    'a\r\nContent-Disposition: form-data; name="engagement"\r\n\r\n9',
    "\r\n--boundary--\r\n",
    "--",
    "😀\u0000",
  ])("carries %j as a value and nothing else", async (value) => {
    const { transport, received } = await start((_, response) => json(response, 201, {}));
    const fields = [["version", value]] as const;
    await transport.request("POST", "import-scan/", { multipart: { fields, file: file("x") } });
    const { headers, body } = received[0] ?? {};
    const parts = (body?.toString() ?? "").split(`--${boundaryOf(headers?.["content-type"])}`);
    expect(parts).toHaveLength(4);
    expect(parts[1]).toBe(`\r\nContent-Disposition: form-data; name="version"\r\n\r\n${value}\r\n`);
  });

  it("has another boundary each time, that nobody can guess", async () => {
    const { transport, received } = await start((_, response) => json(response, 201, {}));
    for (let i = 0; i < 2; i++)
      await transport.request("POST", "import-scan/", { multipart: { fields: [], file: file("x") } });
    const boundaries = received.map(({ headers }) => boundaryOf(headers["content-type"]));
    expect(new Set(boundaries).size).toBe(2);
    for (const boundary of boundaries) expect(boundary).toMatch(/[\da-f]{36}$/);
  });

  it("of a file that is gone is an error of ours that names the request", async () => {
    const { transport } = await start((_, response) => json(response, 201, {}));
    const multipart = { fields: [], file: { path: join(folder, "none"), name: "x" } };
    const error = await relayErrorBy(() => transport.request("POST", "import-scan/", { multipart }));
    expect(error.object).toBe("POST /api/v2/import-scan/");
    expect(neverSent(error)).toBe(true);
  });
});

describe("answers that are refusals", () => {
  it.each<[number, Reason]>([
    [400, "dojo-rejected"],
    [401, "dojo-forbidden"],
    [403, "dojo-forbidden"],
    [404, "dojo-not-found"],
    [405, "dojo-rejected"],
    [408, "dojo-timeout"],
    [409, "dojo-conflict"],
    [413, "dojo-too-large"],
    [415, "dojo-rejected"],
    [429, "dojo-busy"],
    [500, "dojo-unavailable"],
    [502, "dojo-unavailable"],
    [503, "dojo-busy"],
    [504, "dojo-unavailable"],
  ])("%d is %s", async (status, reason) => {
    const { transport } = await start((_, response) => json(response, status, { detail: "No." }));
    const error = await relayErrorBy(() => transport.request("POST", "tests/", { json: {} }));
    expect(error).toMatchObject({
      reason,
      status,
      object: "POST /api/v2/tests/",
      message: `POST /api/v2/tests/: HTTP ${status}: No.`,
    });
    keyless(error);
  });

  it("are answers where they are expected", async () => {
    const { transport } = await start((_, response) => json(response, 404, { detail: "No." }));
    expect(await transport.request("GET", "tests/1/", { expect: [404] })).toEqual({
      status: 404,
      body: { detail: "No." },
    });
  });

  it.each([
    [
      { name: ["product with this name already exists."], message: "{'name': […]}", pro: ["Pro comes with support."] },
      "name: product with this name already exists.",
    ],
    [
      { message: "['Finding severity \"Bogus\" is not supported.']", pro: ["x"] },
      "['Finding severity \"Bogus\" is not supported.']",
    ],
    [['Engagement "9" does not exist'], 'Engagement "9" does not exist'],
    [{ a: ["x", "y"], b: { c: ["z"] } }, "a: x; y; b: c: z"],
    ["text", "text"],
    [{ detail: "Invalid token." }, "Invalid token."],
    [null, ""],
    [17, ""],
  ])("are told in DefectDojo's words: %j", async (body, words) => {
    const { transport } = await start((_, response) => json(response, 400, body));
    const error = await relayErrorBy(() => transport.request("POST", "tests/"));
    expect(error.message).toBe(`POST /api/v2/tests/: HTTP 400${words === "" ? "" : `: ${words}`}`);
  });

  it("are told as what they are, however deep their words", async () => {
    const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
    for (const text of [deep, `${`{"a":`.repeat(20_000)}1${"}".repeat(20_000)}`]) {
      const { transport } = await start((_, response) => void response.writeHead(413).end(text));
      const error = await relayErrorBy(() => transport.request("POST", "tests/"));
      expect(error).toMatchObject({ reason: "dojo-too-large", status: 413 });
    }
  });

  it("are told in short", async () => {
    const { transport } = await start((_, response) => json(response, 400, { detail: "x".repeat(10_000) }));
    expect((await relayErrorBy(() => transport.request("POST", "tests/"))).message.length).toBeLessThan(600);
  });

  it("are told without the page where that is HTML", async () => {
    const { transport } = await start((_, response) => {
      response.writeHead(404, { "content-type": "text/html" }).end("<!DOCTYPE html><h1>Not Found</h1>");
    });
    const error = await relayErrorBy(() => transport.request("POST", "tests/"));
    expect(error.message).toMatch(/^POST \/api\/v2\/tests\/: HTTP 404 from [\d.:]+ with text\/html instead of JSON$/);
  });

  it.each([
    ["7", 7],
    ["0", 0],
    [" 12 ", 12],
    ["99999", 3_600],
    ["soon", undefined],
  ])("keep Retry-After %j as %s seconds", async (value, seconds) => {
    const { transport } = await start((_, response) => json(response, 503, {}, { "retry-after": value }));
    const error = await relayErrorBy(() => transport.request("POST", "tests/"));
    expect(error.retryAfterSeconds).toBe(seconds);
  });

  it("keep a Retry-After that is a date", async () => {
    const at = new Date(Date.now() + 60_000).toUTCString();
    const { transport } = await start((_, response) => json(response, 429, {}, { "retry-after": at }));
    const { retryAfterSeconds } = await relayErrorBy(() => transport.request("POST", "tests/"));
    expect(retryAfterSeconds).toBeGreaterThan(55);
    expect(retryAfterSeconds).toBeLessThanOrEqual(60);
  });

  it("keep one that is past as no wait", async () => {
    const at = new Date(Date.now() - 60_000).toUTCString();
    const { transport } = await start((_, response) => json(response, 429, {}, { "retry-after": at }));
    expect((await relayErrorBy(() => transport.request("POST", "tests/"))).retryAfterSeconds).toBe(0);
  });
});

describe("answers that are none", () => {
  it.each([
    ["HTML", "<!DOCTYPE html><title>Login</title>"],
    ["text", "ok"],
    ["JSON that is cut off", '{"count":'],
  ])("%s with 200 has no body", async (_, text) => {
    const { transport } = await start((_, response) => void response.writeHead(200).end(text));
    expect(await transport.request("GET", "tests/")).toEqual({ status: 200, body: undefined });
  });

  it("one without an end is not held", async () => {
    const server = await startBare((_, response) => {
      response.writeHead(200);
      const chunk = Buffer.alloc(4 * 1024 * 1024, "x");
      const more = () => {
        while (!response.destroyed && response.write(chunk));
        if (!response.destroyed) response.once("drain", more);
      };
      more();
    });
    const error = await relayErrorBy(() => transportTo(server.url).request("GET", "tests/"));
    expect(error).toMatchObject({ reason: "dojo-answer-too-large", object: "GET /api/v2/tests/" });
    expect(error.message).toContain("more than 67108864 bytes");
  });

  it("one that is too large by its own word is not read", async () => {
    let closed = false;
    const server = await startBare((_, response) => {
      response.writeHead(200, { "content-length": String(64 * 1024 * 1024 + 1) }).write("{");
      response.on("close", () => {
        closed = true;
      });
    });
    const error = await relayErrorBy(() => transportTo(server.url).request("GET", "findings/"));
    expect(error).toMatchObject({ reason: "dojo-answer-too-large", object: "GET /api/v2/findings/" });
    await vi.waitFor(() => expect(closed).toBe(true), { timeout: 30_000 });
  });

  it("one that breaks off is unreachable", async () => {
    const server = await startBare((_, response) => {
      response.writeHead(200, { "content-length": "100" }).write("{");
      setTimeout(() => response.destroy(), 10);
    });
    const error = await relayErrorBy(() => transportTo(server.url).request("POST", "tests/"));
    expect(error).toMatchObject({ reason: "dojo-unreachable", object: "POST /api/v2/tests/" });
    expect(neverSent(error)).toBe(false);
  });
});

describe("retries", () => {
  it.each(["GET", "PATCH"] as const)("%s is tried three times where that may help", async (method) => {
    let times = 0;
    const { transport, received } = await start((_, response) =>
      json(response, ++times < 3 ? 502 : 200, { times }, { "retry-after": "0" }),
    );
    expect(await transport.request(method, "tests/", { json: { a: 1 } })).toEqual({ status: 200, body: { times: 3 } });
    expect(received.map(({ body }) => body.toString())).toEqual(Array(3).fill('{"a":1}'));
  });

  it("ends after three", async () => {
    const { transport, received } = await start((_, response) => json(response, 503, {}, { "retry-after": "0" }));
    expect(await relayErrorBy(() => transport.request("GET", "tests/"))).toMatchObject({ reason: "dojo-busy" });
    expect(received).toHaveLength(3);
  });

  it.each([429, 500, 502, 503, 504, 408])("POST is sent once, also where it is answered with %d", async (status) => {
    const { transport, received } = await start((_, response) => json(response, status, {}, { "retry-after": "0" }));
    await relayErrorBy(() => transport.request("POST", "import-scan/", { json: {} }));
    expect(received).toHaveLength(1);
  });

  it("POST and DELETE are sent once, also where there is no answer", async () => {
    const { transport, received } = await start((_, response) => void response.destroy());
    for (const method of ["POST", "DELETE"] as const)
      expect(await relayErrorBy(() => transport.request(method, "tests/1/"))).toMatchObject({
        reason: "dojo-unreachable",
      });
    expect(received).toHaveLength(2);
  });

  it("GET without an answer is sent again", async () => {
    let times = 0;
    const { transport } = await start((_, response) =>
      ++times === 1 ? void response.destroy() : json(response, 200, {}),
    );
    expect(await transport.request("GET", "tests/")).toMatchObject({ status: 200 });
  });

  it.each([400, 401, 403, 404, 413])("%d is no reason to try again", async (status) => {
    const { transport, received } = await start((_, response) => json(response, status, {}));
    await relayErrorBy(() => transport.request("GET", "tests/"));
    expect(received).toHaveLength(1);
  });

  it("wait as long as Retry-After says", async () => {
    let times = 0;
    const { transport } = await start((_, response) =>
      json(response, ++times === 1 ? 429 : 200, {}, { "retry-after": "1" }),
    );
    const started = performance.now();
    await transport.request("GET", "tests/");
    expect(performance.now() - started).toBeGreaterThanOrEqual(990);
  });

  it("are left to the queue where the wait is long", async () => {
    const { transport, received } = await start((_, response) => json(response, 503, {}, { "retry-after": "600" }));
    const error = await relayErrorBy(() => transport.request("GET", "tests/"));
    expect(error).toMatchObject({ reason: "dojo-busy", retryAfterSeconds: 600 });
    expect(received).toHaveLength(1);
  });
});

describe("redirects", () => {
  it.each([301, 302, 303, 307, 308])("%d to another host is refused, and the key stays here", async (status) => {
    const elsewhere = await start((_, response) => json(response, 200, {}));
    const location = `${elsewhere.server.url}/api/v2/tests/?token=x`;
    const { transport, received } = await start((_, response) => void response.writeHead(status, { location }).end());
    const error = await relayErrorBy(() => transport.request("GET", "tests/"));
    expect(error).toMatchObject({ reason: "dojo-redirected", errorClass: "permanent", status });
    expect(error.message).toBe(`GET /api/v2/tests/: HTTP ${status} to ${elsewhere.server.url}/api/v2/tests/`);
    expect(elsewhere.received).toEqual([]);
    expect(received).toHaveLength(1);
    keyless(error);
  });

  it.each([
    ["/login?next=/", "/login"],
    ["tests/x", "/tests/x"],
    ["http://[", "an unreadable URL"],
  ])("to %s on the same host is refused too", async (location, told) => {
    const { transport } = await start((_, response) => void response.writeHead(301, { location }).end());
    expect((await relayErrorBy(() => transport.request("GET", "tests/"))).message).toContain(`HTTP 301 to ${told}`);
  });

  it("without an address is one all the same", async () => {
    const { transport } = await start((_, response) => void response.writeHead(302).end());
    expect(await relayErrorBy(() => transport.request("GET", "tests/"))).toMatchObject({ reason: "dojo-redirected" });
  });
});

describe("a gate before DefectDojo", () => {
  it.each([
    ["another host", "https://login.gate.example/cdn-cgi/access?kid=x", "https://login.gate.example/cdn-cgi/access"],
    ["a login", "/accounts/login/?next=/api/v2/tests/", "/accounts/login/"],
    ["a sign-in", "/oauth2/start?rd=x", "/oauth2/start"],
  ])("that redirects to %s wants a login, and the job waits", async (_, location, told) => {
    const { transport } = await start((__, response) => void response.writeHead(302, { location }).end());
    const error = await relayErrorBy(() => transport.request("POST", "tests/"));
    expect(error).toMatchObject({ reason: "dojo-gate", errorClass: "transient", status: 302 });
    expect(error.message).toBe(`POST /api/v2/tests/: HTTP 302 to ${told}; a gateway requires a login`);
    keyless(error);
  });

  it("gets its headers with every request, a report too, and nobody else does", async () => {
    const headers = async () => ({ "CF-Access-Client-Secret": KEY, Host: "dojo.internal" });
    const { transport, received } = await start((_, response) => json(response, 200, {}), { headers });
    const path = join(folder, "gate.json");
    writeFileSync(path, "[]");
    await transport.request("GET", "tests/");
    await transport.request("POST", "import-scan/", { multipart: { fields: [], file: { path, name: "r.json" } } });
    for (const { headers: seen } of received)
      expect(seen).toMatchObject({
        "cf-access-client-secret": KEY,
        host: "dojo.internal",
        authorization: `Token ${KEY}`,
      });
    const elsewhere = await start((_, response) => json(response, 200, {}));
    const gate = await start(
      (_, response) => void response.writeHead(302, { location: `${elsewhere.server.url}/` }).end(),
      { headers },
    );
    keyless(await relayErrorBy(() => gate.transport.request("POST", "tests/")));
    expect(elsewhere.received).toEqual([]);
  });
});

describe("a 4xx that is not the API's", () => {
  const page = { "content-type": "text/html; charset=utf-8" };

  it.each([400, 401, 403, 404, 405, 451])("%d is told by host and content type, and waits", async (status) => {
    const { transport, server } = await start(
      (_, response) => void response.writeHead(status, page).end("<h1>Bad</h1>"),
    );
    const error = await relayErrorBy(() => transport.request("POST", "tests/", { json: {} }));
    expect(error).toMatchObject({ reason: "dojo-not-json", errorClass: "transient", status });
    expect(error.message).toBe(
      `POST /api/v2/tests/: HTTP ${status} from ${new URL(server.url).host} with text/html; charset=utf-8 instead of JSON`,
    );
    expect(error.advice).toContain("DD_ALLOWED_HOSTS");
    expect(error.advice).toContain("proxies");
  });

  it("is no answer to what was expected of DefectDojo, but for a path that it does not have", async () => {
    const { transport } = await start(
      ({ url }, response) => void response.writeHead(url.includes("gone") ? 404 : 403, page).end("x"),
    );
    const expect403 = () => transport.request("DELETE", "tests/1/", { expect: [403, 404] });
    expect(await relayErrorBy(expect403)).toMatchObject({ reason: "dojo-not-json" });
    expect(await transport.request("DELETE", "gone/", { expect: [403, 404] })).toMatchObject({ status: 404 });
  });

  it.each<[number, Reason]>([
    [408, "dojo-timeout"],
    [409, "dojo-conflict"],
    [413, "dojo-too-large"],
    [429, "dojo-busy"],
  ])("%d says all by itself: %s", async (status, reason) => {
    const { transport } = await start((_, response) => void response.writeHead(status, page).end("<h1>x</h1>"));
    expect(await relayErrorBy(() => transport.request("POST", "tests/"))).toMatchObject({ reason, status });
  });
});

describe("time-outs", () => {
  it("end a request that is not answered", async () => {
    const server = await startBare(() => undefined);
    const transport = transportTo(server.url, { timeoutMs: 100 });
    const error = await relayErrorBy(() => transport.request("POST", "tests/"));
    expect(error).toMatchObject({ reason: "dojo-timeout", errorClass: "transient", object: "POST /api/v2/tests/" });
    expect(neverSent(error)).toBe(false);
  });

  it("end an answer that does not end", async () => {
    const server = await startBare((_, response) => void response.writeHead(200).write("{"));
    const transport = transportTo(server.url, { timeoutMs: 100 });
    expect(await relayErrorBy(() => transport.request("POST", "tests/"))).toMatchObject({ reason: "dojo-timeout" });
  });

  it("may be a request's own", async () => {
    const server = await startBare((_, response) => void setTimeout(() => json(response, 200, {}), 300));
    const transport = transportTo(server.url, { timeoutMs: 100 });
    expect(await transport.request("POST", "tests/", { timeoutMs: 30_000 })).toMatchObject({ status: 200 });
    expect(await relayErrorBy(() => transport.request("POST", "tests/"))).toMatchObject({ reason: "dojo-timeout" });
  });

  it("end an upload that nobody takes", async () => {
    const sink = createNetServer((socket) => void socket.pause());
    await new Promise<void>((resolve) => sink.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void sink.close());
    const { port } = sink.address() as { port: number };
    const path = join(folder, "large");
    writeFileSync(path, Buffer.alloc(20 * 1024 * 1024));
    const multipart = { fields: [], file: { path, name: "x.json" } };
    const transport = transportTo(`http://127.0.0.1:${port}`, { timeoutMs: 300 });
    const error = await relayErrorBy(() => transport.request("POST", "import-scan/", { multipart }));
    expect(error).toMatchObject({ reason: "dojo-timeout" });
  });
});

describe("uploads that are refused before they are through", () => {
  it.each([
    ["and the connection stays", false],
    ["and the connection is closed", true],
  ])("are refused in the server's words: 413 %s", async (_, close) => {
    const server = await startBare((request, response) => {
      request.once("data", () => {
        request.pause();
        response.writeHead(413, { connection: "close" });
        response.end('{"detail":"Too large."}', () => {
          if (close) setTimeout(() => request.socket.destroySoon(), 500);
          else request.resume();
        });
      });
    });
    const path = join(folder, "large");
    writeFileSync(path, Buffer.alloc(30 * 1024 * 1024));
    const multipart = { fields: [], file: { path, name: "x.json" } };
    const error = await relayErrorBy(() => transportTo(server.url).request("POST", "import-scan/", { multipart }));
    expect(error).toMatchObject({ reason: "dojo-too-large", status: 413 });
  });
});

describe("connections that fail", () => {
  it("that are refused have never been sent", async () => {
    const server = await listen(() => undefined);
    await server.close();
    const error = await relayErrorBy(() => transportTo(server.url).request("POST", "tests/"));
    expect(error).toMatchObject({ reason: "dojo-unreachable", errorClass: "transient", object: "POST /api/v2/tests/" });
    expect(error.message).toContain("ECONNREFUSED");
    expect(neverSent(error)).toBe(true);
    keyless(error);
  });

  it("to a name with several addresses have never been sent where all refuse", async () => {
    const server = await listen(() => undefined);
    await server.close();
    const error = await relayErrorBy(() => transportTo(`http://localhost:${server.port}`).request("POST", "tests/"));
    expect(error).toMatchObject({ reason: "dojo-unreachable" });
    expect(neverSent(error)).toBe(true);
  });

  it("without a key are never made", async () => {
    const { server, received } = await start((_, response) => json(response, 200, {}));
    const apiKey = async () => {
      throw new Error("the secret store is down");
    };
    const error = await relayErrorBy(() => transportTo(server.url, { apiKey }).request("POST", "tests/"));
    expect(error).toMatchObject({ errorClass: "transient", object: "POST /api/v2/tests/" });
    expect(neverSent(error)).toBe(true);
    expect(received).toEqual([]);
  });

  it("that are reset may have been sent", async () => {
    const server = await startBare((request) => void request.socket.resetAndDestroy());
    const error = await relayErrorBy(() => transportTo(server.url).request("POST", "tests/", { json: {} }));
    expect(error).toMatchObject({ reason: "dojo-unreachable" });
    expect(neverSent(error)).toBe(false);
  });

  it("that speak no HTTP are unreachable", async () => {
    const server = createNetServer((socket) => void socket.end("SSH-2.0-OpenSSH_9.6\r\n"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as { port: number };
    const error = await relayErrorBy(() => transportTo(`http://127.0.0.1:${port}`).request("POST", "tests/"));
    expect(error).toMatchObject({ reason: "dojo-unreachable", object: "POST /api/v2/tests/" });
  });

  it("a key that no header can hold is told without it", async () => {
    const { server } = await start((_, response) => json(response, 200, {}));
    const transport = transportTo(server.url, { apiKey: async () => `${KEY}\n` });
    const error = await relayErrorBy(() => transport.request("POST", "tests/"));
    expect(error.object).toBe("POST /api/v2/tests/");
    keyless(error);
  });
});

/** A self-signed certificate for 127.0.0.1, made here; undefined where there is no openssl. */
function certificate(): { key: string; cert: string; path: string } | undefined {
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"];
  try {
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    execFileSync("openssl", ["req", "-x509", "-nodes", ...curve, "-keyout", key, "-out", cert, ...subject], {
      stdio: "ignore",
    });
  } catch {
    process.stderr.write("\n*** SKIPPED: TLS of the DefectDojo client. It takes openssl. ***\n\n");
    return undefined;
  }
  return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8"), path: cert };
}

describe("TLS", () => {
  const tls = certificate();

  it.skipIf(tls === undefined)(
    "is verified: a self-signed certificate is refused before anything is sent",
    async () => {
      let requests = 0;
      const server = await startBare((_, response) => {
        requests++;
        json(response, 200, {});
      }, tls);
      const error = await relayErrorBy(() => transportTo(server.url).request("GET", "tests/"));
      expect(error).toMatchObject({ reason: "dojo-tls", errorClass: "permanent", object: "GET /api/v2/tests/" });
      expect(error.message).toContain("SELF_SIGNED_CERT");
      expect(neverSent(error)).toBe(true);
      expect(requests).toBe(0);
    },
  );

  it.skipIf(tls === undefined)("is trusted with a private CA by NODE_EXTRA_CA_CERTS", async () => {
    const server = await startBare((_, response) => json(response, 200, { trusted: true }), tls);
    const script = `
      const { httpTransport } = await import(${JSON.stringify(new URL("../../../lib/defectdojo/http.ts", import.meta.url).href)});
      const transport = httpTransport({ baseUrl: ${JSON.stringify(server.url)}, apiKey: async () => "k", timeoutMs: 30000 });
      console.log(JSON.stringify(await transport.request("GET", "tests/")));
      process.exit(0);`;
    const { spawn } = await import("node:child_process");
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: tls?.path ?? "" },
    });
    let [out, err] = ["", ""];
    child.stdout.on("data", (chunk) => {
      out += chunk;
    });
    child.stderr.on("data", (chunk) => {
      err += chunk;
    });
    await new Promise((resolve) => child.once("close", resolve));
    expect(out, err).toContain('{"status":200,"body":{"trusted":true}}');
  });

  it.skipIf(tls === undefined)("is named where the server speaks plain HTTP", async () => {
    const server = await startBare((_, response) => json(response, 200, {}));
    const transport = transportTo(server.url.replace("http:", "https:"));
    const error = await relayErrorBy(() => transport.request("GET", "tests/"));
    expect(error).toMatchObject({ reason: "dojo-tls" });
    expect(error.message).toContain("the server answers without TLS");
  });
});

describe("proxies", () => {
  it("are used where HTTP_PROXY names one", async () => {
    const proxy = await start((_, response) => json(response, 200, { by: "proxy" }));
    const transport = transportTo("http://dojo.invalid", { proxyEnv: { HTTP_PROXY: proxy.server.url } });
    expect(await transport.request("GET", "tests/")).toMatchObject({ body: { by: "proxy" } });
    expect(proxy.received[0]?.url).toBe("http://dojo.invalid/api/v2/tests/");
  });

  it("are used for POST too", async () => {
    const proxy = await start((_, response) => json(response, 200, { by: "proxy" }));
    const transport = transportTo("http://dojo.invalid", { proxyEnv: { http_proxy: proxy.server.url } });
    expect(await transport.request("POST", "tests/", { json: {} })).toMatchObject({ body: { by: "proxy" } });
  });

  it("are left out for NO_PROXY", async () => {
    const proxy = await start((_, response) => json(response, 200, { by: "proxy" }));
    const { server } = await start((_, response) => json(response, 200, { by: "dojo" }));
    const proxyEnv = { HTTP_PROXY: proxy.server.url, NO_PROXY: "127.0.0.1" };
    expect(await transportTo(server.url, { proxyEnv }).request("GET", "tests/")).toMatchObject({
      body: { by: "dojo" },
    });
    expect(proxy.received).toEqual([]);
  });

  it("tunnel TLS by CONNECT, without seeing the key", async () => {
    const seen: string[] = [];
    const proxy = createNetServer((socket) => {
      socket.once("data", (chunk) => {
        seen.push(chunk.toString());
        socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
      });
      socket.on("error", () => undefined);
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void proxy.close());
    const { port } = proxy.address() as { port: number };
    const transport = transportTo("https://dojo.invalid", { proxyEnv: { HTTPS_PROXY: `http://127.0.0.1:${port}` } });
    const error = await relayErrorBy(() => transport.request("POST", "tests/"));
    expect(error).toMatchObject({ reason: "dojo-unreachable", object: "POST /api/v2/tests/" });
    expect(seen[0]).toMatch(/^CONNECT dojo\.invalid:443 /);
    expect(seen.join("")).not.toContain(KEY);
    keyless(error);
  });

  it("are not used where no environment is handed in", async () => {
    const { server } = await start((_, response) => json(response, 200, { by: "dojo" }));
    expect(await transportTo(server.url).request("GET", "tests/")).toMatchObject({ body: { by: "dojo" } });
  });
});
