import "./no-network.ts";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

interface Received {
  readonly method: string;
  /** Path with query. */
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

export interface TestServer {
  readonly url: string;
  readonly port: number;
  /** Requests with complete bodies, in order. */
  readonly received: Received[];
  readonly close: () => Promise<void>;
}

export type Handler = (request: Received, response: ServerResponse, raw: IncomingMessage) => void | Promise<void>;

/** A real server on this machine; `handle` responds. */
export async function testServer(handle: Handler): Promise<TestServer> {
  const received: Received[] = [];
  const listener: RequestListener = (request, response) => {
    const read = async () => {
      const { method = "", url = "", headers } = request;
      const one = { method, url, headers, body: await buffer(request) };
      received.push(one);
      await handle(one, response, request);
    };
    read().catch(() => response.destroy());
  };
  return { ...(await listen(listener)), received };
}

/** A server that handles the bare request before its body has arrived. */
export async function listen(
  listener: RequestListener,
  tls?: { readonly key: string; readonly cert: string },
): Promise<Omit<TestServer, "received">> {
  const server = tls === undefined ? createServer(listener) : createTlsServer({ ...tls }, listener);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** Responds with JSON. */
export function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}
