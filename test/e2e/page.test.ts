import { connect } from "node:net";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { activity, type Told } from "../../cli/runtime/activity.ts";
import { GUARDED_PATHS, pageRoutes } from "../../cli/runtime/page.ts";
import { startReceiver } from "../../cli/runtime/receiver.ts";
import { startService } from "../../cli/runtime/service.ts";
import { recorder } from "../helpers/recorder.ts";
import { browserFound, eventually, launch } from "./browser.ts";
import { type Runtime, startRuntime } from "./runtime.ts";

const SAMPLES = fileURLToPath(new URL("../../infra/local/scans", import.meta.url));
const TOKEN = "page-token";

describe("the page's paths", () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await startRuntime({ WEBHOOK_TOKEN: TOKEN });
  });
  afterAll(() => runtime.stop());

  it.each([...GUARDED_PATHS, "POST /events"])("%s requires the token", async (route) => {
    const [method = "", path = ""] = route.split(" ");
    expect((await fetch(runtime.service.url + path, { method })).status).toBe(401);
    const wrong = { authorization: "Bearer other" };
    expect((await fetch(runtime.service.url + path, { method, headers: wrong })).status).toBe(401);
  });
  it("includes every path that shows or changes something", () => {
    const routes = pageRoutes({ activity: activity(), backend: () => undefined, dojoUrl: () => "" });
    expect(GUARDED_PATHS.toSorted()).toEqual(
      Object.keys(routes)
        .filter((route) => route.includes("/api/"))
        .toSorted(),
    );
    expect(GUARDED_PATHS).toContain("POST /api/drop");
  });
  it("its scripts import files that the service serves, and nothing by a package's name", async () => {
    const get = async (file: string) => {
      const response = await fetch(`${runtime.service.url}/${file}`);
      expect([file, response.status]).toEqual([file, 200]);
      return await response.text();
    };
    const seen = new Set(["page.js"]);
    for (const file of seen) {
      const code = (await get(file)).replaceAll(/\/\*.*?\*\//gs, "");
      for (const [, imported = ""] of code.matchAll(/(?:from |import\()"([^"]+)"/g)) {
        expect(imported, file).toMatch(/^\.\/[^/]+\.js$/);
        seen.add(imported.slice(2));
      }
    }
    expect([...seen]).toContain("uplot.js");
  });
  it("the page itself contains no data, loads nothing external, and declares so", async () => {
    const response = await fetch(`${runtime.service.url}/`);
    expect(response.headers.get("content-security-policy")).toMatch(/default-src 'none'/);
    expect(await response.text()).not.toMatch(/https?:\/\//);
  });
  const headers = { authorization: `Bearer ${TOKEN}` };
  const ask = (path: string) => fetch(`${runtime.service.url}/api/${path}`, { headers });
  const act = (action: string, body: string, more = {}) =>
    fetch(`${runtime.service.url}/api/${action}`, { method: "POST", headers: { ...headers, ...more }, body });

  it.each(["redrive", "drop", "resync"])("a %s of something missing is 404", async (action) => {
    const answer = await act(action, JSON.stringify({ id: "securecodebox/nothing/findings.json" }));
    expect(answer.status).toBe(404);
    expect(await answer.text()).toMatch(/holds no message of this scan|has no receipt/);
  });

  it.each(["redrive", "drop", "resync"])(
    "a %s from another site's page is refused, with the token too",
    async (action) => {
      const body = JSON.stringify({ id: "securecodebox/nothing/findings.json" });
      expect((await act(action, body, { origin: "https://attacker.example" })).status).toBe(403);
      expect((await fetch(`${runtime.service.url}/api/${action}`, { headers })).status).toBe(404);
    },
  );

  it.each(["", "{", "[]", '{"id":1}', '"securecodebox/scan"'])(
    "a redrive of %j is 400, and says what is wanted",
    async (body) => {
      const response = await act("redrive", body);
      expect(response.status).toBe(400);
      expect(await response.text()).toContain('{"id": "BUCKET/KEY"}');
    },
  );

  it.each([
    "other/scan/findings.json",
    "securecodebox/scan/secret.json",
    "securecodebox/scan/scan.json",
    "",
    "securecodebox",
  ])("the token opens no other object: %j is 400", async (id) => {
    await runtime.put("scan/secret.json", "secret");
    for (const question of ["scan", "findings"])
      expect((await ask(`${question}?${new URLSearchParams({ id })}`)).status).toBe(400);
    expect((await act("resync", JSON.stringify({ id }))).status).toBe(400);
  });
});

