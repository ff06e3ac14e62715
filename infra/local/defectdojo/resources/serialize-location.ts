import type { Endpoint, Location, LocationFinding } from "../model.ts";

export function serializeLocation(location: Location): object {
  return {
    id: location.id,
    tags: [],
    inherited_tags: [],
    created: location.created,
    updated: location.updated,
    location_type: "url",
    location_value: location.value,
  };
}

export function serializeLink(link: LocationFinding): object {
  return { ...link, relationship: "", relationship_data: {}, audit_time: null, status: "Active", auditor: null };
}

export function serializeEndpoint(endpoint: Endpoint): object {
  const orNull = (text: string) => (text === "" ? null : text);
  return {
    ...endpoint,
    protocol: orNull(endpoint.protocol),
    path: orNull(endpoint.path),
    query: orNull(endpoint.query),
    fragment: orNull(endpoint.fragment),
    endpoint_params: [],
    tags: [],
  };
}
