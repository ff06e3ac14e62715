import type { Call, Reply } from "./http.ts";

const PAGE_SIZE = 25;

/** Django REST framework's LimitOffsetPagination: no upper bound on `limit`, invalid values are ignored. */
export function paged<T>(call: Call, rows: readonly T[], serialize: (row: T) => unknown, extra: object = {}): Reply {
  const limit = positive(call.query.get("limit"), 1) ?? PAGE_SIZE;
  const offset = positive(call.query.get("offset"), 0) ?? 0;
  const link = (to: number) => (to > 0 ? linkTo(call, limit, to) : linkTo(call, limit, undefined));
  return {
    status: 200,
    body: {
      count: rows.length,
      next: offset + limit < rows.length ? linkTo(call, limit, offset + limit) : null,
      previous: offset > 0 ? link(offset - limit) : null,
      results: page(call, rows).map(serialize),
      ...extra,
    },
  };
}

/** The rows that `paged` returns, for the extra fields next to them. */
export function page<T>(call: Call, rows: readonly T[]): T[] {
  const offset = positive(call.query.get("offset"), 0) ?? 0;
  return rows.slice(offset, offset + (positive(call.query.get("limit"), 1) ?? PAGE_SIZE));
}

function positive(value: string | null, least: number): number | undefined {
  const number = value !== null && /^\s*\d+\s*$/.test(value) ? Number(value) : undefined;
  return number !== undefined && number >= least ? number : undefined;
}

function linkTo(call: Call, limit: number, offset: number | undefined): string {
  const query = new URLSearchParams(call.query);
  query.set("limit", String(limit));
  if (offset === undefined) query.delete("offset");
  else query.set("offset", String(offset));
  query.sort();
  return `${call.origin}/api/v2${call.path}?${query}`;
}