it("disconnects a browser that does not read", async () => {
  let tell: (told: Told) => void = () => undefined;
  const watched = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<void>();
  const routes = pageRoutes({
    activity: {
      see: () => undefined,
      remember: () => undefined,
      forget: () => undefined,
      scans: () => [],
      watch: (listener) => {
        tell = listener;
        watched.resolve();
        return stopped.resolve;
      },
    },
    backend: () => undefined,
    dojoUrl: () => "",
  });
  const { log } = recorder();
  const receiver = await startReceiver({
    host: "127.0.0.1",
    port: 0,
    token: TOKEN,
    routes,
    guarded: new Set(),
    log,
  });
  const socket = connect(receiver.port, "127.0.0.1").pause();
  socket.on("error", () => undefined);
  socket.write("GET /api/scans HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await watched.promise;
  const named = { id: "b/k", scan: "x".repeat(1024 * 1024), scanType: "nmap", product: "" };
  const scan: Told = { event: "scan", scan: { ...named, state: "waiting", at: "" } };
  let gone = false;
  void stopped.promise.then(() => {
    gone = true;
  });
  for (let sent = 0; sent < 200 && !gone; sent++) {
    tell(scan);
    await setImmediate();
  }
  expect(gone).toBe(true);
  socket.destroy();
  await receiver.close();
});

describe("the receiver's path", () => {
  const MINIO = { PORT: "0", AWS_ENDPOINT_URL_S3: "http://127.0.0.1:1", QUEUE_URL: "http://127.0.0.1:1/q" };

  it.each(["0.0.0.0", "::", "relay.example", "10.0.0.1"])("%s requires a token", async (HOST) => {
    await expect(startService({ ...MINIO, HOST }, recorder().log)).rejects.toMatchObject({
      reason: "config-invalid",
      message: expect.stringContaining("WEBHOOK_TOKEN must be set"),
    });
  });
  it.each(["127.0.0.1", "::1", "localhost"])("%s requires none", async (HOST) => {
    await expect(startService({ ...MINIO, HOST }, recorder().log)).rejects.toMatchObject({
      message: expect.stringContaining("QUEUE_URL and DLQ_URL"),
    });
  });
});

describe.skipIf(!browserFound("the page in a browser"))("the page in a browser", () => {
  let runtime: Runtime;
  let browser: Browser;
  let page: Page;
  const errors: string[] = [];
  beforeAll(async () => {
    runtime = await startRuntime({ WEBHOOK_TOKEN: TOKEN });
    browser = await launch();
    page = await browser.newPage({ viewport: { width: 1280, height: 620 } });
    page.on("pageerror", (error) => errors.push(error.message));
    await page.goto(runtime.service.url);
  });
  afterAll(async () => {
    await browser?.close();
    await runtime.stop();
  });
  const row = (key: string) => page.locator(`tr[data-id="securecodebox/${key}"]`);

  it("asks for the token and then shows the scans", async () => {
    await page.fill("#token", "another");
    await page.click("#login button");
    await page.getByText("That is not the service's token.").waitFor();
    await page.fill("#token", TOKEN);
    await page.click("#login button");
    await page.getByText("live", { exact: true }).waitFor();
    await page.locator("#empty").waitFor();
  });

  it("shows a new scan with its counts and its link to DefectDojo", async () => {
    const key = await runtime.upload(`${SAMPLES}/zap-shop`);
    await row(key).locator(".state.done").waitFor();
    const receipt = await runtime.receipt(key);
    const { findings, test } = receipt ?? {};
    expect(await row(key).locator(".all").textContent()).toBe(String(findings?.count));
    expect(await row(key).locator(".severity.high").textContent()).toContain(`${findings?.severities.high} High`);
    expect(await row(key).locator("td.new").textContent()).toBe(String(receipt?.new));
    expect(await row(key).getByRole("link", { name: "ZAP Scan" }).getAttribute("href")).toBe(test?.url);
  });

  it("shows a failed scan with its reason, redrives it, and turns it green", async () => {
    const { state } = runtime.standin;
    state.intercept = ({ path }) =>
      path === "/import-scan/"
        ? { status: 403, body: { detail: "You do not have permission to perform this action." } }
        : undefined;
    const key = await runtime.upload(`${SAMPLES}/nmap-shop`);
    await row(key).locator(".state.failed").waitFor();
    expect(await row(key).textContent()).toMatch(/HTTP 403: You do not have permission[\s\S]*DEFECTDOJO_APIKEY/);

    state.intercept = undefined;
    await row(key).getByRole("button", { name: "Redrive" }).click();
    await row(key).locator(".state.done").waitFor();
    expect(await runtime.takeDeadLetters()).toEqual([]);
    expect(await runtime.receipt(key)).toMatchObject({ outcome: "synced" });
  });

  it("renders content of a scan as text, never as markup", async () => {
    const name = "<img src=x onerror=alert(1)>";
    await runtime.put("odd/scan.json", JSON.stringify({ metadata: { name }, spec: { scanType: "<b>odd</b>" } }));
    await runtime.put("odd/findings.json", "[]");
    await row("odd/findings.json").locator(".state.done").waitFor();
    expect(await row("odd/findings.json").textContent()).toContain(name);
    expect(await page.locator("main img, main b:text('odd')").count()).toBe(0);
  });

  it("filters, without errors in the page", async () => {
    await page.getByLabel("Search").fill("nmap");
    await page.locator("#scans tr").first().waitFor();
    await eventually(() => page.locator("#scans tr").count()).toBe(1);
    expect(errors).toEqual([]);
  });
});
