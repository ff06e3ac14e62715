import { requireSuperuser, seesProduct, seesTest } from "../auth.ts";
import { contains, exactIgnoringCase, filtered, idList, number, numberIn } from "../filters.ts";
import { type Call, fieldErrors, forbidden, internalError, notFound, type Reply } from "../http.ts";
import type { Endpoint, Location, LocationFinding, LocationProduct } from "../model.ts";
import { page, paged } from "../paging.ts";
import type { State } from "../state.ts";
import { prefetched } from "./prefetch.ts";
import { serializeEndpoint, serializeLink, serializeLocation } from "./serialize-location.ts";

/** Only superusers may read `location/` and `url/`. */
export function listLocations(state: State, call: Call): Reply {
  requireSuperuser(call.user, forbidden());
  return paged(call, selectedLocations(state, call), serializeLocation);
}

export function getLocation(state: State, call: Call): Reply {
  return { status: 200, body: serializeLocation(findLocation(state, call, "Location")) };
}

export function listUrls(state: State, call: Call): Reply {
  requireSuperuser(call.user, forbidden());
  return paged(call, selectedLocations(state, call), serializeUrl, { prefetch: {} });
}

export function getUrl(state: State, call: Call): Reply {
  return { status: 200, body: { ...serializeUrl(findLocation(state, call, "URL")), prefetch: {} } };
}

export function listLocationFindings(state: State, call: Call): Reply {
  const wanted = given(call, "finding_includes");
  const all: LocationFinding[] =
    wanted === undefined
      ? [...state.locationFindings.values()]
      : linksOf(state, wanted).toSorted((a, b) => a.id - b.id);
  const visible = all.filter((link) => {
    const finding = state.findings.get(link.finding);
    return finding !== undefined && seesTest(state, call.user, finding.test);
  });
  const rows = filtered<LocationFinding>(call, visible, {
    finding_equals: number((l) => l.finding),
    id_includes: numberIn((l) => l.id),
    location_includes: numberIn((l) => l.location),
    location_equals: number((l) => l.location),
  });
  return paged(call, rows, serializeLink, { prefetch: prefetched(state, call, "links", page(call, rows)) });
}

export function getLocationFinding(state: State, call: Call): Reply {
  const link = state.locationFindings.get(call.ids[0] ?? 0);
  const test = state.findings.get(link?.finding ?? 0)?.test;
  if (link === undefined || test === undefined || !seesTest(state, call.user, test))
    throw notFound("LocationFindingReference");
  return { status: 200, body: { ...serializeLink(link), prefetch: prefetched(state, call, "links", [link]) } };
}

/** In locations mode the locations of products, with ids of their own; otherwise the endpoints. */
export function listEndpoints(state: State, call: Call): Reply {
  if (state.settings.mode === "endpoints") {
    const rows = filtered<Endpoint>(call, visibleEndpoints(state, call), {
      id: number((e) => e.id),
      host: contains((e) => e.host),
      product: number((e) => e.product),
    });
    return paged(call, rows, (row) => ({ ...serializeEndpoint(row), active_finding_count: activeAt(state, row) }), {
      prefetch: {},
    });
  }
  const rows = filtered<LocationProduct>(call, visibleProductPlaces(state, call), {
    id: number((p) => p.id),
    product: number((p) => p.product),
    location_id: number((p) => p.location),
    host: contains((p) => state.locations.get(p.location)?.host ?? ""),
    path: contains((p) => state.locations.get(p.location)?.path ?? ""),
  });
  return paged(call, rows, (row) => serializeProductPlace(state, row), { prefetch: {} });
}

export function getEndpoint(state: State, call: Call): Reply {
  if (state.settings.mode === "endpoints") {
    const endpoint = visibleEndpoints(state, call).find((e) => e.id === call.ids[0]);
    if (endpoint === undefined) throw notFound("Endpoint");
    const body = { ...serializeEndpoint(endpoint), active_finding_count: activeAt(state, endpoint), prefetch: {} };
    return { status: 200, body };
  }
  const place = visibleProductPlaces(state, call).find((p) => p.id === call.ids[0]);
  if (place === undefined) throw notFound("LocationProductReference");
  // A bug of 3.2.0: its permission check fails for users who are not superusers.
  if (!call.user.is_superuser) throw internalError();
  return { status: 200, body: { ...serializeProductPlace(state, place), prefetch: {} } };
}

function serializeUrl(location: Location): object {
  return {
    id: location.id,
    string: location.value,
    type: "url",
    tags: [],
    protocol: location.protocol,
    user_info: location.userinfo,
    host: location.host,
    port: location.port,
    path: location.path,
    query: location.query,
    fragment: location.fragment,
    host_validation_failure: location.badHost,
  };
}

function serializeProductPlace(state: State, place: LocationProduct): object {
  const { location, ...columns } = place;
  const { protocol, userinfo, host, port, path, query, fragment } = state.locations.get(location) ?? ({} as Location);
  const here = [...state.locationFindings.values()].filter((link) => link.location === location).length;
  return {
    ...columns,
    ...{ protocol, userinfo, host, port, path, query, fragment },
    tags: [],
    location_id: location,
    active_finding_count: here,
    relationship: "",
    relationship_data: {},
    status: "Active",
  };
}

function selectedLocations(state: State, call: Call): Location[] {
  const findings = given(call, "findings__finding_includes");
  const ids = given(call, "id_includes");
  let rows: Iterable<Location> = state.locations.values();
  if (findings !== undefined)
    rows = locationsById(state, new Set(linksOf(state, findings).map((link) => link.location)));
  else if (ids !== undefined) rows = locationsById(state, ids);
  return filtered<Location>(call, rows, {
    id_includes: numberIn((l) => l.id),
    location_value_exact: exactIgnoringCase((l) => l.value),
    location_value_contains: contains((l) => l.value),
  });
}

function locationsById(state: State, ids: ReadonlySet<number>): Location[] {
  return [...ids].sort((a, b) => a - b).flatMap((id) => state.locations.get(id) ?? []);
}

function linksOf(state: State, findings: ReadonlySet<number>): LocationFinding[] {
  return [...findings].flatMap((id) =>
    (state.findings.get(id)?.endpoints ?? []).flatMap((link) => state.locationFindings.get(link) ?? []),
  );
}

function given(call: Call, name: string): Set<number> | undefined {
  const value = call.query.get(name);
  if (value === null || value === "") return undefined;
  const ids = idList(value);
  if (!(ids instanceof Set)) throw fieldErrors({ [name]: [ids] });
  return ids;
}

function findLocation(state: State, call: Call, model: string): Location {
  requireSuperuser(call.user, forbidden());
  const location = state.locations.get(call.ids[0] ?? 0);
  if (location === undefined) throw notFound(model);
  return location;
}

function visibleEndpoints(state: State, call: Call): Endpoint[] {
  return [...state.endpoints.values()].filter((e) => sees(state, call, e.product));
}

function visibleProductPlaces(state: State, call: Call): LocationProduct[] {
  return [...state.locationProducts.values()].filter((p) => sees(state, call, p.product));
}

function sees(state: State, call: Call, productId: number): boolean {
  const product = state.products.get(productId);
  return product !== undefined && seesProduct(state, call.user, product);
}

function activeAt(state: State, endpoint: Endpoint): number {
  return endpoint.findings.filter((id) => state.findings.get(id)?.active === true).length;
}
