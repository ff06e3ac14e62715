import { describe, expect, it } from "vitest";
import { dojoClient } from "../../../lib/defectdojo/client.ts";
import { type Reason, RelayError } from "../../../lib/errors.ts";
import type { ImportRequest } from "../../../lib/ports/defectdojo.ts";
import { collect } from "../../helpers/collect.ts";
import { type Call, fakeTransport, pageOf, type Reply } from "../../helpers/fake-transport.ts";
import { rawFinding } from "../../helpers/raw-dojo.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

const IMPORT = "POST /api/v2/import-scan/";
const REQUEST: ImportRequest = {
  scanType: "Nmap Scan",
  engagementId: 5,
  buildId: "key",
  file: { path: "/tmp/raw-result", name: "nmap.xml" },
  title: "Ports",
  version: "",
  minimumSeverity: "Low",
  closeOldFindings: false,
  leadId: 2,
  tags: [],
  timeoutMs: 1_000,
};
const start = (reply: (call: Call) => Reply) => {
  const transport = fakeTransport(reply);
  return { transport, dojo: dojoClient(transport, { baseUrl: "https://dojo.example.com", readConcurrency: 4 }) };
};
/** Answers the import, and everything else with an empty list. */
const importing = (reply: Reply) =>
  start(({ path }) => (path === "import-scan/" ? reply : [200, { count: 0, results: [] }]));
const rawTest = (id: number, changes: object = {}) => ({
  id,
  title: "Ports",
  test_type_name: "Nmap Scan",
  scan_type: "Nmap Scan",
  engagement: 5,
  build_id: "key",
  percent_complete: 100,
  ...changes,
});

describe("a living test", () => {
  const wanted = { engagementId: 5, title: "Ports", scanType: "Nmap Scan" };
  const living = (id: number, changes: object = {}) =>
    rawTest(id, { target_start: "2026-11-20T10:00:00Z", target_end: "2026-11-20T11:00:00Z", ...changes });
  const tests = (...all: object[]) =>
    start((call) => (call.path === "tests/" ? pageOf(all, call) : [200, { count: 0, results: [] }]));

  it("is the newest of its names whose import is done", async () => {
    const others = [
      living(9, { title: "Ports of others" }),
      living(10, { engagement: 6 }),
      living(11, { percent_complete: 50 }),
    ];
    const { transport, dojo } = tests(living(3), living(8), living(7), ...others);
    expect(await dojo.livingTest(wanted)).toMatchObject({
      ...{ id: 8, buildId: "key", description: "" },
      ...{ start: "2026-11-20T10:00:00Z", end: "2026-11-20T11:00:00Z" },
    });
    expect(transport.calls[0]?.query).toMatchObject({ engagement: "5", title: "Ports", scan_type: "Nmap Scan" });
    expect(await tests().dojo.livingTest(wanted)).toBeUndefined();
  });

  it("is none that 2.34 shows as complete, though its import left no record", async () => {
    expect(await tests(living(8, { estimated_time: null })).dojo.livingTest(wanted)).toBeUndefined();
  });

  it("is reimported into by its id, and by no name", async () => {
    const { transport, dojo } = start(() => [201, { test: 7 }]);
    await dojo.importScan({ ...REQUEST, testId: 7, closeOldFindings: true });
    const { options } = transport.calls.find(({ path }) => path === "reimport-scan/") ?? {};
    const fields = new Map(options?.multipart?.fields);
    expect([fields.get("test"), fields.get("close_old_findings"), fields.get("build_id")]).toEqual([
      "7",
      "true",
      "key",
    ]);
    expect([fields.has("engagement"), fields.has("test_title")]).toEqual([false, false]);
  });

  it("is named in what is unknown of a reimport", async () => {
    const { dojo } = start(() => [502]);
    const error = await relayErrorBy(() => dojo.importScan({ ...REQUEST, testId: 7 }));
    expect(error).toMatchObject({ reason: "import-unknown", object: "POST /api/v2/reimport-scan/" });
  });

  it("has a record of each reimport, by what was done to findings", async () => {
    const action = (finding: number, what: string) => ({ action: what, finding });
    const actions = [action(4, "N"), action(2, "U"), action(3, "C"), action(1, "R"), action(5, "N")];
    const row = (id: number, build_id: string | null) => ({
      id,
      test: 7,
      type: "reimport",
      build_id,
      created: "2026-11-25T12:03:25.216722Z",
      test_import_finding_action_set: actions.toReversed(),
    });
    const rows = [row(12, "key"), row(11, "key"), row(10, null)];
    const { transport, dojo } = start((call) =>
      call.path === "test_imports/11/" ? [200, rows[1]] : pageOf(rows, call),
    );
    const record = {
      id: 11,
      testId: 7,
      buildId: "key",
      first: false,
      recordedAt: "2026-11-25T12:03:25.216722Z",
      new: [4, 5],
      known: [2],
      closed: [3],
      reactivated: [1],
    };
    expect(await dojo.importRecords("key")).toEqual([record, { ...record, id: 12 }]);
    expect(transport.calls.map(({ query }) => query.limit)).toEqual(["1", "1", "1"]);
    expect(await dojo.importRecord(11)).toEqual(record);
    expect(await start(() => [404]).dojo.importRecord(11)).toBeUndefined();
  });
});

