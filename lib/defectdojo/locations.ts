import type * as z from "zod";
import { type DojoApi, endedEarly, idGroups } from "./api.ts";
import { listGuard } from "./list-guard.ts";
import { endpoint, linksPage, location, type RawFinding } from "./schemas.ts";

/**
 * How this server returns a finding's locations, detected from its responses:
 * - `locations`: 3.x; `finding.endpoints` are ids of finding-location links, locations are listed by id.
 * - `linked-locations`: the same, but the token's user is not a superuser: `/location/` is 403 and locations come with their links.
 * - `endpoints`: 2.x, and 3.x with the feature off; `finding.endpoints` are ids of endpoints, which come with the findings.
 */
export type LocationMode = "locations" | "linked-locations" | "endpoints";

const BY_STATUS: Readonly<Record<number, LocationMode>> = {
  200: "locations",
  403: "linked-locations",
  404: "endpoints",
};

export async function detectLocationMode(api: DojoApi): Promise<LocationMode> {
  const { status } = await api.transport.request("GET", "location/", { query: [["limit", "1"]], expect: [403, 404] });
  return BY_STATUS[status] ?? "locations";
}

/** Links and locations per request. */
const LIMIT = 1_000;
/** Up to this many, prefetching locations is faster than another request. */
const FEW = 10;
/** The most locations read of one finding; a crawler's finding may have tens of thousands, at 2 ms each. */
const MOST_LOCATIONS = 250;

/**
 * The locations of each finding as URLs, {@link MOST_LOCATIONS} at most, by the finding's id; findings without one are missing.
 * Two requests for a page of findings and their originals that have one location each, whatever the length of ids.
 */
export async function locate(
  api: DojoApi,
  findings: readonly RawFinding[],
  mode: Exclude<LocationMode, "endpoints">,
): Promise<Map<number, string[]>> {
  const linksOf = new Map<number, readonly number[]>();
  let all = 0;
  for (const { id, endpoints } of findings) {
    if (endpoints?.[0] === undefined) continue;
    linksOf.set(id, endpoints.slice(0, MOST_LOCATIONS));
    all += endpoints.length;
  }
  const wanted = new Set([...linksOf.values()].flat());
  const byLink = idGroups(wanted);
  const byFinding = idGroups(linksOf.keys());
  const pages = Math.max(byFinding.length, Math.ceil(all / LIMIT));
  const [filter, groups] = pages <= byLink.length ? ["finding_includes", byFinding] : ["id_includes", byLink];
  // A link takes 0.2 ms, and its location 1.6 ms more, or 3.5 ms if prefetched: prefetching is only worth the requests that it saves, at 20 ms each.
  // Ids of locations are about as long as those of links.
  const together =
    mode === "linked-locations" ||
    wanted.size <= FEW ||
    (wanted.size === linksOf.size && groups.length + byLink.length > 2);
  const { links, urls } = await findLinks(api, filter, groups, together);
  const unknown =
    mode === "locations" ? new Set([...wanted].flatMap((link) => links.get(link) ?? [])) : new Set<number>();
  for (const known of urls.keys()) unknown.delete(known);
  for (const group of idGroups(unknown)) {
    for await (const { id, location_value } of api.list("location/", { id_includes: group }, location, LIMIT))
      urls.set(id, location_value);
  }
  return located(linksOf, (link) => urls.get(links.get(link) ?? 0));
}

/** The URLs of each finding's links in their order; findings that have none are left out. */
function located(
  linksOf: ReadonlyMap<number, readonly number[]>,
  urlOf: (link: number) => string | undefined,
): Map<number, string[]> {
  const found = new Map<number, string[]>();
  for (const [finding, links] of linksOf) {
    const urls = links.flatMap((link) => urlOf(link) || []);
    if (urls.length > 0) found.set(finding, urls);
  }
  return found;
}

/** The links that match the filter: their locations by id, and the URLs of prefetched locations. */
async function findLinks(api: DojoApi, filter: string, groups: readonly string[], withLocations: boolean) {
  const links = new Map<number, number>();
  const urls = new Map<number, string>();
  for (const ids of groups) {
    const check = listGuard("location_findings/", LIMIT);
    for (let offset = 0, count = 1; offset < count; ) {
      const answer = await api.get(
        "location_findings/",
        {
          [filter]: ids,
          limit: LIMIT,
          ...(withLocations ? { prefetch: "location" } : {}),
          ...(offset === 0 ? {} : { offset }),
        },
        linksPage,
      );
      check(answer);
      for (const { id, location } of answer.results) links.set(id, location);
      for (const { id, location_value } of Object.values(answer.prefetch?.location ?? {})) urls.set(id, location_value);
      count = answer.count;
      offset += answer.results.length;
      if (answer.results.length === 0 && count > offset) throw endedEarly("location_findings/", count, offset);
    }
  }
  return { links, urls };
}

/** The endpoints of each finding as URLs, {@link MOST_LOCATIONS} at most, from the endpoints that came with the page. */
export function locateEndpoints(
  findings: readonly RawFinding[],
  endpoints: Readonly<Record<string, unknown>>,
): Map<number, string[]> {
  const linksOf = new Map(findings.map(({ id, endpoints }) => [id, (endpoints ?? []).slice(0, MOST_LOCATIONS)]));
  return located(linksOf, (link) => {
    const parsed = endpoint.safeParse(endpoints[String(link)]);
    // A link of locations mode, read as an endpoint, has no host.
    return parsed.success && parsed.data.host !== "" ? endpointUrl(parsed.data) : undefined;
  });
}

/** `protocol://host:port/path?query#fragment`; what is missing is left out, `//host` stays where there is no protocol. */
export function endpointUrl({ protocol, host, port, path, query, fragment }: z.output<typeof endpoint>): string {
  const name = host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
  return [
    protocol === "" ? "//" : `${protocol}://`,
    name,
    port == null ? "" : `:${port}`,
    path === "" ? "" : `/${path.replace(/^\//, "")}`,
    query === "" ? "" : `?${query}`,
    fragment === "" ? "" : `#${fragment}`,
  ].join("");
}
