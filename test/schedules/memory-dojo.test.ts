import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Standin, startStandin } from "../../infra/local/defectdojo/server.ts";
import { dojoClient } from "../../lib/defectdojo/client.ts";
import { httpTransport } from "../../lib/defectdojo/http.ts";
import type { DefectDojo, ImportRequest } from "../../lib/ports/defectdojo.ts";
import type { DojoFinding, FindingPage } from "../../lib/ports/dojo-finding.ts";
import { systemClock } from "../../lib/util/clock.ts";
import { memoryDojo } from "./memory-dojo.ts";

/** Compares the in-memory DefectDojo to the stand-in, through the same client. */
interface Subject {
  readonly dojo: DefectDojo;
  readonly close: () => Promise<void>;
}

const PACE_MS = 20;
const SUBJECTS: Readonly<Record<string, (options: { lowPrivileged?: true; asyncWait?: false }) => Promise<Subject>>> = {
  "in memory": async (options) => {
    const { port } = memoryDojo(systemClock, { ...options, msPerFinding: PACE_MS, deduplicationDelayMs: 150 });
    return { dojo: port, close: async () => undefined };
  },
  "stand-in": async ({ lowPrivileged, ...options }) => {
    const timing = { importMsPerFinding: PACE_MS };
    const standin: Standin = await startStandin({ ...options, timing, deduplicationDelayMs: 150 });
    const key = lowPrivileged ? standin.lowPrivilegedApiKey : standin.apiKey;
    const transport = httpTransport({ baseUrl: standin.url, apiKey: async () => key, timeoutMs: 10_000 });
    return { dojo: dojoClient(transport, { baseUrl: standin.url, readConcurrency: 2 }), close: standin.close };
  },
};

