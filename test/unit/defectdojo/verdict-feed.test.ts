import { describe, expect, it } from "vitest";
import { dojoApi } from "../../../lib/defectdojo/api.ts";
import { verdictFeed } from "../../../lib/defectdojo/verdict-feed.ts";
import { collect } from "../../helpers/collect.ts";
import { type Call, fakeTransport, pageOf, type Reply } from "../../helpers/fake-transport.ts";

const START = Date.parse("2026-11-24T12:00:00.000Z");

interface Row {
  readonly id: number;
  readonly test: number;
  readonly duplicate: boolean;
  readonly duplicate_finding: number | null;
  readonly created: string;
  readonly last_status_update: string;
}

const aRow = (id: number, more: Partial<Row> = {}): Row => ({
  ...{ id, test: 1, duplicate: false, duplicate_finding: null, created: new Date(START).toISOString() },
  last_status_update: new Date(START + id * 1_000).toISOString(),
  ...more,
});

/** A feed over the findings that `rows` gives at each request, the newest first. */
function feedOf(rows: () => readonly Row[], before: (call: Call, n: number) => Reply | undefined = () => undefined) {
  let n = 0;
  const transport = fakeTransport((call) => before(call, n++) ?? pageOf(rows(), call));
  return { feed: verdictFeed(dojoApi(transport)), transport };
}

describe("the feed's pages", () => {
  const newest = Array.from({ length: 600 }, (_, n) => aRow(600 - n));

  it("a small one first, then large ones that each begin with the last finding of the one before", async () => {
    const { feed, transport } = feedOf(() => newest);
    const pages = await collect(feed.statusChanges());
    expect(transport.lines()).toEqual([
      "GET findings/?o=-last_status_update&limit=10",
      "GET findings/?o=-last_status_update&limit=250&offset=9",
      "GET findings/?o=-last_status_update&limit=250&offset=258",
      "GET findings/?o=-last_status_update&limit=250&offset=507",
    ]);
    expect(new Set(pages.flatMap(({ changes }) => changes.map(({ findingId }) => findingId))).size).toBe(600);
    expect(pages[0]?.total).toBe(600);
  });

  it("begin where they are told to", async () => {
    const { feed, transport } = feedOf(() => newest);
    const [page] = await collect(feed.statusChanges(595));
    expect(transport.lines()).toEqual(["GET findings/?o=-last_status_update&limit=10&offset=595"]);
    expect(page?.changes.map(({ findingId }) => findingId)).toEqual([5, 4, 3, 2, 1]);
  });

  it.each([1, 2, 100, 300])("leave none out where %d findings are deleted meanwhile", async (deleted) => {
    let asked = 0;
    const rows = () => (++asked > 2 ? newest.slice(deleted) : newest);
    const { feed } = feedOf(rows);
    const seen = new Set<number>();
    for (const { changes } of await collect(feed.statusChanges()))
      for (const { findingId } of changes) seen.add(findingId);
    for (const { id } of newest.slice(deleted)) expect(seen, String(id)).toContain(id);
  });

  it("of one finding alone come to their end", async () => {
    const { feed } = feedOf(() => [aRow(1)]);
    expect(await collect(feed.statusChanges())).toHaveLength(1);
    const none = feedOf(() => []);
    expect(await collect(none.feed.statusChanges())).toEqual([{ total: 0, changes: [] }]);
  });
});

