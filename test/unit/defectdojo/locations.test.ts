import { describe, expect, it } from "vitest";
import { dojoApi } from "../../../lib/defectdojo/api.ts";
import {
  detectLocationMode,
  endpointUrl,
  findLinks,
  locate,
  locateEndpoints,
} from "../../../lib/defectdojo/locations.ts";
import { finding, type RawFinding } from "../../../lib/defectdojo/schemas.ts";
import { fakeTransport, pageOf } from "../../helpers/fake-transport.ts";
import { rawFinding } from "../../helpers/raw-dojo.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

const findingOf = (id: number, endpoints: number[] | null = []): RawFinding =>
  finding.parse(rawFinding(id, { endpoints }));
const link = (id: number, location: number, findingId: number, url?: string) => ({
  id,
  location,
  finding: findingId,
  url,
});

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

  it("are each finding's first, from what came with the page", () => {
    const endpoints = { "5": { ...parts, id: 5, protocol: "http" }, "6": { ...parts, id: 6, host: "other" } };
    const located = locateEndpoints(
      [findingOf(1, [5, 6]), findingOf(2, [6]), findingOf(3), findingOf(4, [99]), findingOf(5, null)],
      endpoints,
    );
    expect([...located]).toEqual([
      [1, "http://example.com"],
      [2, "//other"],
    ]);
  });

  it("that cannot be read are none", () => {
    expect(locateEndpoints([findingOf(1, [5])], { "5": { id: "x" } })).toEqual(new Map());
  });
});

describe("links", () => {
  it("of many findings are asked for in groups, each page by page", async () => {
    const ids = Array.from({ length: 800 }, (_, i) => 1_000_000_000 + i);
    const links = ids.flatMap((id) => [0, 1, 2, 3].map((i) => ({ id: id * 10 + i, location: i, finding: id })));
    const transport = fakeTransport((call) => {
      const wanted = new Set((call.query.finding_includes ?? "").split(",").map(Number));
      return pageOf(
        links.filter((one) => wanted.has(one.finding)),
        call,
      );
    });
    const found = await findLinks(dojoApi(transport), ids, false);
    expect(found.map(({ id }) => id)).toEqual(links.map(({ id }) => id));
    expect(transport.calls.some(({ query }) => query.offset === "1000")).toBe(true);
    for (const { url, query } of transport.calls) {
      expect(`/api/v2/${url}`.length).toBeLessThan(4_000);
      expect(query.prefetch).toBeUndefined();
    }
  });

  it("come with their locations where those cannot be listed", async () => {
    const transport = fakeTransport(() => [
      200,
      {
        count: 2,
        results: [
          { id: 1, location: 5, finding: 9 },
          { id: 2, location: 6, finding: 9 },
        ],
        prefetch: { location: { "5": { id: 5, location_type: "url", location_value: "http://a" } } },
      },
    ]);
    const links = await findLinks(dojoApi(transport), [9], true);
    expect(transport.calls[0]?.query.prefetch).toBe("location");
    expect(links[0]).toMatchObject({ location: 5, url: "http://a" });
    // One that did not come with its link cannot be asked for: listing locations is forbidden then.
    expect(await locate(dojoApi(fakeTransport(() => [403])), [findingOf(9, [2])], links)).toEqual(new Map());
  });

  it("of nothing are not asked for", async () => {
    const transport = fakeTransport(() => [500]);
    expect(await findLinks(dojoApi(transport), [], false)).toEqual([]);
    expect(transport.calls).toEqual([]);
  });

  it("refuse to end early", async () => {
    const transport = fakeTransport(({ query }) =>
      query.offset === undefined
        ? [200, { count: 3, results: [{ id: 1, location: 5, finding: 9 }] }]
        : [200, { count: 3, results: [] }],
    );
    const error = await relayErrorBy(() => findLinks(dojoApi(transport), [9], false));
    expect(error).toMatchObject({ reason: "read-unstable", object: "location_findings/" });
  });
});

describe("locations", () => {
  const locations = (call: { query: Readonly<Record<string, string>> }) =>
    (call.query.id_includes ?? "").split(",").map((id) => ({
      id: Number(id),
      location_type: "url",
      location_value: `http://host-${id}`,
    }));

  it("are each finding's first, asked for once and only where they did not come along", async () => {
    const transport = fakeTransport((call) => pageOf(locations(call), call));
    const located = await locate(
      dojoApi(transport),
      [findingOf(1, [11, 12]), findingOf(2, [21]), findingOf(3, [31]), findingOf(4), findingOf(5, [99])],
      [link(12, 6, 1), link(11, 5, 1), link(21, 5, 2), link(31, 7, 3, "tcp://came:1")],
    );
    expect([...located]).toEqual([
      [1, "http://host-5"],
      [2, "http://host-5"],
      [3, "tcp://came:1"],
    ]);
    expect(transport.lines()).toEqual(["GET location/?id_includes=5&limit=1000"]);
  });

  it("of many findings fit into the URL", async () => {
    const ids = Array.from({ length: 1_000 }, (_, i) => i + 1);
    const transport = fakeTransport((call) => pageOf(locations(call), call));
    const located = await locate(
      dojoApi(transport),
      ids.map((id) => findingOf(id, [id])),
      ids.map((id) => link(id, 1_000_000_000 + id, id)),
    );
    expect(located.size).toBe(1_000);
    for (const { url } of transport.calls) expect(`/api/v2/${url}`.length).toBeLessThan(4_000);
  });

  it("that are empty or gone are none", async () => {
    const transport = fakeTransport((call) => pageOf([{ id: 5, location_type: "url", location_value: "" }], call));
    const located = await locate(
      dojoApi(transport),
      [findingOf(1, [11]), findingOf(2, [21])],
      [link(11, 5, 1), link(21, 6, 2)],
    );
    expect(located).toEqual(new Map());
  });
});
