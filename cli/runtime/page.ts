import { readFileSync } from "node:fs";
import * as z from "zod";
import { jsonText } from "../../lib/util/json-text.ts";
import { redactAll } from "../../lib/util/secrets.ts";
import type { Activity } from "./activity.ts";
import type { Reply, Route } from "./receiver.ts";

/** One row per file of the page. */
const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  "GET /": ["page.html", "text/html; charset=utf-8"],
  "GET /page.css": ["page.css", "text/css; charset=utf-8"],
  "GET /page.js": ["page.js", "text/javascript; charset=utf-8"],
};

/** Nothing external, nothing inline. */
const POLICY =
  "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const HEARTBEAT_MS = 15_000;
const MOST_UNREAD_BYTES = 1024 * 1024;

/** The page's data and actions require the token; the page itself, which asks for it, does not. */
export const GUARDED_PATHS = ["GET /api/scans", "POST /api/redrive"];

const redriveRequest = jsonText(z.object({ id: z.string() }));

export interface PageOptions {
  readonly activity: Activity;
  /** Redrives a scan's dead letters. @returns how many */
  readonly redrive: (id: string) => Promise<number>;
  readonly dojoUrl: () => string;
}

/** The page: live scans by server-sent events. */
export function pageRoutes({ activity, redrive, dojoUrl }: PageOptions): Record<string, Route> {
  const files = Object.entries(FILES).map(([route, [file, type]]) => {
    const body = readFileSync(new URL(`../page/${file}`, import.meta.url), "utf8");
    return [route, (): Reply => ({ status: 200, type, body, headers: { "content-security-policy": POLICY } })] as const;
  });
  return {
    ...Object.fromEntries(files),
    "GET /api/scans": ({ request, response }) => {
      if (request.method === "HEAD") return { status: 200, type: "text/event-stream" };
      response.writeHead(200, {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        "x-accel-buffering": "no",
      });
      const write = (text: string) => {
        // A browser that stops reading is disconnected: it reconnects by itself and gets the current state.
        if (response.writableLength > MOST_UNREAD_BYTES) response.destroy();
        else response.write(text);
      };
      const send = (event: string, data: unknown) =>
        write(`event: ${event}\ndata: ${JSON.stringify(redactAll(data))}\n\n`);
      send("all", { dojoUrl: dojoUrl(), scans: activity.scans() });
      const stop = activity.watch((scan) => send("scan", scan));
      const beat = setInterval(() => write(": still here\n\n"), HEARTBEAT_MS);
      response.once("close", () => {
        stop();
        clearInterval(beat);
      });
      return undefined;
    },
    "POST /api/redrive": async ({ body }) => {
      const asked = redriveRequest.safeParse((await body()).toString("utf8"));
      if (!asked.success) return { status: 400, body: 'the body has to be {"id": "BUCKET/KEY"}\n' };
      const moved = await redrive(asked.data.id);
      return { status: moved > 0 ? 200 : 404, type: "application/json", body: `${JSON.stringify({ moved })}\n` };
    },
  };
}