describe("the duplicates of originals", () => {
  const related = { related_fields: { test: { engagement: { id: 3, name: "E", product: { id: 7, name: "P" } } } } };
  /** DefectDojo with so many duplicates in the product, of originals by turns. */
  const dojo = (duplicates: number, originals: number, testOf = (_: number) => 1) => {
    const all = Array.from({ length: duplicates }, (_, n) =>
      aRow(10_000 + n, { test: 50 + (n % 3), duplicate: true, duplicate_finding: 1 + (n % originals) }),
    );
    return feedOf(
      () => all,
      (call) => {
        const { id, duplicate_finding: of } = call.query;
        if (id !== undefined) {
          const wanted = id.split(",").map(Number);
          return pageOf(
            wanted.map((each) => ({ ...aRow(each, { test: testOf(each) }), ...related })),
            call,
          );
        }
        if (of !== undefined)
          return pageOf(
            all.filter((row) => row.duplicate_finding === Number(of)),
            call,
          );
        expect(call.query).toMatchObject({ duplicate: "true", test__engagement__product: "7" });
        return undefined;
      },
    );
  };
  const refs = (count: number) => Array.from({ length: count }, (_, n) => ({ findingId: n + 1, testId: 1 }));
  const found = async (feed: ReturnType<typeof dojo>["feed"], count: number) =>
    (await collect(feed.duplicatesOf(refs(count)))).map(({ original, testId }) => `${original} ${testId}`).sort();

  it("of few are asked for one by one", async () => {
    const { feed, transport } = dojo(9, 3);
    await found(feed, 3);
    expect(transport.lines()).toEqual([1, 2, 3].map((id) => `GET findings/?duplicate_finding=${id}&o=id&limit=250`));
  });

  it("of many are picked from all of the product, in pages", async () => {
    const { feed, transport } = dojo(500, 1_000);
    const many = await found(feed, 1_000);
    expect(many).toHaveLength(500);
    expect(transport.calls).toHaveLength(4);
  });

  it("of one finding in each of many tests are picked so too: a hundred tests' products come at once", async () => {
    const { feed, transport } = dojo(500, 250, (id) => id);
    const spread = Array.from({ length: 250 }, (_, n) => ({ findingId: n + 1, testId: n + 1 }));
    expect(await collect(feed.duplicatesOf(spread))).toHaveLength(500);
    expect(transport.calls).toHaveLength(3 + 1 + 2);
  });

  it("of many in a product with far more duplicates are asked for one by one all the same", async () => {
    const { feed, transport } = dojo(10_000, 100);
    expect(new Set(await found(feed, 30)).size).toBe(90);
    expect(transport.calls).toHaveLength(1 + 1 + 30);
  });

  it("that was deleted meanwhile has none", async () => {
    const { feed } = feedOf(
      () => [],
      () => [400, { duplicate_finding: ["Select a valid choice."] }],
    );
    expect(await collect(feed.duplicatesOf(refs(1)))).toEqual([]);
    const away = feedOf(
      () => [],
      () => [503, {}],
    );
    await expect(collect(away.feed.duplicatesOf(refs(1)))).rejects.toMatchObject({ reason: "dojo-busy" });
  });
});

describe("the slow looks", () => {
  it("a glance counts a test's findings; one that is gone has none", async () => {
    const there = feedOf(() => [aRow(5), aRow(6)]);
    expect(await there.feed.glance(1)).toEqual({ findings: 2, first: 5 });
    const gone = feedOf(
      () => [],
      () => [400, { test: ["Select a valid choice."] }],
    );
    expect(await gone.feed.glance(1)).toEqual({ findings: 0, first: undefined });
    const away = feedOf(
      () => [],
      () => [500, {}],
    );
    await expect(away.feed.glance(1)).rejects.toMatchObject({ reason: "dojo-unavailable" });
  });

  it("places come a hundred at a time", async () => {
    const ids = Array.from({ length: 250 }, (_, n) => n + 1);
    const engagement = { id: 3, name: "E", product: { id: 7, name: "P" } };
    const { feed, transport } = feedOf(
      () => [],
      (call) => {
        const wanted = (call.query["id"] ?? "").split(",").map(Number);
        return pageOf(
          wanted.filter((id) => id !== 9).map((id) => ({ id, related_fields: { test: { engagement } } })),
          call,
        );
      },
    );
    const places = await collect(feed.places(ids));
    expect(transport.calls).toHaveLength(3);
    expect(places).toHaveLength(249);
    expect(places[0]).toEqual({ findingId: 1, place: '[7,"P",3,"E"]' });
  });
});
