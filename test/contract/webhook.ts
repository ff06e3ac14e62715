import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { vi } from "vitest";

export interface Delivery {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly status: number;
}

/** The receiver of a bucket's events, which can reject them on request. */
export interface Webhook {
  readonly port: number;
  readonly deliveries: Delivery[];
  /** Returns these statuses for the next deliveries, then 200. */
  answerNext(...statuses: number[]): void;
  /** Waits until that many deliveries have arrived. */
  waitFor(count: number): Promise<Delivery[]>;
  close(): Promise<void>;
}

export async function startWebhook(port = 0): Promise<Webhook> {
  const deliveries: Delivery[] = [];
  const statuses: number[] = [];
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    const blocks: Buffer[] = [];
    for await (const block of request) blocks.push(block);
    const status = statuses.shift() ?? 200;
    response.writeHead(status).end();
    // MinIO probes the receiver with a GET or an empty POST.
    if (blocks.length > 0)
      deliveries.push({ headers: request.headers, body: Buffer.concat(blocks).toString(), status });
    else if (status !== 200) statuses.unshift(status);
  };
  // An aborted request is not a delivery.
  const server = createServer((request, response) => void take(request, response).catch(() => undefined));
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    deliveries,
    answerNext(...next) {
      statuses.push(...next);
    },
    async waitFor(count) {
      await vi.waitFor(
        () => {
          if (deliveries.length < count) throw new Error(`${deliveries.length} of ${count} deliveries came`);
        },
        { timeout: 30_000, interval: 20 },
      );
      return deliveries.slice(0, count);
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
