import { dojoApi } from "../../lib/defectdojo/api.ts";
import { findingPages } from "../../lib/defectdojo/findings.ts";
import { locationModes } from "../../lib/defectdojo/location-modes.ts";
import type { DefectDojo } from "../../lib/ports/defectdojo.ts";
import type { FindingPage } from "../../lib/ports/dojo-finding.ts";
import { type Call, fakeTransport, pageOf, type Reply } from "../helpers/fake-transport.ts";
import { rawFinding } from "../helpers/raw-dojo.ts";
import { type DojoTables, type FindingRow, refused } from "./memory-dojo-tables.ts";

/** A test's pages of findings through the relay's own client, in the format of either location mode. */
export interface MemoryPages {
  readonly findingPages: (...args: Parameters<DefectDojo["findingPages"]>) => AsyncGenerator<FindingPage>;
  /** The server is upgraded, or its flag switched, before its n-th request from now. */
  switchMode(requests: number): void;
}

/** Each finding's locations have their own ids, which mean something else in the other mode. */
const LOCATIONS_EACH = 10;
const LOCATION_IDS = 1_000_000;

export function memoryPages(tables: DojoTables, pageSize: number): MemoryPages {
  let mode: "locations" | "endpoints" = "locations";
  let until = Number.POSITIVE_INFINITY;
  const transport = fakeTransport((call) => {
    if (until-- <= 0) {
      mode = mode === "locations" ? "endpoints" : "locations";
      until = Number.POSITIVE_INFINITY;
    }
    return answer(tables, mode, call);
  });
  const api = dojoApi(transport);
  const modes = locationModes(api);
  return {
    findingPages: (testId, expected) => findingPages(api, modes, testId, { concurrency: 1, expected, pageSize }),
    switchMode: (requests) => {
      until = requests;
    },
  };
}

function answer(tables: DojoTables, mode: "locations" | "endpoints", call: Call): Reply {
  const all = [...tables.tests.values()].flatMap(({ findings }) => findings);
  const given = (name: string) => new Set(call.query[name]?.split(",").map(Number));
  if (call.path === "findings/") return findings(tables, mode, call, all);
  if (mode === "endpoints") return [404, "<html>Not Found</html>"];
  const links = all.flatMap(linksOf);
  if (call.path === "location/") {
    const wanted = given("id_includes");
    return pageOf(
      links.filter(({ location }) => wanted.has(location)).map(({ location, url }) => toLocation(location, url)),
      call,
    );
  }
  const [byLink, byFinding] = [given("id_includes"), given("finding_includes")];
  const found = links.filter(({ id, finding }) => byLink.has(id) || byFinding.has(finding));
  const [status, body] = pageOf(
    found.map(({ id, location }) => ({ id, location })),
    call,
  ) as readonly [number, object];
  const location = Object.fromEntries(found.map((link) => [link.location, toLocation(link.location, link.url)]));
  return [status, { ...body, ...(call.query.prefetch === undefined ? {} : { prefetch: { location } }) }];
}

function findings(tables: DojoTables, mode: string, call: Call, all: readonly FindingRow[]): Reply {
  const { test, id, prefetch } = call.query;
  if (test !== undefined && !tables.tests.has(Number(test))) {
    const detail = "test: Select a valid choice. That choice is not one of the available choices.";
    return refused("GET /api/v2/findings/", 400, detail);
  }
  const ids = new Set(id?.split(",").map(Number));
  const wanted = all.filter((one) => (test === undefined ? ids.has(one.id) : one.testId === Number(test)));
  const [status, body] = pageOf(wanted.map(toRaw), call) as readonly [number, { results: { id: number }[] }];
  const shown = new Set(body.results.map((one) => one.id));
  const endpoints = Object.fromEntries(
    wanted
      .filter((one) => shown.has(one.id))
      .flatMap((one) => linksOf(one).map((link) => [link.id, toEndpoint(link, mode)])),
  );
  return [status, { ...body, ...(prefetch === undefined ? {} : { prefetch: { endpoints } }) }];
}

interface Link {
  readonly id: number;
  readonly finding: number;
  readonly location: number;
  readonly url: string;
}

const linksOf = ({ id: finding, locations }: FindingRow): Link[] =>
  locations.map((url, n) => {
    const id = finding * LOCATIONS_EACH + n;
    return { id, finding, location: LOCATION_IDS + id, url };
  });

const toLocation = (id: number, url: string) => ({ id, location_type: "url", location_value: url });

/** The rows of `prefetch=endpoints`: in locations mode a link without a host. */
function toEndpoint({ id, location, finding, url }: Link, mode: string): object {
  if (mode === "locations") return { id, location, finding };
  const { protocol, hostname, port, pathname } = new URL(url);
  const path = pathname.replace(/^\//, "");
  return { id, protocol: protocol.slice(0, -1), host: hostname, port: port === "" ? null : Number(port), path };
}

function toRaw(row: FindingRow) {
  const { duplicateOf, createdAt, testId, title, severity, description, uniqueIdFromTool = "" } = row;
  return rawFinding(row.id, {
    ...{ test: testId, title, severity, description, created: createdAt, unique_id_from_tool: uniqueIdFromTool },
    ...{ duplicate: row.duplicate, duplicate_finding: duplicateOf ?? null, active: row.active, verified: row.verified },
    ...{ false_p: row.falsePositive, risk_accepted: row.riskAccepted, out_of_scope: row.outOfScope },
    ...{ is_mitigated: row.mitigated, under_review: row.underReview },
    endpoints: linksOf(row).map(({ id }) => id),
  });
}
