import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { StandinOptions } from "../../../infra/local/defectdojo/options.ts";
import { type Standin, startStandin } from "../../../infra/local/defectdojo/server.ts";

const PATIENCE = { timeout: 30_000 };

let standin: Standin;
afterEach(() => standin?.close());

async function start(options: StandinOptions = {}): Promise<void> {
  standin = await startStandin(options);
}

async function send(
  method: string,
  path: string,
  body?: object | FormData,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const form = body instanceof FormData;
  const response = await fetch(`${standin.url}/api/v2${path}`, {
    method,
    headers: {
      Authorization: `Token ${standin.apiKey}`,
      ...(form || !body ? {} : { "Content-Type": "application/json" }),
    },
    body: body === undefined ? null : form ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, body: text.startsWith("{") ? JSON.parse(text) : {} };
}

async function engagement(): Promise<number> {
  const product = await send("POST", "/products/", { name: "P", description: "x", prod_type: 1 });
  const dates = { target_start: "2026-01-01", target_end: "2026-01-01" };
  return (await send("POST", "/engagements/", { name: "E", product: product.body.id, ...dates })).body.id as number;
}

function report(engagementId: number, count: number, fields: Record<string, string> = {}): FormData {
  const findings = Array.from({ length: count }, (_, i) => ({
    title: `F ${i}`,
    severity: "Low",
    description: "d",
    endpoints: [`https://h${i}.example.com`],
  }));
  const form = new FormData();
  const all = { scan_type: "Generic Findings Import", engagement: String(engagementId), ...fields };
  for (const [name, value] of Object.entries(all)) form.append(name, value);
  form.append("file", new Blob([JSON.stringify({ findings })]), "f.json");
  return form;
}

it("knows its profiles, and names them where one is unknown", async () => {
  await expect(startStandin({ profile: "1.0" })).rejects.toThrow(
    'unknown profile "1.0"; there are 2.34, 2.58, 3.2-endpoints, 3.2-locations',
  );
  await start({ profile: "2.34" });
  expect((await send("GET", "/cicd_infrastructure/")).status).toBe(404);
  expect((await send("GET", "/location/")).status).toBe(404);
});

describe("faults", () => {
  it("answers in place of the server", async () => {
    await start();
    standin.state.intercept = ({ method, path, earlier }) =>
      method === "GET" && path === "/users/" && earlier < 1
        ? { status: 503, headers: { "retry-after": "1" }, body: { x: 1 } }
        : undefined;
    expect(await send("GET", "/users/")).toEqual({ status: 503, body: { x: 1 } });
    expect((await send("GET", "/users/")).status).toBe(200);
  });

  it("hangs up before or after the work is done", async () => {
    await start();
    standin.state.intercept = ({ method }) => (method === "POST" ? { hangUp: true } : undefined);
    await expect(send("POST", "/product_types/", { name: "A" })).rejects.toThrow();
    standin.state.intercept = ({ method }) => (method === "POST" ? { processThenHangUp: true } : undefined);
    await expect(send("POST", "/product_types/", { name: "B" })).rejects.toThrow();
    expect([...standin.state.productTypes.values()].map(({ name }) => name)).toEqual(["Research and Development", "B"]);
  });

  it.each([
    [409, "parsed", 0],
    [409, "stored", 3],
    [500, "parsed", 0],
    [500, "stored", 3],
  ] as const)(
    "fails an import with %d once it is %s, and its test stays behind with %d findings",
    async (status, once, left) => {
      await start();
      const target = await engagement();
      standin.state.intercept = ({ path, earlier }) =>
        path === "/import-scan/" && earlier === 0 ? { importFails: status, once } : undefined;
      expect((await send("POST", "/import-scan/", report(target, 3, { build_id: "b" }))).status).toBe(status);
      const [test] = (await send("GET", "/tests/?build_id=b")).body.results as {
        id: number;
        percent_complete: number;
      }[];
      expect(test?.percent_complete).toBe(50);
      expect((await send("GET", `/findings/?test=${test?.id}`)).body.count).toBe(left);
      expect((await send("GET", "/test_imports/?build_id=b")).body.count).toBe(0);
      expect((await send("POST", "/import-scan/", report(target, 3, { build_id: "b" }))).status).toBe(201);
    },
  );

  it("delays", async () => {
    await start();
    standin.state.intercept = () => ({ delayMs: 60 });
    const before = performance.now();
    await send("GET", "/user_profile/");
    expect(performance.now() - before).toBeGreaterThan(55);
  });

  it("keeps a log of the requests", async () => {
    await start();
    await send("GET", "/users/?limit=1");
    expect(standin.state.requests).toMatchObject([
      { method: "GET", url: "/api/v2/users/?limit=1", urlLength: 22, status: 200 },
    ]);
    expect(standin.state.counts.get("GET /api/v2/users/")).toBe(1);
  });
});

describe("limits", () => {
  it("refuses a report that is too large, as the server does", async () => {
    await start({ maxReportBytes: 1024 * 1024 });
    const answer = await send("POST", "/import-scan/", report(await engagement(), 15_000));
    expect([answer.status, answer.body.non_field_errors]).toEqual([
      400,
      ["Report file is too large. Maximum supported size is 1 MB"],
    ]);
  });

  it("refuses a body that is too large, as the proxy in front does", async () => {
    await start({ maxUploadBytes: 1000 });
    expect((await send("POST", "/import-scan/", report(await engagement(), 50))).status).toBe(413);
  });

  it("refuses a URL that is too long", async () => {
    await start();
    expect((await send("GET", `/findings/?id=${"1,".repeat(2100)}1`)).status).toBe(414);
  });

  it("does not know the scan types it is told not to know", async () => {
    await start({ missingScanTypes: ["Trivy Scan"] });
    const answer = await send("POST", "/import-scan/", report(await engagement(), 1, { scan_type: "Trivy Scan" }));
    expect(answer.body.scan_type).toEqual(['"Trivy Scan" is not a valid choice.']);
    expect((await send("GET", "/test_types/?name=Trivy%20Scan")).body.count).toBe(0);
  });
});

describe("deduplication", () => {
  it("comes late, and is not waited for, in an older server", async () => {
    await start({ asyncWait: false, deduplicationDelayMs: 1_500 });
    const into = await engagement();
    await send("POST", "/import-scan/", report(into, 2));
    const { body } = await send(
      "POST",
      "/import-scan/",
      report(into, 2, { deduplication_execution_mode: "async_wait" }),
    );
    expect(Object.keys(body).filter((key) => key.startsWith("deduplication_"))).toEqual([
      "deduplication_on_engagement",
    ]);
    const duplicates = async () =>
      (await send("GET", `/findings/?test=${body.test_id}&duplicate=true&limit=1`)).body.count;
    expect(await duplicates()).toBe(0);
    await expect.poll(duplicates, PATIENCE).toBe(2);
  });

  it("can be off, as in a fresh installation", async () => {
    await start({ deduplication: false });
    const into = await engagement();
    const form = () => report(into, 2, { deduplication_execution_mode: "async_wait" });
    await send("POST", "/import-scan/", form());
    const { body } = await send("POST", "/import-scan/", form());
    expect(body.statistics).toMatchObject({ after: { total: { duplicate: 0, active: 2 } } });
  });
});

describe("timing", () => {
  it("lets findings appear one by one, without their places until all are there", async () => {
    await start({ timing: { importMsPerFinding: 100 } });
    const done = send("POST", "/import-scan/", report(await engagement(), 40));
    const test = await vi.waitUntil(() => [...standin.state.tests.values()][0], PATIENCE);
    const findings = () => send("GET", `/findings/?test=${test.id}&limit=1`);
    await expect.poll(async () => (await findings()).body.count, PATIENCE).toBeGreaterThan(5);
    expect(test.percent_complete).toBe(50);
    const { body } = await findings();
    expect(body.count).toBeLessThan(40);
    expect((body.results as { endpoints: number[] }[])[0]?.endpoints).toEqual([]);
    // The rows that come in stand in the way of a deletion.
    expect((await send("DELETE", `/tests/${test.id}/`)).status).toBe(500);
    await done;
    expect(test.percent_complete).toBe(100);
    expect(standin.state.findingsByTest.get(test.id)?.every((finding) => finding.endpoints.length === 1)).toBe(true);
  });

  it("works on two requests at a time", async () => {
    await start({ timing: { fixedMs: 50 } });
    const before = performance.now();
    await Promise.all(Array.from({ length: 4 }, () => send("GET", "/user_profile/")));
    expect(performance.now() - before).toBeGreaterThan(95);
  });
});

describe("as a process", () => {
  it("tells its URL and ends on SIGTERM", async () => {
    const main = fileURLToPath(new URL("../../../infra/local/defectdojo/main.ts", import.meta.url));
    const child = spawn(process.execPath, [main, "--api-key", "key", "--mode", "endpoints"]);
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    const { url, apiKey } = JSON.parse(line.toString()) as { url: string; apiKey: string };
    expect(apiKey).toBe("key");
    const answer = await fetch(`${url}/api/v2/location/`, { headers: { Authorization: "Token key" } });
    expect(answer.status).toBe(404);
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([0, null]);
  });
});
