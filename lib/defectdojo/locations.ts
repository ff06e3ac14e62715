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
/** So few locations come along sooner than another request has its answer. */
const FEW = 10;

/**
 * The first location of each finding as a URL, by the finding's id; findings without one are missing.
 * Two requests at most for a page of findings and their originals, whatever the length of ids and however many locations each finding has.
 */
export async function locate(
  api: DojoApi,
  findings: readonly RawFinding[],
  mode: Exclude<LocationMode, "endpoints">,
): Promise<Map<number, string>> {
  const first = new Map<number, number>();
  let all = 0;
  for (const { id, endpoints } of findings) {
    if (endpoints?.[0] === undefined) continue;
    first.set(id, endpoints[0]);
    all += endpoints.length;
  }
  const byLink = idGroups(new Set(first.values()));
  const [filter, groups] = all <= LIMIT ? ["finding_includes", idGroups(first.keys())] : ["id_includes", byLink];
  // A link takes 0.2 ms, and its location 1.6 ms more, or 3.5 ms where it comes along: that is only worth the requests it saves, of 20 ms each.
  // Ids of locations are about as long as those of links.
  const together = mode === "linked-locations" || groups.length + byLink.length > 2 || first.size <= FEW;
  const { links, urls } = await findLinks(api, filter, groups, together);
  const wanted = [...first.values()].flatMap((link) => links.get(link) ?? []);
  const unknown = mode === "locations" ? new Set(wanted.filter((location) => !urls.has(location))) : [];
  for (const group of idGroups(unknown)) {
    for await (const { id, location_value } of api.list("location/", { id_includes: group }, location, LIMIT))
      urls.set(id, location_value);
  }
  const located = [...first].map(([finding, link]) => [finding, urls.get(links.get(link) ?? 0)] as const);
  return new Map(located.filter((pair): pair is readonly [number, string] => Boolean(pair[1])));
}

/** The links that the filter lets through: their locations by their ids, and the URLs of locations that came along. */
async function findLinks(api: DojoApi, filter: string, groups: readonly string[], withLocations: boolean) {
  const links = new Map<number, number>();
  const urls = new Map<number, string>();
  for (const ids of groups) {
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
      for (const { id, location } of answer.results) links.set(id, location);
      for (const { id, location_value } of Object.values(answer.prefetch?.location ?? {})) urls.set(id, location_value);
      count = answer.count;
      offset += answer.results.length;
      if (answer.results.length === 0 && count > offset) throw endedEarly("location_findings/", count, offset);
    }
  }
  return { links, urls };
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
