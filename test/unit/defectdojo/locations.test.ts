import { describe, expect, it } from "vitest";
import { dojoApi } from "../../../lib/defectdojo/api.ts";
import { detectLocationMode, endpointUrl, locate, locateEndpoints } from "../../../lib/defectdojo/locations.ts";
import { finding, type RawFinding } from "../../../lib/defectdojo/schemas.ts";
import { fakeTransport, pageOf } from "../../helpers/fake-transport.ts";
import { rawFinding } from "../../helpers/raw-dojo.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

const findingOf = (id: number, endpoints: number[] | null = []): RawFinding =>
  finding.parse(rawFinding(id, { endpoints }));
describe("the mode is told by the answers", () => {
  it.each([
    [200, "locations"],
    [403, "linked-locations"],
    [404, "endpoints"],
  ])("%d to location/ is %s", async (status, mode) => {
    const transport = fakeTransport(() => [status, status === 200 ? { count: 0, results: [] } : undefined]);
    expect(await detectLocationMode(dojoApi(transport))).toBe(mode);
    expect(transport.lines()).toEqual(["GET location/?limit=1"]);
  });

  it("and not guessed where there is none", async () => {
    const api = dojoApi(fakeTransport(() => [500]));
    expect(await relayErrorBy(() => detectLocationMode(api))).toMatchObject({ reason: "dojo-unavailable" });
  });
});

describe("endpoints", () => {
  const parts = { id: 1, protocol: "", host: "example.com", port: null, path: "", query: "", fragment: "" };

  it.each([
    [{ ...parts, protocol: "https" }, "https://example.com"],
    [{ ...parts, protocol: "tcp", port: 22 }, "tcp://example.com:22"],
    [
      { ...parts, protocol: "https", port: 8443, path: "a/b", query: "c=d", fragment: "e" },
      "https://example.com:8443/a/b?c=d#e",
    ],
    [{ ...parts, protocol: "http", path: "/a" }, "http://example.com/a"],
    [{ ...parts }, "//example.com"],
    [{ ...parts, host: "2001:db8::1", port: 80 }, "//[2001:db8::1]:80"],
    [{ ...parts, host: "[2001:db8::1]" }, "//[2001:db8::1]"],
    [{ ...parts, port: undefined, query: "a" }, "//example.com?a"],
  ])("%j is %s", (endpoint, url) => {
    expect(endpointUrl(endpoint)).toBe(url);
  });

  it("are all of each finding's, from what came with the page", () => {
    const endpoints = { "5": { ...parts, id: 5, protocol: "http" }, "6": { ...parts, id: 6, host: "other" } };
    const located = locateEndpoints(
      [findingOf(1, [5, 6]), findingOf(2, [6]), findingOf(3), findingOf(4, [99]), findingOf(5, null)],
      endpoints,
    );
    expect([...located]).toEqual([
      [1, ["http://example.com", "//other"]],
      [2, ["//other"]],
    ]);
  });

  it("that cannot be read are none", () => {
    expect(locateEndpoints([findingOf(1, [5])], { "5": { id: "x" } })).toEqual(new Map());
  });
});

