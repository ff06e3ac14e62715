import { existsSync } from "node:fs";
import { connect } from "node:net";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { SeenScan } from "../../cli/runtime/activity.ts";
import { pageRoutes } from "../../cli/runtime/page.ts";
import { startReceiver } from "../../cli/runtime/receiver.ts";
import { startService } from "../../cli/runtime/service.ts";
import { recorder } from "../helpers/recorder.ts";
import { type Runtime, startRuntime } from "./runtime.ts";

const SAMPLES = fileURLToPath(new URL("../../infra/local/scans", import.meta.url));
const executable = process.env.CHROMIUM_BIN ?? "/usr/bin/chromium";
/** Nothing of the browser's own goes out. */
const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const TOKEN = "page-token";

describe("the page's paths", () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await startRuntime({ WEBHOOK_TOKEN: TOKEN });
  });
  afterAll(() => runtime.stop());

  it.each([
    ["GET", "/api/scans"],
    ["POST", "/api/redrive"],
    ["POST", "/events"],
  ])("%s %s wants the token", async (method, path) => {
    expect((await fetch(runtime.service.url + path, { method })).status).toBe(401);
    const wrong = { authorization: "Bearer other" };
    expect((await fetch(runtime.service.url + path, { method, headers: wrong })).status).toBe(401);
  });
  it("the page itself holds nothing, loads nothing from elsewhere, and says so", async () => {
    const response = await fetch(`${runtime.service.url}/`);
    expect(response.headers.get("content-security-policy")).toMatch(/default-src 'none'/);
    expect(await response.text()).not.toMatch(/https?:\/\//);
  });
  it("a redrive of what is not there is 404", async () => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    const body = JSON.stringify({ id: "securecodebox/nothing/findings.json" });
    expect((await fetch(`${runtime.service.url}/api/redrive`, { method: "POST", headers, body })).status).toBe(404);
  });

  it.each(["", "{", "[]", '{"id":1}', '"securecodebox/scan"'])(
    "a redrive of %j is 400, and says what is wanted",
    async (body) => {
      const headers = { authorization: `Bearer ${TOKEN}` };
      const response = await fetch(`${runtime.service.url}/api/redrive`, { method: "POST", headers, body });
      expect(response.status).toBe(400);
      expect(await response.text()).toContain('{"id": "BUCKET/KEY"}');
    },
  );
});

it("a browser that does not read is let go, and not written to for ever", async () => {
  let tell: (scan: SeenScan) => void = () => undefined;
  const watched = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<void>();
  const routes = pageRoutes({
    activity: {
      see: () => undefined,
      scans: () => [],
      watch: (listener) => {
        tell = listener;
        watched.resolve();
        return stopped.resolve;
      },
    },
    redrive: async () => 0,
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
  const scan: SeenScan = { id: "b/k", scan: "x".repeat(1024 * 1024), scanType: "nmap", state: "waiting", at: "" };
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

describe("the receiver's address", () => {
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

const found = existsSync(executable);
if (!found)
  process.stdout.write(`\n*** SKIPPED: the page in a browser. No Chromium at ${executable}; set CHROMIUM_BIN. ***\n\n`);

describe.skipIf(!found)("the page in a browser", () => {
  let runtime: Runtime;
  let browser: Browser;
  let page: Page;
  const errors: string[] = [];
  beforeAll(async () => {
    runtime = await startRuntime({ WEBHOOK_TOKEN: TOKEN });
    browser = await chromium.launch({ executablePath: executable, args: ARGUMENTS });
    page = await browser.newPage({ viewport: { width: 1280, height: 620 } });
    page.on("pageerror", (error) => errors.push(error.message));
    await page.goto(runtime.service.url);
  });
  afterAll(async () => {
    await browser?.close();
    await runtime.stop();
  });
  const row = (key: string) => page.locator(`tr[data-id="securecodebox/${key}"]`);

  it("asks for the token, and shows the scans with it", async () => {
    await page.fill("#token", TOKEN);
    await page.click("#login button");
    await page.getByText("live", { exact: true }).waitFor();
    expect(await page.locator("#empty").isVisible()).toBe(true);
  });

  it("a scan arrives, with its counts and its link into DefectDojo", async () => {
    const key = await runtime.upload(`${SAMPLES}/zap-shop`);
    await row(key).locator(".state.done").waitFor();
    const { findings, test } = (await runtime.receipt(key)) ?? {};
    expect(await row(key).locator("td").allInnerTexts()).toEqual(
      expect.arrayContaining(["ZAP Scan", String(findings?.severities.high), String(findings?.count)]),
    );
    expect(await row(key).locator("a").getAttribute("href")).toBe(test?.url);
  });

  it("a scan fails with its reason, is redriven, and turns green", async () => {
    const { state } = runtime.standin;
    state.intercept = ({ path }) =>
      path === "/import-scan/"
        ? { status: 403, body: { detail: "You do not have permission to perform this action." } }
        : undefined;
    const key = await runtime.upload(`${SAMPLES}/nmap-shop`);
    await row(key).locator(".state.failed").waitFor();
    expect(await row(key).textContent()).toMatch(/HTTP 403: You do not have permission[\s\S]*DEFECTDOJO_APIKEY/);

    state.intercept = undefined;
    await row(key).getByRole("button", { name: "redrive" }).click();
    await row(key).locator(".state.done").waitFor();
    expect(await runtime.takeDeadLetters()).toEqual([]);
    expect(await runtime.receipt(key)).toMatchObject({ outcome: "synced" });
  });

  it("what comes from a scan is text and never markup", async () => {
    const name = "<img src=x onerror=alert(1)>";
    await runtime.put("odd/scan.json", JSON.stringify({ metadata: { name }, spec: { scanType: "<b>odd</b>" } }));
    await runtime.put("odd/findings.json", "[]");
    await row("odd/findings.json").locator(".state.done").waitFor();
    expect(await row("odd/findings.json").textContent()).toContain(name);
    expect(await page.locator("main img, main b:text('odd')").count()).toBe(0);
  });

  it("filters, and nothing went wrong in the page", async () => {
    await page.fill("#filter", "nmap");
    expect(await page.locator("#scans tr").count()).toBe(1);
    expect(errors).toEqual([]);
  });
});
