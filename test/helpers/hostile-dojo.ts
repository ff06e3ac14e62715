import http from "node:http";
import type { AddressInfo } from "node:net";

/** List responses of a broken or hostile DefectDojo. Every row is a way to keep a client busy. */
export const HOSTILE_LISTS = {
  /** Full pages of new ids, without an end. */
  "endless, growing": (offset: number, limit: number) => ({
    count: offset + 2 * limit,
    results: items(offset, limit),
  }),
  "endless, one by one": (offset: number) => ({ count: 1_000_000_000, results: items(offset, 1) }),
  "one by one of many": (offset: number) => ({ count: 99_000, results: items(offset, 1) }),
  "the same page again": (_: number, limit: number) => ({ count: 50_000, results: items(0, limit) }),
  "more than was asked for": () => ({ count: 20_000, results: items(0, 20_000) }),
  "a count that is none": () => ({ count: Number.MAX_SAFE_INTEGER, results: items(0, 10) }),
  "a negative count": () => ({ count: -5, results: items(0, 10) }),
  "empty, with a count": () => ({ count: 1_000, results: [] }),
} as const;

export type HostileList = keyof typeof HOSTILE_LISTS;

export interface HostileDojo {
  readonly url: string;
  readonly requests: () => number;
  readonly bytes: () => number;
  readonly close: () => Promise<void>;
}

/** Responds to every GET in that way, unless `answer` overrides it. */
export async function startHostileDojo(
  list: HostileList,
  answer: (request: http.IncomingMessage, response: http.ServerResponse) => boolean = () => false,
): Promise<HostileDojo> {
  let [requests, bytes] = [0, 0];
  const server = http.createServer((request, response) => {
    requests++;
    request.resume();
    if (answer(request, response)) return;
    const url = new URL(request.url ?? "/", "http://dojo.invalid");
    const [offset, limit] = ["offset", "limit"].map((name) => Number(url.searchParams.get(name) ?? 0));
    const body = JSON.stringify(HOSTILE_LISTS[list](offset ?? 0, Math.min(limit || 25, 1_000)));
    bytes += body.length;
    response.writeHead(200, { "content-type": "application/json" }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => requests,
    bytes: () => bytes,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Objects that are valid as any of DefectDojo's: tests, engagements, findings, links, locations. */
function items(from: number, count: number) {
  return Array.from({ length: count }, (_, index) => ({
    id: from + index + 1,
    name: "x",
    title: "x",
    test: 1,
    product: 1,
    prod_type: 1,
    engagement: 1,
    location: from + index + 1,
    location_value: "http://x",
    username: "x",
    severity: "Info",
    created: "2026-01-01T00:00:00Z",
    build_id: "key",
    percent_complete: 50,
    duplicate: false,
    false_p: false,
    risk_accepted: false,
    out_of_scope: false,
    endpoints: [from + index + 1],
  }));
}
