import { describe, expect, it } from "vitest";
import * as z from "zod";
import { dojoApi, idGroups, LONGEST_URL } from "../../../lib/defectdojo/api.ts";
import { collect } from "../../helpers/collect.ts";
import { fakeTransport, pageOf, type Reply } from "../../helpers/fake-transport.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

const item = z.object({ id: z.number() });
const items = (count: number) => Array.from({ length: count }, (_, i) => ({ id: i + 1 }));

describe("calls", () => {
  it("give what the schema reads of the answer", async () => {
    const transport = fakeTransport(() => [200, { id: 1, more: true }]);
    const api = dojoApi(transport);
    expect(await api.get("tests/1/", { a: true, b: 2 }, item)).toEqual({ id: 1 });
    expect(await api.post("tests/", { x: 1 }, item)).toEqual({ id: 1 });
    expect(await api.patch("tests/1/", { x: 2 }, item)).toEqual({ id: 1 });
    expect(transport.lines()).toEqual(["GET tests/1/?a=true&b=2", "POST tests/", "PATCH tests/1/"]);
    expect(transport.calls.map(({ json }) => json)).toEqual([undefined, { x: 1 }, { x: 2 }]);
  });

  it.each([undefined, null, "text", [], {}, { id: "1" }, { id: 1.5 }])(
    "answered with %j are not answered by DefectDojo",
    async (body) => {
      const api = dojoApi(fakeTransport(() => [200, body]));
      const strict = z.object({ id: z.number().int() });
      const error = await relayErrorBy(() => api.get("tests/1/", {}, strict));
      expect(error).toMatchObject({ reason: "dojo-answer-invalid", object: "GET /api/v2/tests/1/" });
      expect(error.message).toMatch(/^GET \/api\/v2\/tests\/1\/: not a response of DefectDojo: (\(whole\)|id): /);
    },
  );

  it("count without reading a list", async () => {
    const transport = fakeTransport(() => [200, { count: 7, results: [{}] }]);
    expect(await dojoApi(transport).count("findings/", { test: 1 })).toBe(7);
    expect(transport.lines()).toEqual(["GET findings/?test=1&limit=1"]);
  });
});

describe("lists", () => {
  it.each([0, 1, 99, 100, 101, 250])("of %d come in full", async (count) => {
    const transport = fakeTransport((call) => pageOf(items(count), call));
    expect(await collect(dojoApi(transport).list("tests/", { a: 1 }, item))).toEqual(items(count));
    expect(transport.calls).toHaveLength(Math.max(1, Math.ceil(count / 100)));
    expect(transport.lines()[0]).toBe("GET tests/?a=1&limit=100");
  });

  it("come in full also from a server that gives smaller pages than were asked for", async () => {
    const transport = fakeTransport((call) => {
      const [limit, offset] = [Math.min(40, Number(call.query.limit)), Number(call.query.offset ?? 0)];
      return [200, { count: 100, results: items(100).slice(offset, offset + limit) }];
    });
    expect(await collect(dojoApi(transport).list("tests/", {}, item))).toEqual(items(100));
  });

  it("are read no further than they are needed", async () => {
    const transport = fakeTransport((call) => pageOf(items(1_000), call));
    for await (const { id } of dojoApi(transport).list("tests/", {}, item)) if (id === 150) break;
    expect(transport.calls).toHaveLength(2);
  });

  it.each<[string, (offset: number) => Reply]>([
    ["a page is empty too early", (offset) => [200, { count: 150, results: offset === 0 ? items(100) : [] }]],
    ["the first page is empty", () => [200, { count: 1, results: [] }]],
  ])("refuse to end early where %s", async (_, reply) => {
    const transport = fakeTransport(({ query }) => reply(Number(query.offset ?? 0)));
    const error = await relayErrorBy(() => collect(dojoApi(transport).list("tests/", {}, item)));
    expect(error).toMatchObject({ reason: "read-unstable", errorClass: "transient", object: "tests/" });
  });

  it("fail where a page fails", async () => {
    const transport = fakeTransport((call) => (call.query.offset === undefined ? pageOf(items(150), call) : [500]));
    const error = await relayErrorBy(() => collect(dojoApi(transport).list("tests/", {}, item)));
    expect(error).toMatchObject({ reason: "dojo-unavailable", object: "GET /api/v2/tests/" });
  });

  it("name the item that is none", async () => {
    const api = dojoApi(fakeTransport(() => [200, { count: 2, results: [{ id: 1 }, { id: "x" }] }]));
    const error = await relayErrorBy(() => collect(api.list("tests/", {}, item)));
    expect(error.message).toContain("results[1].id: ");
  });
});

describe("idGroups", () => {
  const ids = (count: number, digits: number) =>
    Array.from({ length: count }, (_, i) => 10 ** (digits - 1) + i).filter((id) => String(id).length === digits);

  it("of nothing is nothing", () => {
    expect(idGroups([])).toEqual([]);
  });

  it("of one is one", () => {
    expect(idGroups([7])).toEqual(["7"]);
  });

  it.each([
    [250, 1],
    [250, 4],
    [1_000, 6],
    [1_000, 10],
    [5_000, 10],
    [10, 16],
  ])("of %d ids with %d digits keep all of them, each group in a URL under 4,000 characters", (count, digits) => {
    const all = ids(count, digits);
    const groups = idGroups(all);
    expect(groups.join(",")).toBe(all.join(","));
    for (const group of groups) {
      const query = new URLSearchParams({ limit: "1000", prefetch: "location", offset: "100000" });
      const url = `/dojo/api/v2/location_findings/?${query}&finding_includes=${group}`;
      expect(url.length).toBeLessThan(4_000);
      expect(group.length).toBeLessThanOrEqual(LONGEST_URL);
    }
  });

  it("are as few as fit", () => {
    const groups = idGroups(ids(1_000, 10));
    for (const group of groups.slice(0, -1)) expect(group.length).toBeGreaterThan(3_500);
  });
});