describe.each(Object.entries(SUBJECTS))("DefectDojo %s", (_, start) => {
  let folder: string;
  let subject: Subject | undefined;
  let files = 0;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "dojo-relay-memory-dojo-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  afterEach(async () => {
    await subject?.close();
    subject = undefined;
  });

  const begin = async (options: Parameters<typeof start>[0] = {}) => {
    subject = await start(options);
    return subject.dojo;
  };
  const engagementOf = async (dojo: DefectDojo, name = "engagement") => {
    const { id: productTypeId } = await dojo.productType(1, false);
    const { id: productId } = await dojo.product({ name: "product", description: "x", tags: [], productTypeId });
    return await dojo.engagement({
      ...{ productId, name, version: "", tags: [], branchTag: "", deduplicateOnEngagement: false },
      ...{ leadId: (await dojo.user()).id, start: "2026-11-24", end: "2026-11-24", orchestrated: false },
    });
  };
  const requestOf = async (engagementId: number, content: string, changes: Partial<ImportRequest> = {}) => {
    const path = join(folder, `report-${files++}`);
    await writeFile(path, content);
    const request: ImportRequest = {
      ...{ scanType: "Generic Findings Import", engagementId, buildId: "build", file: { path, name: "findings.json" } },
      ...{ title: "a test", version: "", minimumSeverity: "Info", closeOldFindings: false, leadId: 1, tags: [] },
      timeoutMs: 10_000,
      ...changes,
    };
    return request;
  };
  const imported = async (dojo: DefectDojo, content: string, changes: Partial<ImportRequest> = {}, name?: string) =>
    await dojo.importScan(await requestOf((await engagementOf(dojo, name)).id, content, changes));

  it("finds the objects it created", async () => {
    const dojo = await begin();
    const { isNew, ...made } = await engagementOf(dojo);
    expect(isNew).toBe(true);
    expect(await engagementOf(dojo)).toEqual(made);
    expect(await dojo.hasTestType("Nmap Scan")).toBe(true);
    expect(await dojo.hasTestType("Nope Scan")).toBe(false);
    await expect(dojo.productType("Nope", false)).rejects.toMatchObject({ reason: "product-type-missing" });
  });

  it("imports a generic report and returns its findings in order", async () => {
    const dojo = await begin();
    const answer = await imported(dojo, generic(["One", "Two", "Three"]));
    expect(answer).toMatchObject({ total: 3, deduplicated: true });
    expect(await dojo.testsByBuildId("build")).toMatchObject([
      {
        id: answer.testId,
        title: "a test",
        scanType: "Generic Findings Import",
        buildId: "build",
        percentComplete: 100,
      },
    ]);
    expect(await dojo.testsByBuildId("other")).toEqual([]);
    const findings = await findingsOf(dojo, answer.testId);
    expect(findings.map(({ title }) => title)).toEqual(["One", "Two", "Three"]);
    expect(findings[0]).toMatchObject({ active: true, duplicate: false, uniqueIdFromTool: "0", severity: "High" });
    expect(await dojo.findingCount(answer.testId)).toBe(3);
  });

  it("keeps identical findings as duplicates", async () => {
    const dojo = await begin();
    const { testId, total } = await imported(dojo, generic(Array<string>(5).fill("Same")));
    expect(total).toBe(5);
    const [original, ...others] = await findingsOf(dojo, testId);
    expect(original?.duplicate).toBe(false);
    expect(new Set(others.map(({ duplicateOf }) => duplicateOf))).toEqual(new Set([original?.id]));
    expect(await dojo.findingCount(testId, true)).toBe(4);
  });

  it("finds duplicates across the engagements of a product and returns the originals", async () => {
    const dojo = await begin();
    const first = await imported(dojo, generic(["One", "Two"]), { buildId: "first" });
    const second = await imported(dojo, generic(["Two", "Three"]), { buildId: "second" }, "another");
    const originals = await findingsOf(dojo, first.testId);
    const pages = await pagesOf(dojo, second.testId, 2);
    expect(pages.flatMap(({ findings }) => findings.map(({ duplicateOf }) => duplicateOf))).toEqual([
      originals[1]?.id,
      undefined,
    ]);
    expect(pages[0]?.originals.get(originals[1]?.id ?? 0)?.testId).toBe(first.testId);
  });

  it("omits findings below the minimum severity", async () => {
    const dojo = await begin();
    const { total } = await imported(dojo, generic(["One"], "Low"), { minimumSeverity: "Medium" });
    expect(total).toBe(0);
  });

  it("marks duplicates after the response if it does not wait for them", async () => {
    const dojo = await begin({ asyncWait: false });
    const { testId, deduplicated } = await imported(dojo, generic(["Same", "Same"]));
    expect(deduplicated ?? undefined).not.toBe(true);
    expect(await dojo.findingCount(testId, true)).toBe(0);
    await sleep(300);
    expect(await dojo.findingCount(testId, true)).toBe(1);
  });

  it("continues an import whose client gave up: at 50 % and growing, then complete", async () => {
    const dojo = await begin();
    const many = generic(Array.from({ length: 30 }, (_, i) => `Finding ${i}`));
    const { id } = await engagementOf(dojo);
    const request = await requestOf(id, many, { timeoutMs: 250 });
    await expect(dojo.importScan(request)).rejects.toMatchObject({ errorClass: "unknown" });
    const [running] = await dojo.testsByBuildId("build");
    expect(running?.percentComplete).toBe(50);
    const early = await dojo.findingCount(running?.id ?? 0);
    await sleep(100);
    expect(await dojo.findingCount(running?.id ?? 0)).toBeGreaterThan(early);
    await sleep(800);
    expect(await dojo.testsByBuildId("build")).toMatchObject([{ id: running?.id, percentComplete: 100 }]);
    expect(await dojo.findingCount(running?.id ?? 0)).toBe(30);
  });

  it("imports Nmap's XML natively", async () => {
    const dojo = await begin();
    const { testId } = await imported(dojo, nmap([22, 80]), { scanType: "Nmap Scan" });
    const findings = await findingsOf(dojo, testId);
    expect(findings.map(({ title }) => title.toLowerCase())).toEqual(["open port: 22/tcp", "open port: 80/tcp"]);
  });

  describe("a living test", () => {
    const living = async (dojo: DefectDojo, titles: readonly string[]) => {
      const { testId } = await imported(dojo, generic(titles), { buildId: "first" });
      const { id: engagementId } = await engagementOf(dojo);
      const again = async (buildId: string, found: readonly string[], changes: Partial<ImportRequest> = {}) => {
        const request = await requestOf(engagementId, generic(found), { testId, buildId, closeOldFindings: true });
        return await dojo.importScan({ ...request, ...changes });
      };
      return { testId, engagementId, again };
    };
    const recordOf = async (dojo: DefectDojo, buildId: string) => {
      const [record] = await dojo.importRecords(buildId);
      const titles = new Map((await findingsOf(dojo, record?.testId ?? 0)).map(({ id, title }) => [id, title]));
      const named = (ids: readonly number[] = []) => ids.map((id) => titles.get(id));
      return [named(record?.new), named(record?.known), named(record?.closed), named(record?.reactivated)];
    };

    it("is found by engagement, title and scan type, with its start date", async () => {
      const dojo = await begin();
      const { testId, engagementId } = await living(dojo, ["One"]);
      const wanted = { engagementId, title: "a test", scanType: "Generic Findings Import" };
      expect(await dojo.livingTest(wanted)).toMatchObject({ id: testId, description: "" });
      const description = "# Generic Findings Import";
      await dojo.updateTest(testId, { description, start: "2026-11-20T10:00:00Z", end: "2026-11-20T11:00:00Z" });
      expect(await dojo.livingTest(wanted)).toMatchObject({
        id: testId,
        ...{ start: "2026-11-20T10:00:00Z", end: "2026-11-20T11:00:00Z", description },
        buildId: "first",
      });
      expect(await dojo.livingTest({ ...wanted, title: "another" })).toBeUndefined();
      expect(await dojo.livingTest({ ...wanted, scanType: "Nmap Scan" })).toBeUndefined();
    });

    it("adds new findings, closes missing ones, reactivates those that return, and records it", async () => {
      const dojo = await begin();
      const { testId, again } = await living(dojo, ["One", "Two"]);
      expect(await recordOf(dojo, "first")).toEqual([["One", "Two"], [], [], []]);
      await again("second", ["Two", "Three"]);
      expect(await recordOf(dojo, "second")).toEqual([["Three"], ["Two"], ["One"], []]);
      await again("third", ["One", "Two"]);
      expect(await recordOf(dojo, "third")).toEqual([[], ["Two"], ["Three"], ["One"]]);
      await again("fourth", []);
      expect(await recordOf(dojo, "fourth")).toEqual([[], [], ["One", "Two"], []]);
      expect(await dojo.testsByBuildId("third")).toEqual([]);
      expect(await dojo.testsByBuildId("fourth")).toMatchObject([{ id: testId, percentComplete: 100 }]);
      const [record] = await dojo.importRecords("second");
      expect(await dojo.importRecord(record?.id ?? 0)).toEqual(record);
      expect(await dojo.importRecord(99_999_999)).toBeUndefined();
    });

    it("merges identical findings and creates a second record of the same report", async () => {
      const dojo = await begin();
      const { again } = await living(dojo, []);
      await again("second", ["Same", "Same"]);
      expect(await recordOf(dojo, "second")).toEqual([["Same"], [], [], []]);
      await again("second", ["Same", "Same"]);
      expect(await dojo.importRecords("second")).toMatchObject([
        { known: [] },
        { new: [], known: [expect.any(Number)] },
      ]);
    });

    it("closes and reactivates nothing unless requested", async () => {
      const dojo = await begin();
      const { again } = await living(dojo, ["One", "Two"]);
      await again("second", ["Two"], { closeOldFindings: false });
      expect(await recordOf(dojo, "second")).toEqual([[], ["Two"], [], []]);
      await again("third", ["Two"]);
      await again("fourth", ["One", "Two"], { flags: { do_not_reactivate: true } });
      expect(await recordOf(dojo, "fourth")).toEqual([[], ["Two"], [], []]);
    });

    it("returns findings by id, in order and without deleted ones", async () => {
      const dojo = await begin();
      const { testId, again } = await living(dojo, ["One", "Two", "Three"]);
      const [one, , three] = await findingsOf(dojo, testId);
      const found: DojoFinding[] = [];
      for await (const page of dojo.findingsById([three?.id ?? 0, one?.id ?? 0, 99_999_999]))
        found.push(...page.findings);
      expect(found).toMatchObject([{ title: "One" }, { title: "Three" }]);
      const those = async (are: "judged" | "open") => {
        const all: DojoFinding[] = [];
        for await (const page of dojo.findingsThat(testId, are)) all.push(...page);
        return all.map(({ title }) => title);
      };
      expect(await those("judged")).toEqual([]);
      expect(await those("open")).toEqual(["One", "Two", "Three"]);
      await again("second", ["Two"]);
      expect(await those("open")).toEqual(["Two"]);
      expect(await dojo.isRecorded(testId)).toBe(true);
      expect(await dojo.test(testId)).toMatchObject({ id: testId, buildId: "second" });
      expect(await dojo.deleteTest(testId)).toBe(true);
      expect(await dojo.test(testId)).toBeUndefined();
      expect(await dojo.importRecords("second")).toEqual([]);
    });
  });

  it("returns 500 for an unreadable native report and leaves a test at 50 %", async () => {
    const dojo = await begin();
    const { id } = await engagementOf(dojo);
    const request = await requestOf(id, nmap([22]).slice(0, -12), { scanType: "Nmap Scan" });
    await expect(dojo.importScan({ ...request, file: { ...request.file, name: "nmap.xml" } })).rejects.toMatchObject({
      status: 500,
      reason: "dojo-unavailable",
    });
    const [left] = await dojo.testsByBuildId("build");
    expect(left).toMatchObject({ percentComplete: 50, scanType: "Nmap Scan" });
    expect(await dojo.findingCount(left?.id ?? 0)).toBe(0);
  });

  it("rejects a generic report with an unknown severity and leaves a test at 50 %", async () => {
    const dojo = await begin();
    await expect(imported(dojo, generic(["One"], "Bogus"))).rejects.toMatchObject({
      status: 400,
      reason: "dojo-rejected",
      message: expect.stringMatching(/HTTP 400: \['Finding severity "Bogus" is not supported/),
    });
    expect(await dojo.testsByBuildId("build")).toMatchObject([{ percentComplete: 50 }]);
  });

  it("leaves no test behind for a generic report that is not JSON", async () => {
    const dojo = await begin();
    await expect(imported(dojo, "nope")).rejects.toMatchObject({ status: expect.any(Number) });
    expect(await dojo.testsByBuildId("build")).toEqual([]);
  });

  it("rejects an unknown engagement", async () => {
    const dojo = await begin();
    await expect(dojo.importScan(await requestOf(99_999_999, generic(["One"])))).rejects.toMatchObject({
      status: 400,
      message: expect.stringMatching(/HTTP 400: Engagement "99999999" does not exist/),
    });
  });

  it("does not delete a test during its import, which continues", async () => {
    const dojo = await begin();
    const { id } = await engagementOf(dojo);
    const request = await requestOf(id, generic(Array.from({ length: 20 }, (_, i) => `Finding ${i}`)));
    const answer = dojo.importScan(request);
    await sleep(100);
    const [running] = await dojo.testsByBuildId("build");
    await expect(dojo.deleteTest(running?.id ?? 0)).rejects.toMatchObject({ reason: "dojo-unavailable", status: 500 });
    expect(await answer).toMatchObject({ testId: running?.id, total: 20 });
    expect(await dojo.deleteTest(running?.id ?? 0)).toBe(true);
  });

  it("rejects requests for a deleted test", async () => {
    const dojo = await begin();
    const { testId } = await imported(dojo, generic(["One"]));
    expect(await dojo.deleteTest(testId)).toBe(true);
    expect(await dojo.deleteTest(testId)).toBe(true);
    await expect(dojo.updateTest(testId, { title: "x" })).rejects.toMatchObject({ reason: "dojo-not-found" });
    await expect(dojo.findingCount(testId)).rejects.toMatchObject({ reason: "dojo-rejected", status: 400 });
    await expect(findingsOf(dojo, testId)).rejects.toMatchObject({ reason: "dojo-rejected", status: 400 });
  });

  it("lets a low-privileged token close and rename a test that it may not delete, so that it no longer counts", async () => {
    const dojo = await begin({ lowPrivileged: true });
    const { testId } = await imported(dojo, generic(["One"]));
    expect(await dojo.deleteTest(testId)).toBe(false);
    expect(await dojo.closeFindings(testId, () => false)).toBe(false);
    expect(await findingsOf(dojo, testId)).toMatchObject([{ active: true, duplicate: false }]);
    expect(await dojo.closeFindings(testId, () => true)).toBe(true);
    await dojo.updateTest(testId, { title: "[failed] a test", buildId: "failed-build" });
    expect(await dojo.testsByBuildId("build")).toEqual([]);
    expect(await findingsOf(dojo, testId)).toMatchObject([{ active: false, duplicate: true }]);
    const again = await imported(dojo, generic(["One"]));
    expect(await findingsOf(dojo, again.testId)).toMatchObject([{ active: true, duplicate: false }]);
  });
});

async function findingsOf(dojo: DefectDojo, testId: number): Promise<DojoFinding[]> {
  return (await pagesOf(dojo, testId)).flatMap(({ findings }) => [...findings]);
}

async function pagesOf(dojo: DefectDojo, testId: number, expected?: number): Promise<FindingPage[]> {
  const pages: FindingPage[] = [];
  for await (const page of dojo.findingPages(testId, expected)) pages.push(page);
  return pages;
}

function generic(titles: readonly string[], severity = "High"): string {
  const findings = titles.map((title, index) => ({
    ...{ title, severity, description: title, endpoints: ["https://example.com/"] },
    unique_id_from_tool: String(index),
  }));
  return JSON.stringify({ findings });
}

function nmap(ports: readonly number[]): string {
  const rows = ports.map((port) => `<port protocol="tcp" portid="${port}"><state state="open"/></port>`).join("");
  return `<nmaprun start="1700000000"><host><address addr="10.0.0.1" addrtype="ipv4"/><hostnames/><ports>${rows}</ports></host></nmaprun>`;
}
