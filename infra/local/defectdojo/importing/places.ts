import type { Endpoint, Finding, Location, Place } from "../model.ts";
import type { State } from "../state.ts";
import { hasBadHost, locationValue } from "./place.ts";

/** Links a finding to where it was found: to locations in 3.x, to endpoints of the product before. */
export function rememberPlaces(state: State, finding: Finding, places: readonly Place[], product: number): void {
  for (const place of places) {
    if (state.settings.mode === "locations") addLocation(state, finding, place, product);
    else addEndpoint(state, finding, place, product);
  }
}

export function forgetPlaces(state: State, finding: Finding): void {
  for (const id of finding.endpoints) {
    state.locationFindings.delete(id);
    const endpoint = state.endpoints.get(id);
    if (endpoint !== undefined) endpoint.findings = endpoint.findings.filter((f) => f !== finding.id);
  }
}

/** The hosts and paths of a finding, for deduplication. */
export function placesOf(state: State, finding: Finding): Omit<Place, "userinfo">[] {
  const places: Omit<Place, "userinfo">[] = [];
  for (const id of finding.endpoints) {
    const place =
      state.settings.mode === "locations"
        ? state.locations.get(state.locationFindings.get(id)?.location ?? 0)
        : state.endpoints.get(id);
    if (place !== undefined) places.push(place);
  }
  return places;
}

function addLocation(state: State, finding: Finding, place: Place, product: number): void {
  const location = locationOf(state, place);
  if (finding.endpoints.some((id) => state.locationFindings.get(id)?.location === location.id)) return;
  const stamps = { created: state.timestamp(), updated: state.timestamp() };
  const link = { id: state.nextId("locationFinding"), ...stamps, location: location.id, finding: finding.id };
  state.locationFindings.set(link.id, link);
  finding.endpoints.push(link.id);
  const key = `${location.id} ${product}`;
  if (state.locationProductsByKey.has(key)) return;
  const reference = { id: state.nextId("locationProduct"), ...stamps, location: location.id, product };
  state.locationProducts.set(reference.id, reference);
  state.locationProductsByKey.set(key, reference);
}

/** Locations are shared by all products. */
function locationOf(state: State, place: Place): Location {
  const value = locationValue(place);
  const known = state.locationsByValue.get(value);
  if (known !== undefined) return known;
  const location: Location = {
    id: state.nextId("location"),
    created: state.timestamp(),
    updated: state.timestamp(),
    ...place,
    value,
    badHost: hasBadHost(place.host),
  };
  state.locations.set(location.id, location);
  state.locationsByValue.set(value, location);
  return location;
}

/** Endpoints belong to a product. */
function addEndpoint(state: State, finding: Finding, place: Place, product: number): void {
  const key = JSON.stringify([product, place]);
  let endpoint: Endpoint | undefined = state.endpointsByKey.get(key);
  if (endpoint === undefined) {
    endpoint = { id: state.nextId("endpoint"), ...place, userinfo: place.userinfo || null, product, findings: [] };
    state.endpoints.set(endpoint.id, endpoint);
    state.endpointsByKey.set(key, endpoint);
  }
  if (finding.endpoints.includes(endpoint.id)) return;
  endpoint.findings.push(finding.id);
  finding.endpoints.push(endpoint.id);
}
