import { describe, expect, it } from "vitest";
import { dojoApi } from "../../../lib/defectdojo/api.ts";
import { verdictFeed } from "../../../lib/defectdojo/verdict-feed.ts";
import { addContents } from "../../../lib/ports/verdict-feed.ts";
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
  readonly last_reviewed?: string;
  readonly under_review?: boolean;
  readonly severity?: string;
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

describe("the front of the feed with the findings under review", () => {
  /** DefectDojo's order: those under review first, each part by the time of its last change. */
  const dojo = (all: readonly Row[]) =>
    feedOf(
      () => [],
      (call) => {
        const { o: order, under_review: only } = call.query;
        const byTime = all.toSorted((a, b) => b.last_status_update.localeCompare(a.last_status_update));
        if (only === "true") return pageOf(all.filter(isReviewed), call);
        if (order === "-last_status_update") return pageOf(byTime, call);
        expect(order).toBe("-under_review,-last_status_update");
        return pageOf([...byTime.filter(isReviewed), ...byTime.filter((row) => !isReviewed(row))], call);
      },
    );
  const isReviewed = (row: Row) => row.under_review === true;
  const rows = (count: number, reviewed: readonly number[]) =>
    Array.from({ length: count }, (_, n) => aRow(n + 1, { under_review: reviewed.includes(n + 1) }));
  const newestFirst = (count: number) => Array.from({ length: count }, (_, n) => count - n);
  const idsOf = (pages: readonly { changes: readonly { findingId: number }[] }[]) => [
    ...new Set(pages.flatMap(({ changes }) => changes.map(({ findingId }) => findingId))),
  ];

  it("is one request, and leaves out what is older than its oldest finding that is not under review", async () => {
    const { feed, transport } = dojo(rows(600, [3, 595]));
    for await (const page of feed.statusChanges(0, 2)) {
      expect(transport.lines()).toEqual(["GET findings/?o=-under_review,-last_status_update&limit=12"]);
      expect(page.underReview).toEqual([595, 3].map((findingId) => ({ findingId, testId: 1 })));
      expect(page.changes.map(({ findingId }) => findingId)).toEqual(newestFirst(600).slice(0, 11));
      break;
    }
  });

  it.each([
    [0, []],
    [2, [3, 595]],
    [5, [600, 599, 598, 1, 2]],
    [0, newestFirst(60)],
    [40, newestFirst(600).slice(0, 50)],
    [12, newestFirst(12)],
  ])("and the pages after it leave none out, where %d were under review and now are %j", async (known, reviewed) => {
    for (const count of [12, 600]) {
      const { feed } = dojo(rows(count, reviewed));
      const pages = await collect(feed.statusChanges(0, known));
      expect(idsOf(pages)).toEqual(newestFirst(count));
      const shown = pages.flatMap(({ underReview = [] }) => underReview.map(({ findingId }) => findingId));
      expect(shown.sort((a, b) => a - b)).toEqual(reviewed.filter((id) => id <= count).sort((a, b) => a - b));
    }
  });

  it("is without them where they are many", async () => {
    const { feed, transport } = dojo(rows(12, newestFirst(5)));
    const [page] = await collect(feed.statusChanges(0, 41));
    expect(transport.lines()[0]).toBe("GET findings/?o=-last_status_update&limit=10");
    expect(page?.underReview).toBeUndefined();
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

  it("reviews are those of the last days, and tell which are the import's own or moved the feed too", async () => {
    const at = (seconds: number) => new Date(START + seconds * 1_000).toISOString();
    const { feed, transport } = feedOf(() => [
      aRow(1, { last_status_update: at(500), last_reviewed: at(500.2) }),
      aRow(2, { last_status_update: at(1), last_reviewed: at(400) }),
      aRow(3, { last_status_update: at(0), last_reviewed: at(-5) }),
    ]);
    const [reviews] = await collect(feed.reviews());
    expect(transport.lines()).toEqual(["GET findings/?last_reviewed=2&o=-last_reviewed&limit=10"]);
    expect(reviews?.map(({ findingId, known }) => [findingId, known])).toEqual([
      [1, true],
      [2, false],
      [3, true],
    ]);
    expect(reviews?.[1]).toMatchObject({ testId: 1, reviewedAt: at(400) });
  });

  it("a test's content is that of its findings as they came in the feed, until a severity changes", async () => {
    const rows = [aRow(5, { severity: "High" }), aRow(6, { severity: "Low" }), aRow(7, { severity: "Low" })];
    const contentOf = async (all: readonly Row[]) => await feedOf(() => all).feed.content(1);
    const came = await collect(feedOf(() => rows.toReversed()).feed.statusChanges());
    const sum = came.flatMap(({ changes }) => changes).reduce((all, { content }) => addContents(all, content), 0);
    expect(await contentOf(rows)).toBe(sum);
    expect(await contentOf(rows.map((row) => (row.id === 6 ? { ...row, severity: "High" } : row)))).not.toBe(sum);
    const gone = feedOf(
      () => [],
      () => [400, { test: ["Select a valid choice."] }],
    );
    expect(await gone.feed.content(1)).toBe(0);
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
