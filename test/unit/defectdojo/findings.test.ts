import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { dojoApi } from "../../../lib/defectdojo/api.ts";
import { findingPages, findingsById, findingsThat, PAGE_SIZE } from "../../../lib/defectdojo/findings.ts";
import type { LocationMode } from "../../../lib/defectdojo/locations.ts";
import { RelayError } from "../../../lib/errors.ts";
import { collect } from "../../helpers/collect.ts";
import { NOTHING_KNOWN } from "../../helpers/factories.ts";
import { type Call, fakeTransport, pageOf, type Reply } from "../../helpers/fake-transport.ts";
import { rawFinding } from "../../helpers/raw-dojo.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

type Raw = ReturnType<typeof rawFinding>;
/** A server that stays as it is. */
const fixed = (mode: LocationMode) => ({ current: async () => mode, again: async () => mode });

const findings = (count: number) => Array.from({ length: count }, (_, i) => rawFinding(i + 1));

interface World {
  readonly all: readonly Raw[];
  readonly others?: readonly Raw[];
  readonly intercept?: (call: Call) => Reply | Promise<Reply> | undefined | Promise<undefined>;
}

/** DefectDojo in locations mode: each finding is linked to the location of its own id. */
function server({ all, others = [], intercept }: World) {
  return fakeTransport(async (call) => {
    const answer = await intercept?.(call);
    if (answer !== undefined) return answer;
    const ids = (name: string) => (call.query[name] ?? "").split(",").filter(Boolean).map(Number);
    if (call.path === "findings/" && call.query.id !== undefined) {
      return pageOf(
        [...all, ...others].filter(({ id }) => ids("id").includes(id)),
        call,
      );
    }
    if (call.path === "findings/") return pageOf(all, call);
    if (call.path === "location_findings/")
      return pageOf(
        ids("finding_includes").map((id) => ({ id: id * 10, location: id * 100 })),
        call,
      );
    if (call.path === "location/")
      return pageOf(
        ids("id_includes").map((id) => ({ id, location_type: "url", location_value: `http://host-${id / 100}` })),
        call,
      );
    return [404];
  });
}
const read = (
  transport: ReturnType<typeof server>,
  expected?: number,
  concurrency = 4,
  mode: LocationMode = "locations",
) => collect(findingPages(dojoApi(transport), fixed(mode), 7, { concurrency, expected }));
const idsOf = (pages: Awaited<ReturnType<typeof read>>) => pages.flatMap((page) => page.findings.map(({ id }) => id));

describe("pages", () => {
  it.each([0, 1, 249, 250, 251, 1_000, 1_100])("of %d findings come in order and in full", async (count) => {
    for (const expected of [undefined, count]) {
      const transport = server({ all: findings(count) });
      const pages = await read(transport, expected);
      expect(idsOf(pages)).toEqual(findings(count).map(({ id }) => id));
      const asked = transport.calls.filter(({ path, query }) => path === "findings/" && query.test !== undefined);
      expect(asked).toHaveLength(Math.max(1, Math.ceil(count / PAGE_SIZE)));
      for (const { query } of asked) expect(query).toMatchObject({ test: "7", o: "id", limit: "250" });
    }
  });

  it("come in order whichever is answered first", async () => {
    const transport = server({
      all: findings(1_000),
      intercept: async ({ path, query }) => {
        if (path === "findings/") await sleep(40 - Number(query.offset ?? 0) / 25);
        return undefined;
      },
    });
    expect(idsOf(await read(transport, 1_000))).toEqual(findings(1_000).map(({ id }) => id));
  });

  it.each([1, 2, 4])("are under way side by side, %d at most", async (concurrency) => {
    let [under, most] = [0, 0];
    const transport = server({
      all: findings(2_000),
      intercept: async ({ path }) => {
        if (path !== "findings/") return undefined;
        most = Math.max(most, ++under);
        await sleep(5);
        under--;
        return undefined;
      },
    });
    await read(transport, 2_000, concurrency);
    expect(most).toBe(concurrency);
  });

  it("are not asked for beyond the need of whoever reads them", async () => {
    const transport = server({ all: findings(5_000) });
    for await (const _ of findingPages(dojoApi(transport), fixed("locations"), 7, { concurrency: 2, expected: 5_000 }))
      break;
    await sleep(5);
    expect(transport.calls.filter(({ path }) => path === "findings/").length).toBeLessThanOrEqual(3);
  });

  it("that fail are thrown, and leave nothing unhandled behind", async () => {
    const transport = server({
      all: findings(1_000),
      intercept: ({ query }) => (Number(query.offset) >= 250 ? [503] : undefined),
    });
    expect(await relayErrorBy(() => read(transport, 1_000))).toMatchObject({ reason: "dojo-busy" });
    await sleep(5);
  });
});

