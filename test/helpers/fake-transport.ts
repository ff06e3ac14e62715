import "./no-network.ts";
import { statusError } from "../../lib/defectdojo/errors.ts";
import type { Method, RequestOptions, Transport } from "../../lib/defectdojo/http.ts";
import { RelayError } from "../../lib/errors.ts";

export interface Call {
  readonly method: Method;
  /** The path below /api/v2/, without the query. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** Path and query as sent over the wire. */
  readonly url: string;
  readonly json: unknown;
  readonly options: RequestOptions;
}

export type Reply = readonly [status: number, body?: unknown] | RelayError;

export interface FakeTransport extends Transport {
  readonly calls: Call[];
  /** `METHOD path?query` of each call. */
  readonly lines: () => string[];
}

/** A transport that responds with `reply`; unexpected statuses are errors, as over HTTP. */
export function fakeTransport(reply: (call: Call) => Reply | Promise<Reply>): FakeTransport {
  const calls: Call[] = [];
  return {
    calls,
    lines: () => calls.map(({ method, url }) => `${method} ${url}`),
    request: async (method, path, options = {}) => {
      const pairs = options.query ?? [];
      const text = pairs.map((pair) => pair.map((part) => encodeURIComponent(part).replaceAll("%2C", ",")).join("="));
      const url = text.length === 0 ? path : `${path}?${text.join("&")}`;
      const call = { method, path, query: Object.fromEntries(pairs), url, json: options.json, options };
      calls.push(call);
      const answer = await reply(call);
      if (answer instanceof RelayError) throw answer;
      const [status, body] = answer;
      if ((status >= 200 && status < 300) || options.expect?.includes(status)) return { status, body };
      throw statusError({ what: `${method} /api/v2/${path}`, status, headers: {}, body });
    },
  };
}

/** A page of a list: the items at the call's limit and offset. */
export function pageOf<T>(all: readonly T[], { query }: Call): Reply {
  const [limit, offset] = [Number(query.limit ?? 25), Number(query.offset ?? 0)];
  return [200, { count: all.length, next: null, previous: null, results: all.slice(offset, offset + limit) }];
}
