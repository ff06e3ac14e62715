import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { isLoopback } from "../../lib/util/loopback.ts";
import { refusal } from "./http-guard.ts";

const CLOSE_GRACE_MS = 1_000;

export interface EmbeddedServer {
  readonly url: string;
  readonly port: number;
  /** Stops accepting requests, gives those in progress a second to finish, then closes the connections. */
  close(): Promise<void>;
}

/** A server that stores data on disk. */
export interface EmbeddedStore extends EmbeddedServer {
  /** Why it cannot write, or undefined. */
  problem(): string | undefined;
}

/**
 * Listens on loopback only: the embedded servers check no signatures, so any client that reaches them may do anything. Requests that a
 * browser sends for other sites are rejected.
 */
export async function listenOnLoopback(
  host: string,
  port: number,
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<EmbeddedServer> {
  if (!isLoopback(host)) {
    throw new Error(
      `The embedded servers check no signatures and listen on loopback only, not on ${host}: use 127.0.0.1`,
    );
  }
  const running = new Set<Promise<void>>();
  // No request timeout: a large upload may take long, and the peer is this machine.
  const server = createServer({ requestTimeout: 0, keepAliveTimeout: 65_000 }, (request, response) => {
    const why = refusal(request);
    const work = (why === undefined ? handle(request, response) : refuse(response, why)).finally(() => {
      running.delete(work);
      // Drains what a rejected request left unread: it would block the client's writes and its next request on the connection.
      request.resume();
    });
    running.add(work);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
  const address = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${address.port}`,
    port: address.port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      const cut = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
      await closed;
      clearTimeout(cut);
      await Promise.all(running);
    },
  };
}

async function refuse(response: ServerResponse, why: string): Promise<void> {
  const body = `${why}: this server is for programs on this machine\n`;
  response.writeHead(403, { "content-type": "text/plain", "content-length": Buffer.byteLength(body) }).end(body);
}