describe("importScan", () => {
  it("sends what is known, once, with the report", async () => {
    const { transport, dojo } = importing([201, { test_id: 7, deduplication_complete: true }]);
    await dojo.importScan({
      ...REQUEST,
      version: "v1",
      tags: ["a", "b"],
      active: false,
      verified: true,
      scanDate: "2026-11-20",
      service: "checkout",
      environment: "Production",
      branchTag: "main",
      commitHash: "af3",
      groupBy: "finding_title",
    });
    const { options } = transport.calls.find(({ path }) => path === "import-scan/") ?? {};
    expect(options?.timeoutMs).toBe(1_000);
    expect(options?.multipart?.file).toEqual(REQUEST.file);
    expect(options?.multipart?.fields).toEqual([
      ["scan_type", "Nmap Scan"],
      ["engagement", "5"],
      ["build_id", "key"],
      ["test_title", "Ports"],
      ["minimum_severity", "Low"],
      ["close_old_findings", "false"],
      ["lead", "2"],
      ["deduplication_execution_mode", "async_wait"],
      ["active", "false"],
      ["verified", "true"],
      ["version", "v1"],
      ["scan_date", "2026-11-20"],
      ["service", "checkout"],
      ["environment", "Production"],
      ["branch_tag", "main"],
      ["commit_hash", "af3"],
      ["group_by", "finding_title"],
      ["tags", "a"],
      ["tags", "b"],
    ]);
  });

  it("leaves out what is not set", async () => {
    const { transport, dojo } = importing([201, { test_id: 7 }]);
    await dojo.importScan(REQUEST);
    const fields = transport.calls.find(({ path }) => path === "import-scan/")?.options.multipart?.fields ?? [];
    expect(fields.map(([name]) => name)).toEqual([
      "scan_type",
      "engagement",
      "build_id",
      "test_title",
      "minimum_severity",
      "close_old_findings",
      "lead",
      "deduplication_execution_mode",
    ]);
  });

  it.each([
    [
      "3.2",
      { test_id: 7, test: 7, deduplication_complete: true, statistics: { after: { total: { total: 3, active: 3 } } } },
      { testId: 7, total: 3, deduplicated: true },
    ],
    [
      "3.2 that gave up waiting",
      { test_id: 7, deduplication_complete: false },
      { testId: 7, total: undefined, deduplicated: false },
    ],
    ["2.x", { test: 7, statistics: {} }, { testId: 7, total: undefined, deduplicated: undefined }],
    [
      "one that counts otherwise",
      { test: 7, statistics: { after: [] } },
      { testId: 7, total: undefined, deduplicated: undefined },
    ],
  ])("reads the answer of %s", async (_, answer, expected) => {
    expect(await importing([201, answer]).dojo.importScan(REQUEST)).toEqual(expected);
  });

  const without = (reason: Reason, message: string, cause?: unknown) =>
    new RelayError(reason, `${IMPORT}: ${message}`, { object: IMPORT, ...(cause === undefined ? {} : { cause }) });
  const coded = (code: string) => Object.assign(new Error(code), { code });

  it.each<[string, Reply, Reason]>([
    ["400 with a field", [400, { scan_type: ["is not a valid choice."] }], "dojo-rejected"],
    ["400 of the parser", [400, { message: "['x']" }], "dojo-rejected"],
    [
      "400 of a file that is too large",
      [400, { file: ["Report file is too large. Maximum supported size is 100 MB"] }],
      "dojo-too-large",
    ],
    ["403", [403, { detail: "No." }], "dojo-forbidden"],
    ["404", [404, { detail: "No." }], "dojo-not-found"],
    ["413", [413], "dojo-too-large"],
    ["429", [429], "dojo-busy"],
    ["500", [500, { message: "Internal server error" }], "dojo-unavailable"],
    ["502 of a proxy", [502], "import-unknown"],
    ["503", [503], "import-unknown"],
    ["504 of a proxy", [504], "import-unknown"],
    ["408", [408], "import-unknown"],
    ["a redirect", [302], "dojo-redirected"],
    ["an answer without a test", [201, {}], "import-unknown"],
    ["an answer that is none", [200, undefined], "import-unknown"],
    ["a list for an answer", [201, []], "import-unknown"],
    ["an answer of any length", without("dojo-answer-too-large", "more than"), "import-unknown"],
    ["a time-out", without("dojo-timeout", "aborted", coded("ABORT_ERR")), "import-unknown"],
    ["a connection that is reset", without("dojo-unreachable", "reset", coded("ECONNRESET")), "import-unknown"],
    ["a connection that breaks", without("dojo-unreachable", "pipe", coded("EPIPE")), "import-unknown"],
    ["a connection that is refused", without("dojo-unreachable", "refused", coded("ECONNREFUSED")), "dojo-unreachable"],
    ["a name that is not known", without("dojo-unreachable", "dns", coded("ENOTFOUND")), "dojo-unreachable"],
    ["no trust", without("dojo-tls", "self-signed", coded("DEPTH_ZERO_SELF_SIGNED_CERT")), "dojo-tls"],
    ["a report that is gone", without("internal", "ENOENT", coded("ENOENT")), "internal"],
  ])("with %s", async (_, reply, reason) => {
    const { dojo, transport } = importing(reply);
    const error = await relayErrorBy(() => dojo.importScan(REQUEST));
    expect(error).toMatchObject({ reason, object: IMPORT });
    expect(transport.calls.filter(({ path }) => path === "import-scan/")).toHaveLength(1);
  });

  it("keeps how long to wait", async () => {
    const busy = new RelayError("dojo-busy", `${IMPORT}: HTTP 503`, {
      object: IMPORT,
      status: 503,
      retryAfterSeconds: 9,
    });
    const error = await relayErrorBy(() => importing(busy).dojo.importScan(REQUEST));
    expect(error).toMatchObject({ reason: "import-unknown", status: 503, retryAfterSeconds: 9 });
  });

  it("does not fail for a mode that cannot be told yet", async () => {
    const { dojo } = start(({ path }) => (path === "import-scan/" ? [201, { test_id: 7 }] : [500]));
    expect(await dojo.importScan(REQUEST)).toMatchObject({ testId: 7 });
  });
});

