import { mkdtemp, readFile, rm } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startService } from "../../cli/runtime/service.ts";
import { keptToken } from "../../cli/runtime/webhook-token.ts";
import { refusal } from "../../infra/local/http-guard.ts";
import { readServiceConfig } from "../../lib/config.ts";
import { type Runtime, startRuntime } from "../e2e/runtime.ts";

describe("hardened 5: Host and Origin", () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await startRuntime({ ALLOWED_HOSTS: "relay.example.com,*.svc" });
  });
  afterAll(() => runtime.stop());

  it.each<[host: string, origin: string | undefined, status: number]>([
    ["127.0.0.1", undefined, 200],
    ["localhost:99", undefined, 200],
    ["[::1]", undefined, 200],
    ["10.2.3.4:8080", undefined, 200],
    ["relay.example.com", undefined, 200],
    ["RELAY.example.com.", "https://relay.example.com", 200],
    ["dojo-relay.scans.svc:80", undefined, 200],
    ["localhost", "http://localhost", 200],
    ["attacker.example", undefined, 403],
    ["localhost.attacker.example", undefined, 403],
    ["127.0.0.1.attacker.example", undefined, 403],
    ["svc", undefined, 403],
    ["localhost@attacker.example", undefined, 403],
    ["127.0.0.1", "https://attacker.example", 403],
    ["127.0.0.1", "http://127.0.0.1:1", 403],
    ["127.0.0.1", "null", 403],
    ["127.0.0.1", "file://", 403],
  ])("the receiver answers Host %s, Origin %s with %i", async (host, origin, status) => {
    const answer = await request(`${runtime.service.url}/healthz`, "GET", { host, ...(origin && { origin }) });
    expect(answer.status).toBe(status);
  });

  it("the embedded S3 and SQS answer programs on this machine only", async () => {
    for (const url of [runtime.service.s3Endpoint, runtime.service.sqsEndpoint])
      for (const [headers, status] of [
        [{}, /^[45]0[013]$/],
        [{ host: "attacker.example" }, /^403$/],
        [{ origin: "https://attacker.example" }, /^403$/],
        [{ origin: "null" }, /^403$/],
      ] as const) {
        const { status: got, body } = await request(`${url}/securecodebox/x`, "POST", { ...headers });
        expect(String(got)).toMatch(status);
        expect(body.includes("for programs on this machine")).toBe(Object.keys(headers).length > 0);
      }
  });

  it("the stand-in DefectDojo, whose key is public, rejects pages of other sites", async () => {
    const { url } = runtime.standin;
    for (const [headers, status] of [
      [{}, 200],
      [{ host: "attacker.example" }, 403],
      [{ origin: "https://attacker.example" }, 403],
      [{ origin: url }, 200],
    ] as const)
      expect((await request(`${url}/`, "GET", { ...headers })).status).toBe(status);
  });

  it("rejects a cross-origin POST to /events without a token on loopback too, without revealing the token", async () => {
    const { status, body } = await request(`${runtime.service.url}/events`, "POST", { "content-type": "text/plain" });
    expect(status).toBe(401);
    expect(body).not.toContain(runtime.service.generatedToken);
  });

  it("always has a token, private in DATA_DIR, which stays the same", async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-token-"));
    const [one, two] = await Promise.all([keptToken(dataDir), keptToken(dataDir)]);
    expect(one).toMatch(/^[\da-f]{48}$/);
    expect(two).toBe(one);
    expect(await readFile(join(dataDir, "webhook-token"), "utf8")).toBe(one);
    await rm(dataDir, { recursive: true });
  });

  it("also with an external store", async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-token-"));
    const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
    const service = await startService(
      {
        PORT: "0",
        DATA_DIR: dataDir,
        DEFECTDOJO_URL: "http://127.0.0.1:9",
        DEFECTDOJO_APIKEY: "k",
        AWS_ENDPOINT_URL_S3: "http://127.0.0.1:9",
      },
      silent,
    );
    expect((await request(`${service.url}/events`, "POST", {})).status).toBe(401);
    expect(service.generatedToken).toBe(await keptToken(dataDir));
    await service.stop();
    await rm(dataDir, { recursive: true });
  });

  it("ALLOWED_HOSTS accepts only names", () => {
    expect(readServiceConfig({ ALLOWED_HOSTS: " A.example.com, *.b , * " }).ALLOWED_HOSTS).toEqual([
      "a.example.com",
      "*.b",
      "*",
    ]);
    for (const bad of ["http://x", "a b", "*x", "a..b", "x:80"])
      expect(() => readServiceConfig({ ALLOWED_HOSTS: bad })).toThrow(/ALLOWED_HOSTS/);
    const any = { headers: { host: "whatever.example" } } as http.IncomingMessage;
    expect(refusal(any, { hosts: ["*"] })).toBeUndefined();
  });
});

/** Uses node:http, because fetch does not allow setting Host. */
function request(url: string, method: string, headers: Record<string, string>) {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const sent = http.request(url, { method, headers, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        body += text;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    sent.on("error", reject).end();
  });
}
