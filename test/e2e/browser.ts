import { existsSync } from "node:fs";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { expect } from "vitest";

const executablePath = process.env["CHROMIUM_BIN"] ?? "/usr/bin/chromium";

/** Prevents the browser's own requests to the internet. */
const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Whether a browser is available; otherwise prints prominently what is skipped. */
export function browserFound(what: string): boolean {
  if (existsSync(executablePath)) return true;
  process.stdout.write(`\n*** SKIPPED: ${what}. No Chromium at ${executablePath}; set CHROMIUM_BIN. ***\n\n`);
  return false;
}

/** A page needs a moment to update, longer on a busy machine. */
export const eventually = <T>(read: () => Promise<T>) => expect.poll(read, { timeout: 30_000 });

export const launch = (): Promise<Browser> => chromium.launch({ executablePath, args: ARGUMENTS });

/** A new page with the token, connected. */
export async function openPage(
  browser: Browser,
  { url, token, ...options }: { url: string; token: string } & BrowserContextOptions,
): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, timezoneId: "UTC", ...options });
  await context.addInitScript((given) => sessionStorage.setItem("token", given), token);
  const page = await context.newPage();
  await page.goto(url);
  await page.getByText("live", { exact: true }).waitFor();
  return page;
}
