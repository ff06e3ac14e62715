import http, { type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { CALL_NAMES, type Service } from "./call-names.ts";

/** When a call is cut off: before it is forwarded, with half of its body forwarded, or with its response received but not forwarded. */
export type Side = "before" | "halfway" | "after";

/** A call, by its name and the number of earlier ones in the same run. */
export interface Call {
  readonly service: Service;
  readonly name: string;
  readonly nth: number;
  /** Bytes. */
  readonly bodySize: number;
}

/** Called for every call; a side means that the caller is killed there. `kill` must have done so when it resolves. */
export interface Watch {
  readonly cut: (call: Call) => Side | undefined;
  readonly kill: (call: Call, side: Side) => Promise<void>;
  /** The response to a forwarded call. */
  readonly answered: (call: Call, body: Buffer) => void;
}

export interface CallProxy {
  readonly url: string;
  close(): Promise<void>;
}

const POLL_MS = 20;

/** A poll that returns at once: a long poll that outlives its client would consume the next message. */
function shortPoll(body: Buffer): Buffer {
  return Buffer.from(JSON.stringify({ ...(JSON.parse(body.toString("utf8")) as object), WaitTimeSeconds: 0 }));
}

/** An HTTP proxy in front of one service; it counts and names the calls and can kill the caller in the middle of one. */
export async function startProxy(service: Service, upstream: string, watch: () => Watch): Promise<CallProxy> {
  const target = new URL(upstream);
  const agent = new http.Agent({ keepAlive: true });
  const counts = new WeakMap<Watch, Map<string, number>>();

  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = "GET", url = "/", headers } = request;
    const body = await buffer(request);
    const current = watch();
    const name = CALL_NAMES[service]({ method, url, headers, body });
    const seen = counts.get(current) ?? new Map<string, number>();
    counts.set(current, seen);
    const nth = seen.get(name) ?? 0;
    seen.set(name, nth + 1);
    const call = { service, name, nth, bodySize: body.length };
    const side = current.cut(call);
    if (side === "before") return await current.kill(call, side);
    const isPoll = name.startsWith("ReceiveMessage");
    const content = isPoll ? shortPoll(body) : body;
    const passedOn = http.request({
      ...{ host: target.hostname, port: target.port, agent, method, path: url, setHost: false },
      headers: { ...headers, ...(isPoll ? { "content-length": String(content.length) } : {}) },
    });
    if (side === "halfway") {
      passedOn.once("error", () => undefined);
      passedOn.write(body.subarray(0, body.length >> 1));
      await current.kill(call, side);
      passedOn.destroy();
      return;
    }
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      passedOn.once("response", resolve).once("error", reject);
      passedOn.end(content);
    });
    const answered = await buffer(answer);
    if (isPoll && !answered.includes('"Messages"')) await sleep(POLL_MS);
    current.answered(call, answered);
    if (side === "after") return await current.kill(call, side);
    response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
    response.end(answered);
  };

  const server = http.createServer({ requestTimeout: 0 }, (request, response) => {
    // An error here means that the caller or the service died, which the connection shows.
    serve(request, response).catch(() => request.socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      agent.destroy();
    },
  };
}
