import { createHash, timingSafeEqual } from "node:crypto";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { refusal } from "../../infra/local/http-guard.ts";
import { describeError } from "../../lib/errors.ts";
import type { Log } from "../../lib/observe.ts";
import { readBytes } from "../../lib/util/read-bytes.ts";

export interface Reply {
  readonly status: number;
  readonly type?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

interface RouteRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  /** The whole body, within bounds. */
  readonly body: () => Promise<Buffer>;
}

/** A route's response; undefined if the route responded itself (a stream). */
export type Route = (request: RouteRequest) => Promise<Reply | undefined> | Reply | undefined;

export interface ReceiverOptions {
  readonly host: string;
  readonly port: number;
  /** `Authorization` must carry it as a Bearer token. */
  readonly token: string;
  /** Names in the Host header besides loopback's, addresses, `host` and the machine's own. */
  readonly allowedHosts?: readonly string[];
  /** By `METHOD /path`. */
  readonly routes: Readonly<Record<string, Route>>;
  /** Those that need the token. */
  readonly guarded: ReadonlySet<string>;
  readonly log: Log;
}

export interface Receiver {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Notifications are a few KiB each; SQS would not accept larger ones anyway. */
const MAX_BODY = 1024 * 1024;

class TooLarge extends Error {}

/** The service's HTTP side. */
export async function startReceiver(options: ReceiverOptions): Promise<Receiver> {
  const { host, port, token, routes, guarded, log } = options;
  const origins = options.allowedHosts ?? [];
  const own = { hosts: [host, hostname(), ...origins], origins };
  const server = http.createServer((request, response) => {
    const url = URL.parse(request.url ?? "/", "http://relay.invalid");
    if (url === null) return reply(response, { status: 400, body: "the path cannot be read\n" });
    answer(request, response, url).catch((error: unknown) => {
      const tooLarge = error instanceof TooLarge;
      if (!tooLarge) log.error("a request failed", { path: url.pathname, error });
      if (!response.headersSent)
        reply(response, { status: tooLarge ? 413 : 500, body: tooLarge ? "too large\n" : `${describeError(error)}\n` });
      if (tooLarge) request.destroy();
    });
  });

  const answer = async (request: IncomingMessage, response: ServerResponse, url: URL) => {
    const foreign = refusal(request, own);
    if (foreign !== undefined) {
      log.warn("refused a request", { path: url.pathname, why: foreign, from: request.socket.remoteAddress });
      return reply(response, { status: 403, body: `${foreign}\n` });
    }
    const name = `${request.method === "HEAD" ? "GET" : request.method} ${url.pathname}`;
    const route = routes[name];
    if (route === undefined) return reply(response, { status: 404, body: "not found\n" });
    if (guarded.has(name) && !authorized(request.headers.authorization, token)) {
      log.warn("refused a request without the right token", {
        path: url.pathname,
        from: request.socket.remoteAddress,
      });
      return reply(response, {
        status: 401,
        body: "the Authorization header does not carry WEBHOOK_TOKEN as a Bearer token\n",
      });
    }
    const given = await route({
      request,
      response,
      url,
      body: () => readBytes(request, MAX_BODY, () => new TooLarge()),
    });
    if (given !== undefined) reply(response, given);
  };

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const address = server.address() as AddressInfo;
  const name = host.includes(":") ? `[${host}]` : host;
  return {
    url: `http://${name === "0.0.0.0" || name === "[::]" ? "127.0.0.1" : name}:${address.port}`,
    port: address.port,
    close: () => closeGently(server),
  };
}

/** Gives responses in progress a moment to finish. */
async function closeGently(server: http.Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  setTimeout(() => server.closeAllConnections(), 2_000).unref();
  await closed;
}

function reply(
  response: ServerResponse,
  { status, type = "text/plain; charset=utf-8", body = "", headers = {} }: Reply,
): void {
  response.writeHead(status, {
    ...headers,
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
  });
  response.end(body);
}

/** `Bearer TOKEN`; MinIO sends a token of two words unchanged. Compared in constant time. */
function authorized(header: string | undefined, token: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  const given = digest(header ?? "");
  return (
    timingSafeEqual(given, digest(`Bearer ${token}`)) || (token.includes(" ") && timingSafeEqual(given, digest(token)))
  );
}