/** An answer may hold findings of that much together; each is as large as it says. */
function narrow(sizes: readonly number[], most: number, others: readonly Raw[] = [], all = findings(sizes.length)) {
  return server({
    all,
    others,
    intercept: ({ path, query }) => {
      if (path !== "findings/") return undefined;
      const [from, limit] = [Number(query.offset ?? 0), Number(query.limit)];
      const size =
        query.id === undefined
          ? sizes.slice(from, from + limit).reduce((sum, one) => sum + one, 0)
          : query.id.split(",").length;
      return size > most ? new RelayError("dojo-answer-too-large", "GET: more than …", { object: "GET" }) : undefined;
    },
  });
}
const partsOf = (transport: ReturnType<typeof server>) =>
  transport.calls
    .filter(({ path, query }) => path === "findings/" && query.test !== undefined)
    .map(({ query }) => `${query.offset ?? 0}+${query.limit}`);

describe("a page that no answer can hold", () => {
  it.each([1, 2, 3, 60, 249])("comes in smaller ones, in order, each finding once, where %d fit", async (most) => {
    for (const expected of [undefined, 520]) {
      const transport = narrow(Array(520).fill(1), most);
      expect(idsOf(await read(transport, expected))).toEqual(findings(520).map(({ id }) => id));
    }
  });

  it("is halved until it fits, and the other pages are asked for as ever", async () => {
    const sizes = Array(760).fill(1);
    sizes[300] = 180;
    const transport = narrow(sizes, 250);
    expect(idsOf(await read(transport, 760))).toEqual(findings(760).map(({ id }) => id));
    const whole = ["0+250", "250+250", "500+250", "750+250"];
    expect(partsOf(transport).sort()).toEqual([...whole, "250+125", "250+62", "312+63", "375+125"].sort());
  });

  it("is not asked for beyond the end of the test", async () => {
    const transport = narrow(Array(260).fill(30), 270);
    expect(idsOf(await read(transport, 260))).toHaveLength(260);
    for (const part of partsOf(transport)) expect(Number(part.split("+")[0])).toBeLessThan(260);
    expect(partsOf(transport)).toEqual(expect.arrayContaining(["250+250", "250+5", "255+245"]));
  });

  it("is held one part at a time", async () => {
    const transport = narrow(Array(250).fill(1), 60);
    for await (const page of findingPages(dojoApi(transport), fixed("locations"), 7, {
      concurrency: 4,
      expected: 250,
    })) {
      expect(page.findings.length).toBeLessThanOrEqual(60);
      break;
    }
    expect(partsOf(transport)).toEqual(["0+250", "0+125", "0+62", "0+31"]);
  });

  it("because of the originals of its duplicates is halved too", async () => {
    const all = Array.from({ length: 250 }, (_, i) =>
      rawFinding(i + 1, { duplicate: true, duplicate_finding: 1_000 + i }),
    );
    const others = all.map((_, i) => rawFinding(1_000 + i));
    const pages = await read(narrow(Array(250).fill(0), 100, others, all));
    expect(idsOf(pages)).toEqual(all.map(({ id }) => id));
    expect(pages.map(({ findings, originals }) => findings.length - originals.size)).toEqual(pages.map(() => 0));
  });

  it("by one finding alone is an error that names its place and test", async () => {
    for (const [place, expected] of [
      [0, 400],
      [299, 400],
      [399, undefined],
    ] as const) {
      const sizes = Array(400).fill(0);
      sizes[place] = 2;
      const error = await relayErrorBy(() => read(narrow(sizes, 1), expected));
      expect(error).toMatchObject({ reason: "dojo-answer-too-large", errorClass: "permanent", object: "test 7" });
      expect(error.message).toContain(`test 7: finding [${place}] `);
    }
  });

  it("of a test that changes meanwhile is read again", async () => {
    const transport = narrow(Array(250).fill(1), 200);
    const error = await relayErrorBy(() => read(transport, 251));
    expect(error).toMatchObject({ reason: "read-unstable" });
  });
});

describe("a test that changes while it is read", () => {
  it.each<[string, number | undefined, (offset: number) => Reply | undefined]>([
    ["has fewer than expected", 300, () => undefined],
    ["has more than expected", 200, () => undefined],
    ["loses one", undefined, (offset) => (offset === 250 ? [200, { count: 259, results: findings(9) }] : undefined)],
    ["gains one", undefined, (offset) => (offset === 250 ? [200, { count: 261, results: findings(11) }] : undefined)],
    [
      "gives a short page",
      undefined,
      (offset) => (offset === 0 ? [200, { count: 260, results: findings(249) }] : undefined),
    ],
    ["gives an empty page", undefined, (offset) => (offset === 250 ? [200, { count: 260, results: [] }] : undefined)],
  ])("%s is read again", async (_, expected, reply) => {
    const transport = server({
      all: findings(260),
      intercept: ({ path, query }) => (path === "findings/" ? reply(Number(query.offset ?? 0)) : undefined),
    });
    const error = await relayErrorBy(() => read(transport, expected));
    expect(error).toMatchObject({ reason: "read-unstable", errorClass: "transient", object: "test 7" });
  });
});