describe("locations", () => {
  const place = (id: number) => ({ id, location_type: "url", location_value: `http://host-${id}` });
  /** Link n leads to location n + 1 at http://host-(n + 1); locations come along where they are asked for. */
  const server = (findings: readonly RawFinding[]) =>
    fakeTransport((call) => {
      const ids = (name: string) => (call.query[name] ?? "").split(",").map(Number);
      if (call.path === "location/") return pageOf(ids("id_includes").map(place), call);
      const all = findings.flatMap(({ id, endpoints }) => (endpoints ?? []).map((link) => ({ id: link, finding: id })));
      const wanted = new Set(ids(call.query.id_includes === undefined ? "finding_includes" : "id_includes"));
      const links = all
        .filter(({ id, finding }) => wanted.has(call.query.id_includes === undefined ? finding : id))
        .map(({ id }) => ({ id, location: id + 1 }));
      const along = Object.fromEntries(links.map(({ location }) => [location, place(location)]));
      const prefetch = call.query.prefetch === undefined ? {} : { prefetch: { location: along } };
      const [status, answer] = pageOf(links, call) as readonly [number, object];
      return [status, { ...answer, ...prefetch }];
    });
  const manyOf = (count: number, digits: number, locations = 1) =>
    Array.from({ length: count }, (_, i) => {
      const id = 10 ** (digits - 1) + i;
      return findingOf(id, [id, ...Array.from({ length: locations - 1 }, (_, j) => id * 10 + j)]);
    });
  const located = ({ id, endpoints }: RawFinding) => [id, endpoints?.map((link) => `http://host-${link + 1}`)];

  it("are all of each finding's, by its links; a few come along at once", async () => {
    const findings = [findingOf(1, [11, 12]), findingOf(2, [21]), findingOf(4), findingOf(5, null)];
    const transport = server(findings);
    expect([...(await locate(dojoApi(transport), findings, "locations"))]).toEqual([
      [1, ["http://host-12", "http://host-13"]],
      [2, ["http://host-22"]],
    ]);
    expect(transport.lines()).toEqual(["GET location_findings/?finding_includes=1,2&limit=1000&prefetch=location"]);
  });

  it("of many findings are asked for by their ids", async () => {
    const findings = manyOf(11, 2);
    const transport = server(findings);
    expect([...(await locate(dojoApi(transport), findings, "locations"))]).toEqual(findings.map(located));
    expect(transport.lines()).toEqual([
      "GET location_findings/?finding_includes=10,11,12,13,14,15,16,17,18,19,20&limit=1000",
      "GET location/?id_includes=11,12,13,14,15,16,17,18,19,20,21&limit=1000",
    ]);
  });

  it("come with their links where they cannot be listed", async () => {
    const findings = manyOf(300, 4);
    const transport = server(findings);
    expect([...(await locate(dojoApi(transport), findings, "linked-locations"))]).toEqual(findings.map(located));
    expect(transport.calls).toHaveLength(1);
    expect(transport.calls[0]?.query.prefetch).toBe("location");
  });

  it("that did not come along are asked for, but not where listing is forbidden", async () => {
    const answer = (call: { path: string }) =>
      call.path === "location/"
        ? ([200, { count: 1, results: [place(5)] }] as const)
        : ([200, { count: 1, results: [{ id: 11, location: 5 }], prefetch: {} }] as const);
    const transport = fakeTransport(answer);
    expect([...(await locate(dojoApi(transport), [findingOf(1, [11])], "locations"))]).toEqual([
      [1, ["http://host-5"]],
    ]);
    const forbidden = fakeTransport(answer);
    expect(await locate(dojoApi(forbidden), [findingOf(1, [11])], "linked-locations")).toEqual(new Map());
    expect(forbidden.calls).toHaveLength(1);
  });

  it.each([
    [3, 1, 2],
    [6, 1, 2],
    [6, 9, 15],
    [7, 1, 2],
    [8, 1, 2],
    [9, 9, 20],
    [12, 1, 2],
  ])(
    "of a page and its originals with ids of %d digits and %d locations each take %d requests",
    async (digits, each, requests) => {
      const findings = manyOf(500, digits, each);
      const transport = server(findings);
      expect([...(await locate(dojoApi(transport), findings, "locations"))]).toEqual(findings.map(located));
      expect(transport.calls.length).toBeLessThanOrEqual(requests);
      for (const { url } of transport.calls) expect(`/api/v2/${url}`.length).toBeLessThan(4_000);
    },
  );

  it("of nothing are not asked for", async () => {
    const transport = fakeTransport(() => [500]);
    expect(await locate(dojoApi(transport), [findingOf(1), findingOf(2, null)], "locations")).toEqual(new Map());
    expect(transport.calls).toEqual([]);
  });

  it("are asked for page by page where the server gives fewer at once, and refuse to end early", async () => {
    const links = [1, 2, 3].map((id) => ({ id, location: id }));
    const short = (call: { query: Readonly<Record<string, string>> }) =>
      links.slice(Number(call.query.offset ?? 0)).slice(0, 2);
    const along = Object.fromEntries(links.map(({ id }) => [id, place(id)]));
    const transport = fakeTransport((call) => [200, { count: 3, results: short(call), prefetch: { location: along } }]);
    const findings = links.map(({ id }) => findingOf(id, [id]));
    expect((await locate(dojoApi(transport), findings, "linked-locations")).size).toBe(3);

    const ending = fakeTransport((call) => [200, { count: 4, results: short(call), prefetch: { location: along } }]);
    const error = await relayErrorBy(() => locate(dojoApi(ending), findings, "linked-locations"));
    expect(error).toMatchObject({ reason: "read-unstable", object: "location_findings/" });
  });

  it("that are empty or gone are none", async () => {
    const transport = fakeTransport((call) =>
      call.path === "location/"
        ? pageOf([{ id: 5, location_type: "url", location_value: "" }], call)
        : pageOf(
            [
              { id: 11, location: 5 },
              { id: 21, location: 6 },
            ],
            call,
          ),
    );
    const findings = [findingOf(1, [11]), findingOf(2, [21]), findingOf(3, [31])];
    expect(await locate(dojoApi(transport), findings, "locations")).toEqual(new Map());
  });
});
