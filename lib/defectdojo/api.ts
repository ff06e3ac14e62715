import type * as z from "zod";
import { RelayError } from "../errors.ts";
import type { Method, RequestOptions, Transport } from "./http.ts";
import { listGuard } from "./list-guard.ts";
import { counted, page, parseAnswer } from "./schemas.ts";

export type Query = Readonly<Record<string, string | number | boolean>>;

/** Web servers in front of DefectDojo refuse longer request lines (nginx: 4 or 8 KiB). */
export const LONGEST_URL = 3_900;

/** Typed calls over a transport, on which the rest of the client builds. */
export function dojoApi(transport: Transport) {
  const call = async <T extends z.ZodType>(method: Method, path: string, schema: T, options: RequestOptions = {}) => {
    const { body } = await transport.request(method, path, options);
    return parseAnswer(schema, body, `${method} /api/v2/${path}`);
  };

  const get = <T extends z.ZodType>(path: string, query: Query, schema: T) =>
    call("GET", path, schema, { query: entries(query) });

  return {
    transport,
    get,
    post: <T extends z.ZodType>(path: string, json: unknown, schema: T) => call("POST", path, schema, { json }),
    patch: <T extends z.ZodType>(path: string, json: unknown, schema: T) => call("PATCH", path, schema, { json }),
    call,
    count: async (path: string, query: Query) => (await get(path, { ...query, limit: 1 }, counted)).count,
    /** Every item of a list, page by page, up to the list's own count and within {@link listGuard}'s bounds. */
    list: async function* <T extends z.ZodType>(
      path: string,
      query: Query,
      item: T,
      limit = 100,
    ): AsyncGenerator<z.output<T>> {
      const check = listGuard(path, limit);
      for (let offset = 0, count = 1; offset < count; ) {
        const answer = await get(path, { ...query, limit, ...(offset === 0 ? {} : { offset }) }, page(item));
        check(answer);
        yield* answer.results;
        count = answer.count;
        offset += answer.results.length;
        if (answer.results.length === 0 && count > offset) throw endedEarly(path, count, offset);
      }
    },
  };
}

/** A list with fewer items than announced: something was removed in the meantime. */
export function endedEarly(path: string, announced: number, given: number): RelayError {
  const message = `GET /api/v2/${path}: ${announced} objects announced, ${given} received`;
  return new RelayError("read-unstable", message, { object: path });
}

export type DojoApi = ReturnType<typeof dojoApi>;

const entries = (query: Query) => Object.entries(query).map(([name, value]) => [name, String(value)] as const);

/** Ids in groups that each fit into one URL beside a path and other parameters of `reserve` characters. */
export function idGroups(ids: Iterable<number>, reserve = 300): string[] {
  const groups: string[] = [];
  let group = "";
  let length = 0;
  for (const id of ids) {
    const text = String(id);
    if (group !== "" && length + text.length + 1 > LONGEST_URL - reserve) {
      groups.push(group);
      group = "";
      length = 0;
    }
    length += text.length + (group === "" ? 0 : 1);
    group += group === "" ? text : `,${text}`;
  }
  return group === "" ? groups : [...groups, group];
}
