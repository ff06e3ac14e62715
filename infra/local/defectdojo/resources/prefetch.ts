import type { Call } from "../http.ts";
import type { Finding, LocationFinding } from "../model.ts";
import type { State } from "../state.ts";
import { serializeFinding } from "./serialize-finding.ts";
import { serializeEndpoint, serializeLink, serializeLocation } from "./serialize-location.ts";
import { serializeTest } from "./tests.ts";

type Prefetches<T> = Record<string, (state: State, row: T) => [number, unknown][]>;

const FINDING: Prefetches<Finding> = {
  endpoints: (state, finding) =>
    finding.endpoints.flatMap((id): [number, unknown][] => {
      const row = state.settings.mode === "locations" ? state.locationFindings.get(id) : undefined;
      if (row !== undefined) return [[id, serializeLink(row)]];
      const endpoint = state.endpoints.get(id);
      return endpoint === undefined ? [] : [[id, serializeEndpoint(endpoint)]];
    }),
  duplicate_finding: (state, finding) => {
    const original = state.findings.get(finding.duplicate_finding ?? 0);
    return original === undefined ? [] : [[original.id, serializeFinding(state, original)]];
  },
  test: (state, finding) => [[finding.test.id, serializeTest(state, finding.test)]],
};

const LINK: Prefetches<Pick<LocationFinding, "location">> = {
  location: (state, link) => {
    const location = state.locations.get(link.location);
    return location === undefined ? [] : [[location.id, serializeLocation(location)]];
  },
};

/** The additional rows of `prefetch=…`, by field and id; unknown fields are ignored. */
export function prefetched<T>(state: State, call: Call, of: "findings" | "links", rows: readonly T[]): object {
  const table = (of === "findings" ? FINDING : LINK) as unknown as Prefetches<T>;
  const result: Record<string, Record<number, unknown>> = {};
  for (const field of call.query.getAll("prefetch").flatMap((value) => value.split(","))) {
    const fetch = table[field];
    if (fetch === undefined) continue;
    for (const row of rows) {
      for (const [id, value] of fetch(state, row)) {
        result[field] ??= {};
        result[field][id] = value;
      }
    }
    // An empty field appears if rows could have it.
    if (field === "endpoints" && rows.length > 0) result[field] ??= {};
  }
  return result;
}