describe("a finding", () => {
  it("is in our words", async () => {
    const all = [
      rawFinding(1, {
        mitigation: "m",
        references: "r",
        false_p: true,
        is_mitigated: true,
        verified: true,
        under_review: true,
        mitigated_by: 3,
        last_reviewed: "2026-11-24T17:59:30.900000Z",
        last_reviewed_by: 4,
        endpoints: [10],
      }),
      rawFinding(2, {
        unique_id_from_tool: "",
        is_mitigated: null,
        active: null,
        verified: null,
        severity: "Bogus" as never,
      }),
    ];
    const [page] = await read(server({ all }));
    expect(page?.total).toBe(2);
    expect(page?.findings).toEqual([
      {
        id: 1,
        testId: 7,
        title: "Finding 1",
        severity: "Low",
        description: "d",
        mitigation: "m",
        references: "r",
        createdAt: "2026-11-24T17:59:30.906437Z",
        uniqueIdFromTool: "u-1",
        ...NOTHING_KNOWN,
        duplicate: false,
        duplicateOf: undefined,
        falsePositive: true,
        riskAccepted: false,
        outOfScope: false,
        mitigated: true,
        active: true,
        verified: true,
        underReview: true,
        mitigatedBy: 3,
        lastReviewedAt: "2026-11-24T17:59:30.900000Z",
        lastReviewedBy: 4,
        locations: ["http://host-1"],
      },
      expect.objectContaining({ uniqueIdFromTool: undefined, mitigated: false, active: false, severity: "Info" }),
    ]);
  });

  it("that is a duplicate comes with its original, asked for once", async () => {
    const duplicate = { duplicate: true, duplicate_finding: 900 };
    const all = [
      rawFinding(1, duplicate),
      rawFinding(2, duplicate),
      rawFinding(3, { duplicate: true, duplicate_finding: 901 }),
    ];
    const original = rawFinding(900, { test: 3, risk_accepted: true, endpoints: [9_000] });
    const transport = server({ all, others: [original] });
    const [page] = await read(transport);
    expect(page?.findings.map(({ duplicateOf }) => duplicateOf)).toEqual([900, 900, 901]);
    expect([...(page?.originals.keys() ?? [])]).toEqual([900]);
    expect(page?.originals.get(900)).toMatchObject({ testId: 3, riskAccepted: true, locations: ["http://host-900"] });
    expect(transport.lines().filter((line) => line.includes("id=900"))).toEqual(["GET findings/?id=900,901&limit=2"]);
  });

  it("that is no duplicate has no original, whatever it names", async () => {
    const [page] = await read(server({ all: [rawFinding(1, { duplicate: false, duplicate_finding: 900 })] }));
    expect(page?.findings[0]?.duplicateOf).toBeUndefined();
    expect(page?.originals.size).toBe(0);
  });

  it("with ids of ten digits fits into the URL, with its originals and links", async () => {
    const all = Array.from({ length: 250 }, (_, i) =>
      rawFinding(2_000_000_000 + i, {
        duplicate: true,
        duplicate_finding: 1_000_000_000 + i,
        endpoints: [3_000_000_000 + i],
      }),
    );
    const others = all.map((_, i) => rawFinding(1_000_000_000 + i, { endpoints: [4_000_000_000 + i] }));
    const transport = server({ all, others });
    const [page] = await read(transport);
    expect(page?.originals.size).toBe(250);
    for (const { url } of transport.calls) expect(`/api/v2/${url}`.length).toBeLessThan(4_000);
  });
});

