import { fileURLToPath } from "node:url";
import { chromium, type Page } from "playwright-core";
import { startWorld, TOKEN } from "./world.ts";

const executablePath = process.env["CHROMIUM_BIN"] ?? "/usr/bin/chromium";
const FOLDER = fileURLToPath(new URL("../../docs/", import.meta.url));
/** GitHub shows images in docs at about this width. */
const WIDE = { width: 1280, height: 720 };

/** One row per image: the window, the theme, and the actions before the screenshot. */
const PICTURES: Readonly<
  Record<string, { width?: number; height?: number; dark?: boolean; go(page: Page): Promise<void> }>
> = {
  page: { go: (page) => list(page, "") },
  "page-plot": { go: (page) => list(page, "product=Sample+Shop") },
  "page-details": { height: 1150, go: (page) => details(page, "nmap-shop") },
  "page-dark": { dark: true, go: (page) => list(page, "product=Payments") },
  "page-narrow": { width: 360, height: 720, go: (page) => list(page, "") },
};

async function list(page: Page, hash: string): Promise<void> {
  await page.goto(`${page.url().split("#")[0]}#${hash}`);
  await page.locator("#scans tr").nth(5).waitFor();
}

async function details(page: Page, scan: string): Promise<void> {
  await list(page, "");
  await page.getByRole("link", { name: scan, exact: true }).click();
  await page.locator(".findings tbody tr").first().waitFor();
}

const runtime = await startWorld(new Date());
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
try {
  for (const [name, { dark = false, go, ...size }] of Object.entries(PICTURES)) {
    const context = await browser.newContext({
      viewport: { ...WIDE, ...size },
      colorScheme: dark ? "dark" : "light",
      timezoneId: "Europe/Berlin",
    });
    await context.addInitScript((token) => sessionStorage.setItem("token", token), TOKEN);
    const page = await context.newPage();
    await page.goto(runtime.service.url);
    await page.getByText("live", { exact: true }).waitFor();
    await page.locator("#scans tr").nth(5).waitFor();
    await go(page);
    await page.waitForTimeout(3_000);
    await page.screenshot({ path: `${FOLDER}${name}.png` });
    process.stdout.write(`docs/${name}.png\n`);
    await context.close();
  }
} finally {
  await browser.close();
  await runtime.stop();
}
