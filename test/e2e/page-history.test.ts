import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { aJob, aReceipt, aScan } from "../helpers/factories.ts";
import { browserFound, eventually, launch, openPage } from "./browser.ts";
import { type Runtime, startRuntime } from "./runtime.ts";

const TOKEN = "page-token";
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const local = (folder: string) => fileURLToPath(new URL(`../../infra/local/${folder}`, import.meta.url));

/** Puts a finished scan into the bucket, as from another relay, without a notification. */
async function putPast(runtime: Runtime, name: string, finishedAt: string, product = "Old shop") {
  const job = aJob({ key: `past/${name}/findings.json`, scan: aScan({ name }) });
  const receipt = aReceipt(job, { finishedAt, product: { id: 1, name: product, url: "" } });
  await runtime.put(`past/${name}/defectdojo.json`, JSON.stringify(receipt));
}

/** The violations that axe finds, as text. */
async function wrong(page: Page): Promise<string[]> {
  // Bypasses the page's own policy, which blocks external scripts.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: Axe }).axe.run());
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}
interface Axe {
  run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }>;
}

describe.skipIf(!browserFound("the page's history in a browser"))("the page's history in a browser", () => {
  let runtime: Runtime;
  let browser: Browser;
  let page: Page;
  let finished: string;
  const errors: string[] = [];
  const open = async (options: Parameters<typeof openPage>[1] | object = {}) => {
    const opened = await openPage(browser, { url: runtime.service.url, token: TOKEN, ...options });
    opened.on("pageerror", (error) => errors.push(error.message));
    opened.on("console", (message) => {
      if (message.type() === "error") errors.push(message.text());
    });
    return opened;
  };
  const row = (key: string) => page.locator(`tr[data-id="securecodebox/${key}"]`);
  const rows = () => page.locator("#scans tr");

  beforeAll(async () => {
    runtime = await startRuntime({ WEBHOOK_TOKEN: TOKEN, FOLLOW_SECONDS: "1" });
    finished = await runtime.upload(local("scans/zap-shop"));
    await runtime.ended(finished);
    for (let n = 1; n <= 60; n++) await putPast(runtime, `old-${n}`, new Date(Date.UTC(2024, 0, n, 12)).toISOString());
    await runtime.restart();
    browser = await launch();
  });
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    expect(errors).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    await runtime.stop();
  });

  it("survives a restart, newest first, page by page", async () => {
    page = await open();
    await rows().nth(49).waitFor();
    expect(await rows().first().getAttribute("data-id")).toBe(`securecodebox/${finished}`);
    expect(await rows().count()).toBe(50);
    await page.getByRole("button", { name: "Load older scans" }).click();
    await row("past/old-1/findings.json").waitFor();
    expect(await rows().count()).toBe(61);
    expect(await rows().last().getAttribute("data-id")).toBe("securecodebox/past/old-1/findings.json");
    expect(await row("past/old-1/findings.json").locator("time").textContent()).toMatch(
      /^1 Jan 2024, \d\d:\d\d:\d\d \S+/,
    );
  });

  it("filters by product, type, state, time and text, and keeps the filter in the URL", async () => {
    page = await open();
    await rows().nth(49).waitFor();
    await page.getByLabel("Product").selectOption("Sample Shop");
    await eventually(() => rows().count()).toBe(1);
    await page.getByLabel("Product").selectOption("Old shop");
    await page.getByLabel("From", { exact: true }).fill("2024-02-01");
    await page.getByLabel("To", { exact: true }).fill("2024-02-10");
    await eventually(() => rows().count()).toBe(10);
    await page.reload();
    await eventually(() => rows().count()).toBe(10);
    await page.getByLabel("Search").fill("old-40");
    await eventually(() => rows().count()).toBe(1);
    await page.getByRole("combobox", { name: "State" }).selectOption("failed");
    await page.getByText("No scan matches the filter.").waitFor();
    await page.getByRole("button", { name: "Clear" }).click();
    await page.getByRole("combobox", { name: "Scan type" }).selectOption("zap-automation-framework");
    await eventually(() => rows().count()).toBe(1);
  });

  it("plots a product over time, with a text alternative", async () => {
    page = await open();
    await page.getByLabel("Product").selectOption("Old shop");
    await page.locator("#plot canvas").waitFor();
    expect(await page.getByRole("img").getAttribute("aria-label")).toMatch(/^Plot of the findings of Old shop/);
    await page.getByText("The same in numbers").click();
    expect(await page.locator("#plot tbody tr").count()).toBe(60);
    expect(await wrong(page)).toEqual([]);
  });

  it("shows a verdict set in the stand-in's page", async () => {
    page = await open();
    await row(finished).locator(".state.done").waitFor();
    expect(await row(finished).locator(".falsePositives").count()).toBe(0);
    const receipt = await runtime.receipt(finished);
    const dojo = await browser.newPage();
    await dojo.goto(receipt?.test.url ?? "");
    await dojo.locator("table a").first().click();
    await dojo.getByRole("button", { name: "false positive" }).click();
    await row(finished).locator(".falsePositives").getByText("1 false positive").waitFor();
    await row(finished).getByRole("link").first().click();
    await page.getByRole("heading", { name: "Verdicts that changed at the last sync (1)" }).waitFor();
    await page.getByRole("button", { name: "1 false positive" }).click();
    await eventually(() => page.locator(".findings tbody tr").count()).toBe(1);
  });

  it("drops a failed scan after confirmation, and confirms a redrive", async () => {
    page = await open();
    const broken = await runtime.upload(local("demo/broken/nmap-blog"));
    await row(broken).locator(".state.failed").waitFor();
    await row(broken)
      .getByRole("button", { name: /^Redrive/ })
      .click();
    await page.getByText("1 message moved back to the job queue").waitFor();
    await runtime.ended(broken, 1);
    await row(broken).locator(".state.failed").waitFor();

    await row(broken).getByRole("button", { name: /^Drop/ }).click();
    const dialog = page.getByRole("dialog", { name: "Drop the message?" });
    expect(await wrong(page)).toEqual([]);
    await dialog.getByRole("button", { name: "Cancel" }).click();
    expect(await row(broken).count()).toBe(1);
    await row(broken).getByRole("button", { name: /^Drop/ }).click();
    await dialog.getByRole("button", { name: "Drop it" }).click();
    await row(broken).waitFor({ state: "detached" });
    expect(await runtime.takeDeadLetters()).toEqual([]);
    expect(await runtime.get(broken)).toBeDefined();
  });

  it("lists failures that are not jobs, which can be dropped", async () => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    await fetch(`${runtime.service.url}/events`, { method: "POST", headers, body: '{"Records":[{"eventName":"?"}]}' });
    await runtime.restart();
    page = await open();
    const letter = page.locator('#scans tr[data-id^="letter:"]');
    await letter.locator(".state.failed").waitFor();
    expect(await letter.textContent()).toContain("Check the sender of the notification");
    await letter.getByRole("button", { name: /^Drop/ }).click();
    await page.getByRole("button", { name: "Drop it" }).click();
    await letter.waitFor({ state: "detached" });
    expect(await runtime.takeDeadLetters()).toEqual([]);
  });

  it("shows hostile receipts and findings as text without links", async () => {
    const markup = '<img src=x onerror="alert(1)">';
    const job = aJob({ key: "odd/findings.json", scan: aScan({ name: markup }) });
    const named = { id: 1, name: markup, url: "javascript:alert(1)" };
    const receipt = aReceipt(job, {
      ...{ product: named, engagement: named, test: named, fellBack: markup, warnings: [markup], repairs: [markup] },
      ...{ repairCount: 1, changed: [{ findingId: 1, from: ["constructor"], to: [markup] }], changedCount: 1 },
      finishedAt: "2027-01-01T00:00:00Z",
    });
    await runtime.put("odd/defectdojo.json", JSON.stringify(receipt));
    const attributes = { "defectdojo.org/finding-id": 1, "defectdojo.org/finding-url": "javascript:alert(1)" };
    await runtime.restart();
    await runtime.put(
      "odd/findings.json",
      JSON.stringify([{ name: markup, description: markup, severity: markup, location: markup, attributes }]),
    );
    // It has no sidecar.
    await runtime.ended("odd/findings.json");
    page = await open();
    await page.getByRole("link", { name: markup }).first().click();
    await page.locator(".findings tbody tr").waitFor();
    expect(await page.locator("main img, [href^=javascript]").count()).toBe(0);
    expect(await page.locator(".findings tbody").textContent()).toContain(markup);
    expect(await page.locator("article").textContent()).toContain("constructor");
    await page.goto(`${runtime.service.url}/#product=${encodeURIComponent(markup)}`);
    await page.locator("#plot h2").waitFor();
    expect(await page.locator("main img").count()).toBe(0);
  });

  it("shows a failure from before the restart, which can be redriven", async () => {
    const key = await runtime.upload(local("demo/broken/nmap-blog"), "again/");
    await runtime.ended(key);
    await runtime.restart();
    page = await open();
    await row(key).locator(".state.failed").waitFor();
    const sidecar = readFileSync(local("demo/broken/nmap-blog/scan.json"), "utf8").replace('"Enormous"', '"Info"');
    await runtime.put("again/nmap-blog/scan.json", sidecar);
    await row(key)
      .getByRole("button", { name: /^Redrive/ })
      .click();
    await row(key).locator(".state.done").waitFor();
  });

  it("shows ten thousand findings of a scan, with search in the service", async () => {
    const findings = Array.from({ length: 10_000 }, (_, n) => ({
      ...{ name: `Finding ${n}`, category: "Many", location: `tcp://many.example:${n}`, attributes: {} },
      severity: n % 100 === 0 ? "HIGH" : "LOW",
    }));
    await runtime.put("many/scan.json", JSON.stringify({ metadata: { name: "many" }, spec: { scanType: "many" } }));
    await runtime.put("many/findings.json", JSON.stringify(findings));
    await runtime.ended("many/findings.json");
    page = await open();
    await page.getByRole("link", { name: "many", exact: true }).click();
    await page.getByText("1 to 50 of 10,000").waitFor();
    await page.getByRole("button", { name: "Next →" }).click();
    await page.getByText("51 to 100 of 10,000").waitFor();
    await page.getByRole("combobox", { name: "Severity" }).selectOption("HIGH");
    await page.getByText("1 to 50 of 100").waitFor();
    await page.getByRole("searchbox").fill("finding 9900");
    await page.getByText("1 to 1 of 1").waitFor();
    expect(await page.locator(".findings tbody tr").textContent()).toContain("Finding 9900");
    expect(await page.getByRole("row", { name: /^All 10000 10000 0/ }).count()).toBe(1);
  });

  it("enqueues a resync and confirms it", async () => {
    page = await open();
    await row(finished).getByRole("link").first().click();
    const ends = runtime.progress.filter(({ job, state }) => job.key === finished && state === "done").length;
    await page.getByRole("button", { name: "Resync" }).click();
    await page.getByText("The resync is enqueued").waitFor();
    expect((await runtime.ended(finished, ends)).job.kind).toBe("resync");
  });

  it.each([
    ["light", "", 1280],
    ["dark", "", 1280],
    ["light", "", 360],
    ["light", "details", 1280],
    ["dark", "details", 360],
    ["dark", "plot", 360],
  ] as const)("is usable by all (%s, %s, %i px), without scrolling sideways", async (colorScheme, view, width) => {
    // No colour is in transition then.
    page = await open({ colorScheme, viewport: { width, height: 720 }, reducedMotion: "reduce" });
    await row(finished).waitFor();
    if (view === "details") {
      await row(finished).getByRole("link").first().click();
      await page.locator(".findings tbody tr").first().waitFor();
    }
    if (view === "plot") {
      await page.getByText("Filters", { exact: true }).click();
      await page.getByLabel("Product").selectOption("Old shop");
      await page.locator("#plot canvas").waitFor();
    }
    expect(await wrong(page)).toEqual([]);
    const sideways = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(sideways).toBe(0);
  });

  it("uses the system's theme until the user chooses one, which persists", async () => {
    page = await open({ colorScheme: "dark" });
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const dark = await ground();
    await page.getByRole("button", { name: "Theme: system" }).click();
    const light = await ground();
    expect(light).not.toBe(dark);
    await page.reload();
    expect(await ground()).toBe(light);
    await page.getByRole("button", { name: "Theme: light" }).click();
    expect(await ground()).toBe(dark);
  });

  it("works with the keyboard alone", async () => {
    page = await open();
    await row(finished).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("main");
    await row(finished).getByRole("link").first().focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "zap-shop" }).waitFor();
    await page.getByRole("link", { name: "← All scans" }).focus();
    await page.keyboard.press("Enter");
    await row(finished).waitFor();
  });
});

describe.skipIf(!browserFound("the page during an outage of the bucket"))(
  "the page during an outage of the bucket",
  () => {
    it("reports it and continues", async () => {
      vi.stubEnv("AWS_ACCESS_KEY_ID", "a");
      vi.stubEnv("AWS_SECRET_ACCESS_KEY", "b");
      const runtime = await startRuntime({ WEBHOOK_TOKEN: TOKEN, AWS_ENDPOINT_URL_S3: "http://127.0.0.1:9" });
      const browser = await launch();
      const page = await openPage(browser, { url: runtime.service.url, token: TOKEN });
      await page.getByRole("alert").getByText("The bucket cannot be read").waitFor();
      await page.goto(`${runtime.service.url}/#scan=securecodebox/a/findings.json`);
      await page.getByText("The scan cannot be shown.").waitFor();
      await browser.close();
      await runtime.stop();
      vi.unstubAllEnvs();
    });
  },
);