describe("tests", () => {
  it("are found by exactly their build id, oldest first", async () => {
    const tests = [rawTest(9), rawTest(8, { build_id: "key2" }), rawTest(7, { percent_complete: 50 })];
    const { dojo, transport } = start((call) => pageOf(tests, call));
    expect(await dojo.testsByBuildId("key")).toEqual([
      { id: 7, title: "Ports", scanType: "Nmap Scan", engagementId: 5, buildId: "key", percentComplete: 50 },
      { id: 9, title: "Ports", scanType: "Nmap Scan", engagementId: 5, buildId: "key", percentComplete: 100 },
    ]);
    expect(transport.lines()).toEqual(["GET tests/?build_id=key&limit=100"]);
  });

  it.each([
    ["that a version before 2.35 has recorded are complete", 1, 100],
    ["that it has not recorded are not, whatever they show", 0, 50],
  ])("%s", async (_, records, percentComplete) => {
    const old = rawTest(7, { estimated_time: null });
    const { dojo, transport } = start((call) =>
      pageOf(call.path === "tests/" ? [old] : Array.from({ length: records }, () => ({ id: 3 })), call),
    );
    expect(await dojo.testsByBuildId("key")).toMatchObject([{ id: 7, percentComplete }]);
    expect(transport.lines()[1]).toBe("GET test_imports/?test=7&build_id=key&limit=1");
  });

  it("without a title, scan type or progress are told as such", async () => {
    const bare = rawTest(7, { title: null, scan_type: null, percent_complete: null });
    const { dojo } = start((call) => pageOf([bare], call));
    expect(await dojo.testsByBuildId("key")).toMatchObject([{ title: "", scanType: "Nmap Scan", percentComplete: 0 }]);
  });

  it("are changed in what is given", async () => {
    const { dojo, transport } = start(() => [200, rawTest(7)]);
    await dojo.updateTest(7, { title: "t", start: "a", end: "b", description: "d", buildId: "x" });
    await dojo.updateTest(7, { title: "t" });
    expect(transport.calls.map(({ method, path, json }) => [method, path, json])).toEqual([
      ["PATCH", "tests/7/", { title: "t", target_start: "a", target_end: "b", description: "d", build_id: "x" }],
      ["PATCH", "tests/7/", { title: "t" }],
    ]);
  });

  it.each<[string, Reply, Reply, boolean]>([
    ["are deleted", [204], [404], true],
    ["that are gone are as good as deleted", [404], [404], true],
    ["that are seen and not found may not be deleted", [404], [200, rawTest(7)], false],
    ["that are forbidden may not be deleted", [403], [200, rawTest(7)], false],
  ])("%s", async (_, deleted, got, expected) => {
    const { dojo } = start(({ method }) => (method === "DELETE" ? deleted : got));
    expect(await dojo.deleteTest(7)).toBe(expected);
  });

  it("that cannot be deleted for now are an error", async () => {
    const { dojo } = start(() => [502]);
    expect(await relayErrorBy(() => dojo.deleteTest(7))).toMatchObject({ reason: "dojo-unavailable" });
  });

  describe("have every finding closed, and out of deduplication", () => {
    /** A test whose findings drop out of the list of what is no duplicate as they are closed. */
    function open(count: number, answer?: (call: Call) => Reply | undefined) {
      const findings = Array.from({ length: count }, (_, i) => rawFinding(i + 1, { duplicate: i % 10 === 9 }));
      const started = start((call) => {
        const own = answer?.(call);
        if (own !== undefined) return own;
        if (call.method === "GET") {
          const left = findings.filter(({ duplicate }) => String(duplicate) === call.query.duplicate);
          return pageOf(left, call);
        }
        const id = Number(call.path.split("/")[1]);
        Object.assign(findings[id - 1] ?? {}, call.json);
        return [200, findings[id - 1]];
      });
      const patched = () =>
        started.transport.calls.filter(({ method }) => method === "PATCH").map(({ path }) => path.split("/")[1]);
      return { ...started, findings, patched, left: () => findings.filter(({ duplicate }) => !duplicate).length };
    }
    const idsOf = (count: number) =>
      Array.from({ length: count }, (_, i) => String(i + 1)).filter((id) => Number(id) % 10 !== 0);

    it("each once, from the start of a list that they drop out of", async () => {
      const { dojo, transport, patched, findings } = open(600);
      expect(await dojo.closeFindings(7, () => true)).toBe(true);
      expect(patched()).toEqual(idsOf(600));
      const [first, ...more] = new Set(transport.lines().filter((line) => line.startsWith("GET")));
      expect([first, more]).toEqual(["GET findings/?test=7&duplicate=false&o=id&limit=250", []]);
      for (const finding of findings) expect(finding.duplicate).toBe(true);
      expect(findings[0]).toMatchObject({ active: false, verified: false, duplicate: true });
      expect(await dojo.closeFindings(7, () => true)).toBe(true);
      expect(patched()).toHaveLength(540);
    });

    it("until no time is left, and the next goes on from there", async () => {
      const { dojo, patched, left } = open(30);
      let times = 0;
      expect(await dojo.closeFindings(7, () => ++times <= 11)).toBe(false);
      expect([patched().length, left()]).toEqual([10, 17]);
      expect(await dojo.closeFindings(7, () => true)).toBe(true);
      expect(patched()).toEqual(idsOf(30));
    });

    it("without a request where no time is left at all", async () => {
      const { dojo, transport } = open(3);
      expect(await dojo.closeFindings(7, () => false)).toBe(false);
      expect(transport.calls).toEqual([]);
    });

    it("also where one of them is gone meanwhile", async () => {
      const world = open(3, ({ method, path }) => {
        if (method !== "PATCH" || path !== "findings/2/") return undefined;
        Object.assign(world.findings[1] ?? {}, { duplicate: true });
        return [404];
      });
      expect(await world.dojo.closeFindings(7, () => true)).toBe(true);
      expect(world.patched()).toEqual(["1", "2", "3"]);
    });

    it("also where no answer can hold a page of them", async () => {
      const tooLarge = new RelayError("dojo-answer-too-large", "more than …");
      const { dojo, patched } = open(30, ({ query }) => (Number(query.limit) > 3 ? tooLarge : undefined));
      expect(await dojo.closeFindings(7, () => true)).toBe(true);
      expect(patched()).toEqual(idsOf(30));
      const never = open(1, ({ method }) => (method === "GET" ? tooLarge : undefined));
      expect(await relayErrorBy(() => never.dojo.closeFindings(7, () => true))).toBe(tooLarge);
    });

    it("but not for ever: one that does not stay closed is named", async () => {
      const { dojo, patched } = open(3, ({ method }) => (method === "PATCH" ? [200, {}] : undefined));
      const error = await relayErrorBy(() => dojo.closeFindings(7, () => true));
      expect(error).toMatchObject({ reason: "read-unstable", object: "test 7" });
      expect(error.message).toContain("finding 1 is not a duplicate although it was marked as one");
      expect(patched()).toEqual(["1", "2", "3"]);
    });
  });

  it("have their findings counted", async () => {
    const { dojo, transport } = start(() => [200, { count: 3 }]);
    expect(await dojo.findingCount(7)).toBe(3);
    expect(await dojo.findingCount(7, true)).toBe(3);
    expect(transport.lines()).toEqual(["GET findings/?test=7&limit=1", "GET findings/?test=7&duplicate=true&limit=1"]);
  });
});

