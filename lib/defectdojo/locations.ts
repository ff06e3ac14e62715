import type * as z from "zod";
import { type DojoApi, endedEarly, idGroups } from "./api.ts";
import { endpoint, linksPage, location, type RawFinding } from "./schemas.ts";

/**
 * How this server tells where a finding is, found out from its answers:
 * - `locations`: 3.x; `finding.endpoints` are ids of finding-location links, locations are listed by id.
 * - `linked-locations`: the same, but the token is no superuser's: `/location/` is 403 and locations come with their links.
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

/** Links and locations asked for at once. */
const LIMIT = 1_000;

/**
 * The first location of each finding as a URL, by the finding's id; findings without one are missing. Only a finding's first link is asked for, so
 * that the number of requests has nothing to do with how many locations it has.
 */
export async function locate(
  api: DojoApi,
  findings: readonly RawFinding[],
  mode: Exclude<LocationMode, "endpoints">,
): Promise<Map<number, string>> {
  const first = new Map<number, number>();
  for (const { id, endpoints } of findings) if (endpoints?.[0] !== undefined) first.set(id, endpoints[0]);
  const groups = idGroups(new Set(first.values()));
  // A page's links take 60 ms and their locations 400 ms more, or 800 ms where they come along: that is only worth the requests it saves.
  const links = await findLinks(api, groups, mode === "linked-locations" || groups.length > 1);
  const unknown = new Set([...links.values()].filter(({ url }) => url === undefined).map(({ location }) => location));
  const urls = new Map<number, string>();
  for (const ids of idGroups(unknown)) {
    for await (const { id, location_value } of api.list("location/", { id_includes: ids }, location, LIMIT))
      urls.set(id, location_value);
  }
  const located = new Map<number, string>();
  for (const [finding, linkId] of first) {
    const link = links.get(linkId);
    const url = link?.url ?? urls.get(link?.location ?? 0);
    if (url) located.set(finding, url);
  }
  return located;
}

interface Link {
  readonly location: number;
  /** Where the answer already holds the location; "" where it is not to be had. */
  readonly url: string | undefined;
}

/** Links between findings and their locations, by their ids. */
async function findLinks(api: DojoApi, idLists: readonly string[], withLocations: boolean): Promise<Map<number, Link>> {
  const links = new Map<number, Link>();
  for (const ids of idLists) {
    for (let offset = 0, count = 1; offset < count; ) {
      const answer = await api.get(
        "location_findings/",
        {
          id_includes: ids,
          limit: LIMIT,
          ...(withLocations ? { prefetch: "location" } : {}),
          ...(offset === 0 ? {} : { offset }),
        },
        linksPage,
      );
      const locations = answer.prefetch?.location ?? {};
      // Where locations are forbidden to be listed, one that did not come along cannot be asked for.
      const unknown = withLocations ? "" : undefined;
      for (const { id, location } of answer.results)
        links.set(id, { location, url: locations[location]?.location_value ?? unknown });
      count = answer.count;
      offset += answer.results.length;
      if (answer.results.length === 0 && count > offset) throw endedEarly("location_findings/", count, offset);
    }
  }
  return links;
}

/** The first endpoint of each finding as a URL, from the endpoints that came with the page. */
export function locateEndpoints(
  findings: readonly RawFinding[],
  endpoints: Readonly<Record<string, unknown>>,
): Map<number, string> {
  const located = new Map<number, string>();
  for (const finding of findings) {
    const parsed = endpoint.safeParse(endpoints[String(finding.endpoints?.[0])]);
    if (parsed.success) located.set(finding.id, endpointUrl(parsed.data));
  }
  return located;
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
