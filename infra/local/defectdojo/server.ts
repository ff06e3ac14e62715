import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { isLoopback } from "../../../lib/util/loopback.ts";
import { refusal } from "../http-guard.ts";
import { authenticate } from "./auth.ts";
import { readBody } from "./body.ts";
import { type Call, HTML_NOT_FOUND, internalError, Refusal, type Reply } from "./http.ts";
import { type StandinOptions, settings } from "./options.ts";
import { pageOf } from "./pages.ts";
import { reshape } from "./reshape.ts";
import { handle, routeOf } from "./router.ts";
import { createState, type ImportFault, type Interception, type State } from "./state.ts";
import { createWorkers } from "./workers.ts";

export type Standin = {
  /** Without `/api/v2`. */
  url: string;
  port: number;
  apiKey: string;
  lowPrivilegedApiKey: string;
  state: State;
  close: () => Promise<void>;
};

type Work = <T>(work: () => Promise<T>) => Promise<T>;

/** Starts a server that behaves like DefectDojo to API clients. */
export async function startStandin(options: StandinOptions = {}): Promise<Standin> {
  const state = createState(settings(options));
  const work = createWorkers(state.settings.timing);
  const server = createServer((request, response) => {
    // Its key is public: pages of other sites must not use it through a browser on this machine.
    const why = isLoopback(state.settings.host) ? refusal(request) : undefined;
    if (why !== undefined) return void response.writeHead(403, { "content-type": "text/plain" }).end(`${why}\n`);
    void serve(state, work, request, response);
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(state.settings.port, state.settings.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${state.settings.host}:${port}`,
    port,
    apiKey: state.settings.apiKey,
    lowPrivilegedApiKey: state.settings.lowPrivilegedApiKey,
    state,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      state.celery.start();
      await Promise.allSettled(state.running);
    },
  };
}

async function serve(state: State, work: Work, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const at = performance.now();
  const url = request.url ?? "/";
  const method = request.method ?? "GET";
  const log = { method, url, urlLength: url.length, status: 0, ms: 0, at: Date.now() };
  const key = `${method} ${pathOf(url)}`;
  const earlier = state.counts.get(key) ?? 0;
  state.counts.set(key, earlier + 1);
  state.requests.push(log);
  const interception = intercepted(state, request, earlier);
  if (interception !== undefined && "hangUp" in interception) return void request.socket.destroy();
  if (state.settings.latency > 0) await sleep(state.settings.latency);
  if (interception !== undefined && "delayMs" in interception) await sleep(interception.delayMs);
  const reply =
    interception !== undefined && "status" in interception
      ? interception
      : reshape(
          state.settings.profile.shapes,
          pathOf(url).replace(/^\/api\/v2/, ""),
          await answer(state, work, request, importFault(interception)),
        );
  log.status = reply.status;
  log.ms = performance.now() - at;
  if (interception !== undefined && "processThenHangUp" in interception) return void request.socket.destroy();
  send(request, response, reply);
}

function intercepted(state: State, request: IncomingMessage, earlier: number): Interception | undefined {
  const url = request.url ?? "/";
  const length = request.headers["content-length"];
  return state.intercept?.({
    method: request.method ?? "GET",
    url,
    path: pathOf(url).replace(/^\/api\/v2/, ""),
    query: new URLSearchParams(queryOf(url)),
    contentType: request.headers["content-type"] ?? "",
    bodyBytes: length === undefined ? null : Number(length),
    earlier,
  });
}

const importFault = (interception: Interception | undefined) =>
  interception !== undefined && "importFails" in interception ? interception : undefined;

/** Turns every failure into a response. */
async function answer(state: State, work: Work, request: IncomingMessage, fault?: ImportFault): Promise<Reply> {
  try {
    return await answerOrThrow(state, work, request, fault);
  } catch (error) {
    return error instanceof Refusal ? error.reply : internalError().reply;
  }
}

async function answerOrThrow(state: State, work: Work, request: IncomingMessage, fault?: ImportFault): Promise<Reply> {
  const url = request.url ?? "/";
  const full = pathOf(url);
  if (url.length + (request.method?.length ?? 0) + 10 > state.settings.maxRequestLine) {
    return {
      status: 414,
      headers: { "content-type": "text/html" },
      body: "<html><head><title>URI Too Long</title></head><body>Request Line is too large</body></html>",
    };
  }
  const path = full.startsWith("/api/v2/") ? full.slice("/api/v2".length) : undefined;
  const route = path === undefined ? undefined : routeOf(state, path);
  if (path === undefined) {
    const page = await pageOf(state, request, full);
    if (page !== undefined) return page;
  }
  if (path === undefined || route === undefined) {
    if (path === undefined || full.endsWith("/") || routeOf(state, `${path}/`) === undefined) return HTML_NOT_FOUND;
    const query = queryOf(url);
    return { status: 301, headers: { location: `${full}/${query === "" ? "" : `?${query}`}` }, body: "" };
  }
  const user = authenticate(state, request.headers.authorization);
  const { body, form } = await readBody(state, request, route.form);
  const call: Call = {
    method: request.method ?? "GET",
    path,
    ids: route.ids,
    query: new URLSearchParams(queryOf(url)),
    origin: `http://${request.headers.host ?? state.settings.host}`,
    user,
    body,
    form,
    ...(fault === undefined ? {} : { importFault: fault }),
  };
  try {
    return await work(async () => {
      const reply = await handle(state, route, call);
      await sleep(readingTime(state, call, reply));
      return reply;
    });
  } finally {
    await form?.discard();
  }
}

/** The cost of a row in a list, measured in findings; other lists cost almost nothing. Prefetching costs extra. */
const WEIGHTS: Record<string, number> = { "/findings/": 1, "/location/": 0.3, "/url/": 0.3 };

function readingTime(state: State, call: Call, reply: Reply): number {
  const each = state.settings.timing.readMsPerFinding;
  const body = reply.body as { results?: unknown[]; prefetch?: Record<string, object> } | undefined;
  if (each === 0 || body?.results === undefined) return 0;
  const prefetched = Object.values(body.prefetch ?? {}).map((rows) => Object.keys(rows).length);
  return each * prefetched.reduce((sum, rows) => sum + rows / 2, body.results.length * (WEIGHTS[call.path] ?? 0));
}

function send(request: IncomingMessage, response: ServerResponse, reply: Reply): void {
  // Drains the rest of a rejected body, so that the client can read the response.
  if (!request.complete) request.resume();
  const isText = typeof reply.body === "string";
  const text = reply.body === undefined ? "" : isText ? (reply.body as string) : JSON.stringify(reply.body);
  const type = isText ? "text/html; charset=utf-8" : "application/json";
  response.writeHead(reply.status, {
    ...(reply.status === 204 ? {} : { "content-type": type }),
    "content-length": Buffer.byteLength(text),
    ...reply.headers,
  });
  response.end(text);
}

function pathOf(url: string): string {
  return url.split("?", 1)[0] ?? url;
}

function queryOf(url: string): string {
  const at = url.indexOf("?");
  return at < 0 ? "" : url.slice(at + 1);
}