describe("modes", () => {
  it("endpoints come with the page and with originals", async () => {
    const endpoint = (id: number, host: string) => ({
      id,
      protocol: "http",
      host,
      port: null,
      path: null,
      query: null,
      fragment: null,
    });
    const transport = fakeTransport((call) => {
      if (call.query.id !== undefined)
        return [
          200,
          {
            count: 1,
            results: [rawFinding(900, { endpoints: [6] })],
            prefetch: { endpoints: { "6": endpoint(6, "b") } },
          },
        ];
      return [
        200,
        {
          count: 1,
          results: [rawFinding(1, { endpoints: [5], duplicate: true, duplicate_finding: 900 })],
          prefetch: { endpoints: { "5": endpoint(5, "a") } },
        },
      ];
    });
    const [page] = await read(transport, undefined, 4, "endpoints");
    expect(page?.findings[0]?.locations).toEqual(["http://a"]);
    expect(page?.originals.get(900)?.locations).toEqual(["http://b"]);
    for (const { query } of transport.calls) expect(query.prefetch).toBe("endpoints");
    expect(transport.calls).toHaveLength(2);
  });

  it("locations need no other request where no finding has one", async () => {
    const transport = server({ all: findings(3) });
    await read(transport);
    expect(transport.lines()).toEqual(["GET findings/?test=7&o=id&limit=250"]);
  });

  it("linked locations come with their links", async () => {
    const transport = fakeTransport((call) =>
      call.path === "findings/"
        ? pageOf([rawFinding(1, { endpoints: [10] })], call)
        : [
            200,
            {
              count: 1,
              results: [{ id: 10, location: 5, finding: 1 }],
              prefetch: { location: { "5": { id: 5, location_type: "url", location_value: "http://a" } } },
            },
          ],
    );
    const [page] = await read(transport, undefined, 4, "linked-locations");
    expect(page?.findings[0]?.locations).toEqual(["http://a"]);
    expect(transport.lines()).toEqual([
      "GET findings/?test=7&o=id&limit=250",
      "GET location_findings/?finding_includes=1&limit=1000&prefetch=location",
    ]);
  });
});

describe("findings by their ids", () => {
  const byIds = (transport: ReturnType<typeof server>, ids: readonly number[]) =>
    collect(findingsById(dojoApi(transport), fixed("endpoints"), ids, 4));
  const asked = (transport: ReturnType<typeof server>) =>
    transport.calls.map(({ query }) => (query.id ?? "").split(","));

  it("come in pages, in the order of the ids, each once", async () => {
    const transport = server({ all: findings(600) });
    const ids = Array.from({ length: 600 }, (_, i) => 600 - i);
    expect(idsOf(await byIds(transport, [...ids, 3, 4]))).toEqual(ids.toReversed());
    expect(asked(transport).map(({ length }) => length)).toEqual([250, 250, 100]);
    expect(await byIds(transport, [])).toEqual([]);
  });

  it("are those that are still there", async () => {
    expect(idsOf(await byIds(server({ all: findings(3) }), [2, 3, 4]))).toEqual([2, 3]);
  });

  it("come in smaller pages where no answer can hold them, down to the one that is too large", async () => {
    const tooMany = (most: number) =>
      server({
        all: findings(8),
        intercept: ({ query }) => {
          if ((query.id ?? "").split(",").length > most || (most === 0 && query.id === "1"))
            throw new RelayError("dojo-answer-too-large", "too large");
          return undefined;
        },
      });
    expect(idsOf(await byIds(tooMany(3), [1, 2, 3, 4, 5, 6, 7, 8]))).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    const error = await relayErrorBy(() => byIds(tooMany(0), [1, 2]));
    expect(error).toMatchObject({ reason: "dojo-answer-too-large", object: "finding 1" });
  });

  it("are refused where a page holds fewer than it announces", async () => {
    const transport = server({ all: [], intercept: () => [200, { count: 2, results: findings(1) }] });
    expect(await relayErrorBy(() => byIds(transport, [1, 2]))).toMatchObject({ reason: "read-unstable" });
  });
});

describe("findings of a test that are not closed", () => {
  it("are asked for by their filters", async () => {
    const transport = server({ all: findings(1) });
    expect(await collect(findingsThat(dojoApi(transport), fixed("endpoints"), 7, "open"))).toMatchObject([
      [{ id: 1 }],
      [],
    ]);
    expect(
      transport.calls.map(({ query: { active, duplicate, is_mitigated } }) => [active, duplicate, is_mitigated]),
    ).toEqual([
      ["true", undefined, "false"],
      [undefined, "true", "false"],
    ]);
  });
});

describe("findings that people judged", () => {
  it("come verdict by verdict, one with two verdicts once", async () => {
    const rows: Record<string, number[]> = { false_p: [1, 2], out_of_scope: [2, 3], risk_accepted: [] };
    const transport = server({
      all: [],
      intercept: (call) => {
        const verdict = Object.keys(rows).find((name) => call.query[name] === "true");
        return verdict === undefined
          ? undefined
          : pageOf(
              (rows[verdict] ?? []).map((id) => rawFinding(id)),
              call,
            );
      },
    });
    const pages = await collect(findingsThat(dojoApi(transport), fixed("endpoints"), 7, "judged"));
    expect(pages.map((page) => page.map(({ id }) => id))).toEqual([[1, 2], [3], []]);
    expect(transport.calls.every(({ query }) => query.test === "7")).toBe(true);
  });
});