describe("the location mode", () => {
  const mode = (status: number) =>
    start((call) =>
      call.path === "location/" && call.query.limit === "1"
        ? [status, status === 200 ? { count: 0, results: [] } : undefined]
        : call.path === "findings/"
          ? [200, { count: 1, results: [rawFinding(1)] }]
          : [500],
    );

  it("is found out once", async () => {
    const { dojo, transport } = mode(404);
    await collect(dojo.findingPages(7, undefined));
    await collect(dojo.findingPages(7, undefined));
    expect(transport.lines().filter((line) => line.startsWith("GET location/"))).toHaveLength(1);
    expect(transport.calls.at(-1)?.query.prefetch).toBe("endpoints");
  });

  it("that is another one each time is no answer, and tried again", async () => {
    let requests = 0;
    const { dojo } = start(({ path, query }) => {
      // Locations whenever that is looked up, endpoints whenever they are read, and the other way round.
      if (path === "location/" && query.limit === "1") return requests++ % 2 === 0 ? [200, {}] : [404];
      if (path !== "findings/") return [404];
      const link = { "5": { id: 5, location: 9 } };
      return [200, { count: 1, results: [rawFinding(1, { endpoints: [5] })], prefetch: { endpoints: link } }];
    });
    const error = await relayErrorBy(() => collect(dojo.findingPages(7, undefined)));
    expect(error).toMatchObject({ reason: "read-unstable", errorClass: "transient" });
  });

  /** A server of one finding at one place, whose flag can be switched. */
  const switched = () => {
    const server = { now: "endpoints" as "endpoints" | "locations" };
    const html404 = new RelayError("dojo-not-json", "GET: HTTP 404", {
      status: 404,
      object: "GET /api/v2/location_findings/",
    });
    const finding = rawFinding(1, { endpoints: [5] });
    const along = {
      endpoints: { id: 5, host: "shop.example.com", protocol: "https" },
      locations: { id: 5, location: 9 },
    };
    const world = start(({ path, query }) => {
      const isNew = server.now === "locations";
      if (path === "location/" && query.limit === "1") return isNew ? [200, { count: 0, results: [] }] : [404];
      if (path === "findings/") {
        const prefetch = query.prefetch === undefined ? {} : { prefetch: { endpoints: { "5": along[server.now] } } };
        return [200, { count: 1, results: [finding], ...prefetch }];
      }
      if (!isNew) return html404;
      const location = { id: 9, location_type: "url", location_value: "https://shop.example.com" };
      return [200, { count: 1, results: [{ id: 5, location: 9 }], prefetch: { location: { "9": location } } }];
    });
    const places = async () => (await collect(world.dojo.findingPages(7, undefined)))[0]?.findings[0]?.locations;
    return {
      server,
      places,
      looks: () => world.transport.lines().filter((line) => line === "GET location/?limit=1").length,
    };
  };

  it.each([
    ["endpoints", "locations"],
    ["locations", "endpoints"],
  ] as const)("that is switched from %s to %s under a running service is found out again, once", async (from, to) => {
    const { server, places, looks } = switched();
    server.now = from;
    expect(await places()).toEqual(["https://shop.example.com"]);
    server.now = to;
    expect(await places()).toEqual(["https://shop.example.com"]);
    expect(await places()).toEqual(["https://shop.example.com"]);
    expect(looks()).toBe(2);
  });

  it("never makes // of an endpoint without a host", async () => {
    const { dojo } = start(({ path }) =>
      path === "findings/"
        ? [
            200,
            {
              count: 1,
              results: [rawFinding(1, { endpoints: [5] })],
              prefetch: { endpoints: { "5": { id: 5, host: "" } } },
            },
          ]
        : [404],
    );
    expect((await collect(dojo.findingPages(7, undefined)))[0]?.findings[0]?.locations).toEqual([]);
  });

  it("is asked for again where it could not be told", async () => {
    let times = 0;
    const { dojo } = start(({ path }) =>
      path === "location/" ? (++times === 1 ? [500] : [404]) : [200, { count: 0, results: [] }],
    );
    expect(await relayErrorBy(() => collect(dojo.findingPages(7, undefined)))).toMatchObject({
      reason: "dojo-unavailable",
    });
    expect(await collect(dojo.findingPages(7, undefined))).toHaveLength(1);
  });
});

describe("addresses for people", () => {
  it.each([
    ["test", "https://dojo.example.com/test/7"],
    ["finding", "https://dojo.example.com/finding/7"],
    ["product/type", "https://dojo.example.com/product/type/7"],
  ] as const)("of a %s", (kind, url) => {
    expect(start(() => [500]).dojo.url(kind, 7)).toBe(url);
  });
});
