import { readdirSync, readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { createRequire } from "node:module";
import { extname } from "node:path";
import { MISSING, VERDICTS } from "../../lib/model/verdicts.ts";
import { redactAll } from "../../lib/util/secrets.ts";
import type { Activity, Told } from "./activity.ts";
import type { HistoryStatus } from "./history/history.ts";
import { API_PATHS, apiRoutes, type PageBackend } from "./page-api.ts";
import type { Reply, Route } from "./receiver.ts";
import type { SeenScan } from "./seen-scan.ts";

const PAGE = new URL("../page/", import.meta.url);
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
};

/** One row per file of a library: where the page finds it. */
const LIBRARIES: Readonly<Record<string, string>> = {
  "uplot.js": "uplot/dist/uPlot.esm.js",
  "uplot.css": "uplot/dist/uPlot.min.css",
};

/** Nothing from other sites, nothing inline. */
const POLICY =
  "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/** Names of verdicts: one table for receipts, commands and page. */
export const VERDICT_NAMES = [...VERDICTS, MISSING].map(({ count, attribute, label, ...row }) => ({
  ...{ count, label },
  /** In a receipt's `changed`. */
  word: "unless" in row ? count : attribute,
}));
const HEARTBEAT_MS = 15_000;
const MOST_UNREAD_BYTES = 1024 * 1024;

/** The page's data and buttons require the token; the page itself, which asks for it, does not. */
export const GUARDED_PATHS = ["GET /api/scans", ...API_PATHS];

/** What the page is told, by event. */
export interface PageEvents {
  /** The state when it connects. */
  readonly all: {
    readonly dojoUrl: string;
    readonly verdicts: typeof VERDICT_NAMES;
    readonly scans: readonly SeenScan[];
    readonly history: HistoryStatus;
  };
  readonly scan: Omit<Extract<Told, { readonly event: "scan" }>, "event">;
  readonly gone: Omit<Extract<Told, { readonly event: "gone" }>, "event">;
  readonly history: HistoryStatus;
}

export interface PageOptions {
  readonly activity: Activity;
  /** Undefined while the service starts and stops. */
  readonly backend: () => PageBackend | undefined;
  readonly dojoUrl: () => string;
}

/** The page: scans live by server-sent events, followed by the finished ones. */
export function pageRoutes(options: PageOptions): Record<string, Route> {
  return { ...fileRoutes(), "GET /api/scans": live(options), ...apiRoutes(options.backend) };
}

function fileRoutes(): Record<string, Route> {
  const { resolve } = createRequire(import.meta.url);
  const own = readdirSync(PAGE).map((file) => [file, new URL(file, PAGE)] as const);
  const libraries = Object.entries(LIBRARIES).map(([file, from]) => [file, resolve(from)] as const);
  const files = [...own, ...libraries].map(([file, path]): [string, Route] => {
    const type = TYPES[extname(file)] ?? "application/octet-stream";
    // A browser cannot resolve package names.
    const body = readFileSync(path, "utf8").replaceAll('import("uplot")', 'import("./uplot.js")');
    const reply: Reply = { status: 200, type, body, headers: { "content-security-policy": POLICY } };
    return [`GET /${file === "page.html" ? "" : file}`, () => reply];
  });
  return Object.fromEntries(files);
}

/** The current state, then each change. */
function live({ activity, backend, dojoUrl }: PageOptions): Route {
  return ({ request, response }) => {
    if (request.method === "HEAD") return { status: 200, type: "text/event-stream" };
    response.writeHead(200, {
      "content-type": "text/event-stream",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    });
    const write = unlessUnread(response);
    const send = <E extends keyof PageEvents>(event: E, data: PageEvents[E]) =>
      write(`event: ${event}\ndata: ${JSON.stringify(redactAll(data))}\n\n`);
    const there = backend();
    const history: HistoryStatus = there?.history.status() ?? { scans: 0 };
    send("all", { dojoUrl: dojoUrl(), verdicts: VERDICT_NAMES, scans: activity.scans(), history });
    const stops = [
      activity.watch(({ event, ...told }) => send(event, told)),
      there?.history.watch((status) => send("history", status)),
    ];
    void there?.letters.look();
    const beat = setInterval(() => write(": still here\n\n"), HEARTBEAT_MS);
    response.once("close", () => {
      for (const stop of stops) stop?.();
      clearInterval(beat);
    });
    return undefined;
  };
}

/** A browser that does not read is disconnected: it reconnects by itself and gets the current state. */
function unlessUnread(response: ServerResponse): (text: string) => void {
  return (text) => {
    if (response.writableLength > MOST_UNREAD_BYTES) response.destroy();
    else response.write(text);
  };
}
