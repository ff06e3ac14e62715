import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commandLog } from "../../cli/command-log.ts";
import { parsePresignedUrl } from "../../cli/hook/presigned-url.ts";
import { serviceLog } from "../../cli/runtime/service-log.ts";
import { readable } from "../../lib/aws/powertools.ts";
import { readServiceConfig } from "../../lib/config.ts";
import { describeError, RelayError } from "../../lib/errors.ts";
import { redact, redactAll } from "../../lib/util/secrets.ts";
import { type Runtime, startRuntime } from "../e2e/runtime.ts";

const NMAP = new URL("../../infra/local/scans/nmap-shop", import.meta.url).pathname;
const KEY = "0123456789abcdef0123456789abcdef01234567";

describe("hardened 7: secrets in the output of the process", () => {
  let proxy: http.Server;
  let runtime: Runtime;
  const lines: string[] = [];

  beforeAll(async () => {
    // A proxy that rejects requests and echoes them: as JSON on some paths, as text across the truncation point of errors on others.
    proxy = http.createServer((request, response) => {
      const { headers } = request;
      request.resume();
      const text = [JSON.stringify({ detail: JSON.stringify(headers) }), `${"x".repeat(430)}${headers.authorization}`];
      response.writeHead(400, { "content-type": "application/json" });
      response.end(request.url?.includes("user_profile") ? text[0] : JSON.stringify({ error: text[1] }));
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const { port } = proxy.address() as AddressInfo;
    runtime = await startRuntime(
      { DEFECTDOJO_URL: `http://127.0.0.1:${port}`, DEFECTDOJO_APIKEY: KEY },
      {},
      {
        log: serviceLog("debug", (line) => lines.push(line) > 0),
      },
    );
  });
  afterAll(async () => {
    await runtime.stop();
    proxy.closeAllConnections();
    proxy.close();
  });

  it("a proxy that echoes request headers reveals the API key in neither log, dead letter, page nor bucket", async () => {
    const key = await runtime.upload(NMAP);
    expect(await runtime.ended(key)).toMatchObject({ state: "failed" });
    const headers = { authorization: `Bearer ${runtime.service.generatedToken}` };
    const page = await fetch(`${runtime.service.url}/api/scans`, { headers });
    const shown = new TextDecoder().decode((await page.body?.getReader().read())?.value);
    const letters = JSON.stringify(await runtime.takeDeadLetters());
    const objects = await Promise.all((await runtime.keys("")).map(async (name) => String(await runtime.get(name))));
    for (const [where, text] of Object.entries({ shown, letters, log: lines.join(""), bucket: objects.join("") })) {
      expect(text.length, where).toBeGreaterThan(100);
      // Not even a prefix of it, where an error was truncated.
      expect(text, where).not.toContain(KEY.slice(0, 8));
    }
    for (const text of [shown, letters, lines.join("")]) expect(text).toContain("[secret]");
  });

  it.each([
    ["DEFECTDOJO_APIKEY", "the-very-api-key", "the-very-api-key"],
    ["WEBHOOK_TOKEN", "two words-token", "two words-token"],
    ["AWS_SECRET_ACCESS_KEY", "aws/secret+key=", "aws%2Fsecret%2Bkey%3D"],
    ["AWS_SESSION_TOKEN", "session-token-1", "session-token-1"],
    ["HTTPS_PROXY", "http://me:pass%20phrase@proxy.example:3128", "pass%20phrase"],
    ["HTTP_PROXY", "http://me:passphrase@proxy.example:3128", Buffer.from("me:passphrase").toString("base64")],
    ["DEFECTDOJO_HEADERS", '{"cf-access-client-secret":"gate-secret-1"}', "gate-secret-1"],
    ["DEFECTDOJO_HEADERS", '{"x":"gate\\"secret\\\\2"}', 'gate\\"secret\\\\2'],
  ])("knows the value of %s (%s), also encoded", (name, value, form) => {
    readServiceConfig({ [name]: value });
    for (const text of [
      redact(`before ${form} after`),
      describeError(new RelayError("internal", `a ${form}`, { cause: new Error(form) })),
      new RelayError("internal", `a ${form}`).message,
      JSON.stringify(readable({ object: form, error: new Error(form), deep: [{ [form]: form }] })),
    ]) {
      expect(text).not.toContain(form);
      expect(text).toContain("[secret]");
    }
  });

  it("redacts the signature of a presigned URL", () => {
    parsePresignedUrl("https://s3.example/b/k?X-Amz-Signature=abcdef0123456789", "address");
    expect(redact("at ?X-Amz-Signature=abcdef0123456789")).toBe("at ?X-Amz-Signature=[secret]");
  });

  it("redacts before it truncates", () => {
    readServiceConfig({ DEFECTDOJO_APIKEY: KEY });
    expect(describeError(new Error(`${"x".repeat(30)}${KEY}`), 60)).toBe(`${"x".repeat(30)}[secret]`);
  });

  it("redacts the output of commands too", () => {
    readServiceConfig({ DEFECTDOJO_APIKEY: KEY });
    const told: string[] = [];
    commandLog((line) => told.push(line)).warn(`it said ${KEY}`, { object: KEY, error: new Error(KEY) });
    expect(told).toEqual(["warning: it said [secret] ([secret]: [secret])\n"]);
  });

  it("leaves values without secrets and non-plain values unchanged", () => {
    const date = new Date(0);
    expect(redactAll({ a: [1, null, date] })).toEqual({ a: [1, null, date] });
    readServiceConfig({ WEBHOOK_TOKEN: "short" });
    expect(redact("a short text")).toBe("a short text");
  });
});
