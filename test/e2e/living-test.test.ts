import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Standin, startStandin } from "../../infra/local/defectdojo/server.ts";
import { readDojoConfig } from "../../lib/config.ts";
import { dojoPort } from "../../lib/defectdojo/dojo-port.ts";
import { RelayError } from "../../lib/errors.ts";
import { checkpointStore } from "../../lib/importer/checkpoint.ts";
import { importJob } from "../../lib/importer/import-job.ts";
import type { ScanJob } from "../../lib/model/job.ts";
import type { Receipt } from "../../lib/model/receipt.ts";
import type { Scan } from "../../lib/model/scan.ts";
import type { DefectDojo } from "../../lib/ports/defectdojo.ts";
import { testLeases } from "../../lib/ports/test-lease.ts";
import { flowSettings } from "../../lib/settings.ts";
import { resyncJob } from "../../lib/sync/resync-job.ts";
import type { FlowSettings } from "../../lib/types.ts";
import { systemClock } from "../../lib/util/clock.ts";
import { aFinding, aGenericScan, aJob } from "../helpers/factories.ts";
import { memoryStorage } from "../helpers/memory-storage.ts";
import { recorder } from "../helpers/recorder.ts";

interface Written {
  readonly name: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** Days of a ScheduledScan `nightly`, in reimport mode. */
async function startDays({ low, ...env }: Readonly<Record<string, string>> = {}, profile = "3.2-locations") {
  const standin: Standin = await startStandin({ profile, deduplicationDelayMs: 0 });
  const config = readDojoConfig({
    ...{ DEFECTDOJO_URL: standin.url, IMPORT_MODE: "reimport" },
    ...(low === undefined
      ? { DEFECTDOJO_APIKEY: standin.apiKey }
      : { DEFECTDOJO_APIKEY: standin.lowPrivilegedApiKey, DEFECTDOJO_LOW_PRIVILEGED_MODE: "true" }),
    ...{ POLL_SECONDS: "0.05", DEDUPLICATION_QUIET_SECONDS: "0", ...env },
  });
  const { log, metrics, messages } = recorder();
  const storage = memoryStorage();
  const dojo = dojoPort(config, {});
  const ports = { storage, dojo, clock: systemClock, log, metrics };
  const refOf = (day: number) => ({ bucket: "securecodebox", key: `scan-${day}/findings.json` });
  const scanOf = (day: number, changes: Partial<Scan>) =>
    aGenericScan({
      ...{
        name: `nightly-170000000${day}`,
        uid: `uid-${day}`,
        scheduledBy: "nightly",
        rawResultType: "subfinder-json",
      },
      ...{ createdAt: `2026-11-2${day}T02:00:00Z`, finishedAt: `2026-11-2${day}T02:05:00Z` },
      ...changes,
    });
  const jobs = new Map<number, ScanJob>();
  const upload = (day: number, names: readonly string[], changes: Partial<Scan> = {}) => {
    // A scanner assigns new ids to its findings in each run.
    const findings = names.map((name, at) =>
      aFinding({ id: `${day}-${at}`, name, location: `https://shop.example.com/${name}` }),
    );
    const etag = storage.put(refOf(day), JSON.stringify(findings));
    const job = aJob({ ...refOf(day), etag, scan: scanOf(day, changes) });
    jobs.set(day, job);
    return job;
  };
  const work = async (job: ScanJob, settings: Partial<FlowSettings> = {}, others: Partial<typeof ports> = {}) =>
    await importJob(
      job,
      { ...ports, ...others, pending: checkpointStore(storage, log) },
      { ...flowSettings(config), ...settings },
      {
        remainingMs: () => 600_000,
      },
    );
  const written = (day: number) => JSON.parse(storage.text(refOf(day)) ?? "") as Written[];
  return {
    ...{ standin, storage, ports, messages, jobs, upload, work, written },
    settings: flowSettings(config),
    /** `name: state in this run`, from findings.json. */
    inBucket: (day: number) =>
      written(day).map(({ name, attributes }) => `${name}: ${attributes["defectdojo.org/run-status"]}`),
    run: async (day: number, names: readonly string[], changes: Partial<Scan> = {}): Promise<Receipt> => {
      const { receipt } = await work(upload(day, names, changes));
      if (receipt === undefined) throw new Error("no receipt");
      return receipt;
    },
    resync: async (day: number) => {
      const job = jobs.get(day);
      if (job === undefined) throw new Error("never ran");
      return await resyncJob({ ...job, kind: "resync" }, ports, flowSettings(config));
    },
  };
}

/** A DefectDojo that receives imports only after they are released. */
function heldBack(dojo: DefectDojo) {
  const [sent, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const slow: DefectDojo = {
    ...dojo,
    importScan: async (request) => {
      sent.resolve();
      await held.promise;
      return await dojo.importScan(request);
    },
  };
  return { dojo: slow, sent: sent.promise, answer: held.resolve };
}

const countsOf = (receipt: Receipt) => [receipt.new, receipt.known, receipt.closed, receipt.reactivated];

let days: Awaited<ReturnType<typeof startDays>>;
const start = async (...given: Parameters<typeof startDays>) => {
  days = await startDays(...given);
  return days;
};
afterEach(() => days.standin.close());

describe.each(["3.2-locations", "3.2-endpoints", "2.58", "2.34"])("five days of a scheduled scan (%s)", (profile) => {
  beforeEach(() => start({}, profile));

  it("share one test: found, found again, fixed, back, clean", async () => {
    const { run, inBucket, standin } = days;
    const receipts = [
      await run(1, ["A", "B"]),
      await run(2, ["A", "B"]),
      await run(3, ["A"]),
      await run(4, ["A", "B", "C"]),
      await run(5, []),
    ];
    //                                   new, known, closed, reactivated
    expect(receipts.map(countsOf)).toEqual([
      [2, 0, 0, 0],
      [0, 2, 0, 0],
      [0, 1, 1, 0],
      [1, 1, 0, 1],
      [0, 0, 3, 0],
    ]);
    expect([1, 2, 3, 4, 5].map(inBucket)).toEqual([
      ["A: new", "B: new"],
      ["A: known", "B: known"],
      ["A: known"],
      ["A: known", "B: reactivated", "C: new"],
      [],
    ]);
    expect(
      receipts.map(({ findings, matched, onlyInScan, warnings }) => [findings.count, matched, onlyInScan, warnings]),
    ).toEqual([
      [2, 2, 0, []],
      [2, 2, 0, []],
      [1, 1, 0, []],
      [3, 3, 0, []],
      [0, 0, 0, []],
    ]);
    const tests = [...standin.state.tests.values()];
    expect(tests).toMatchObject([
      {
        title: "security/nightly",
        target_start: "2026-11-25T02:00:00Z",
        target_end: expect.stringMatching(/^2026-11-25T02:05/),
      },
    ]);
    expect([...standin.state.engagements.values()]).toMatchObject([{ name: "nightly" }]);
    expect([...standin.state.findings.values()].map(({ title, is_mitigated }) => [title, is_mitigated])).toEqual([
      ["A", true],
      ["B", true],
      ["C", true],
    ]);
    expect(new Set(receipts.map(({ importMode, test }) => `${importMode} ${test.id}`)).size).toBe(1);
  });
});

describe("an outdated run", () => {
  beforeEach(() => start());

  it("is not imported, because it would close findings of the later run, and its receipt says so", async () => {
    const { run, upload, work, standin, storage, inBucket } = days;
    await run(1, ["A"]);
    await run(3, ["A", "B"]);
    const late = upload(2, ["A"]);
    const { outcome, receipt, why } = await work(late);
    expect([outcome, receipt?.outcome]).toEqual(["outdated", "outdated"]);
    expect(why).toMatch(
      /^test \d+ has a later run of this scan, begun at 2026-11-23T02:00:00.000Z; this one began at 2026-11-22/,
    );
    expect(standin.state.testImports.size).toBe(2);
    expect(JSON.parse(storage.text({ ...late, key: "scan-2/defectdojo.json" }) ?? "")).toEqual(receipt);
    expect(inBucket(2)).toEqual(["A: undefined"]);
    expect([...standin.state.findings.values()].every(({ is_mitigated }) => !is_mitigated)).toBe(true);
    // It can still be redone on purpose.
    const forced = await work({ ...late, force: true });
    expect(countsOf(forced.receipt as Receipt)).toEqual([0, 1, 1, 0]);
    expect(inBucket(2)).toEqual(["A: known"]);
  });

  it("ignores dates of tests that no relay wrote, which it adopts", async () => {
    const { run, standin } = days;
    await run(1, ["A"]);
    for (const test of standin.state.tests.values())
      Object.assign(test, {
        build_id: "by hand",
        target_start: "2099-01-01T00:00:00Z",
        target_end: "2099-01-02T00:00:00Z",
      });
    expect(countsOf(await run(2, ["A"]))).toEqual([0, 1, 0, 0]);
  });
});

describe("the findings of a run in a living test", () => {
  it("include findings with verdicts, although DefectDojo's record omits them", async () => {
    const { run, standin, inBucket, written, resync } = await start();
    await run(1, ["A", "B", "C"]);
    const [a, b, c] = [...standin.state.findings.values()];
    for (const finding of [a, b, c])
      Object.assign(finding ?? {}, {
        false_p: true,
        active: false,
        is_mitigated: true,
        mitigated: "2026-11-21T10:00:00Z",
      });
    const receipt = await run(2, ["B", "A", "D"]);
    expect(inBucket(2).toSorted()).toEqual(["A: known", "B: known", "D: new"]);
    expect(
      written(2)
        .filter(({ attributes }) => attributes.falsePositive)
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(["A", "B"]);
    expect(receipt).toMatchObject({
      new: 1,
      // Each is counted once.
      known: 0,
      falsePositives: 2,
      closed: 0,
      matched: 3,
      onlyInScan: 0,
      warnings: [],
    });
    // If the verdict is revoked, the finding still belongs to this run.
    Object.assign(a ?? {}, { false_p: false, active: true, is_mitigated: false });
    await resync(2);
    expect(inBucket(2).toSorted()).toEqual(["A: known", "B: known", "D: new"]);
  });

  it.each(["merge", "complete"])("are matched by content, not by id (SYNC_MODE=%s)", async (mode) => {
    const { run, inBucket } = await start({ SYNC_MODE: mode });
    await run(1, ["A", "B"]);
    const receipt = await run(2, ["B", "C"]);
    expect(receipt).toMatchObject({ new: 1, known: 1, closed: 1, matched: 2, onlyInScan: 0, onlyInDojo: 0 });
    expect(inBucket(2)).toEqual(["B: known", "C: new"]);
  });

  it("merge identical ones from the second run on; merge mode keeps the scanner's", async () => {
    const { run, written } = await start({ SYNC_MODE: "merge" });
    const first = await run(1, ["Same", "Same", "Same"]);
    expect(first).toMatchObject({ new: 1, duplicates: 2, known: 0, closed: 0 });
    const second = await run(2, ["Same", "Same", "Same"]);
    expect(second).toMatchObject({ inDojo: { count: 1 }, closed: 2, matched: 3, onlyInScan: 0 });
    expect(second.warnings).toEqual(
      ["DefectDojo keeps less than the scanner found: 1 of 3 findings, 1 of 3 that are LOW or worse"].map(() =>
        expect.stringContaining("1 of 3 findings"),
      ),
    );
    expect(written(2)).toHaveLength(3);
  });

  it("remain those of their run in a resync after later runs", async () => {
    const { run, inBucket, written, resync } = await start();
    await run(1, ["A", "B"]);
    await run(2, ["A", "C"]);
    const { receipt } = await resync(1);
    expect(inBucket(1)).toEqual(["A: new", "B: new"]);
    expect(written(1).map(({ attributes }) => attributes.mitigated)).toEqual([false, true]);
    expect(receipt).toMatchObject({ findings: { count: 2 }, changedCount: 1, new: 1, mitigated: 1, closed: 0 });
    expect(await resync(1)).toMatchObject({ why: "nothing changed, nothing was written" });
    expect(await resync(2)).toMatchObject({ why: "nothing changed, nothing was written" });
  });

  it("are counted but not written in read-only mode", async () => {
    const { run, written } = await start({ DEFECTDOJO_SYNC_FINDINGS_BACK: "false" });
    await run(1, ["A", "B"]);
    const receipt = await run(2, ["A", "C"]);
    expect(receipt).toMatchObject({
      outcome: "imported",
      new: 1,
      known: 1,
      closed: 1,
      findings: { count: 2 },
      inDojo: { count: 2 },
    });
    expect(written(2)[0]?.attributes).not.toHaveProperty("duplicate");
  });
});

describe("a living test", () => {
  it("is separate for a report that fell back, as the receipt says", async () => {
    const { run, standin, storage } = await start({ IMPORT_REFUSAL_SECONDS: "0" });
    const nmap = (day: number, end = "</ports></host></nmaprun>") => {
      const port = '<port protocol="tcp" portid="22"><state state="open"/></port>';
      const host = '<host><address addr="10.0.0.1" addrtype="ipv4"/><hostnames/><ports>';
      const raw = `<nmaprun start="1700000000">${host}${port}${end}`;
      storage.put({ bucket: "securecodebox", key: `scan-${day}/nmap-results.xml` }, raw);
      return { scanType: "nmap", rawResultType: "nmap-xml", rawResultFile: "nmap-results.xml" };
    };
    expect(await run(1, ["A"], nmap(1))).toMatchObject({ importedAs: "Nmap Scan", new: 1 });
    expect(await run(2, ["A"], nmap(2))).toMatchObject({ importedAs: "Nmap Scan", known: 1, new: 0 });
    const third = await run(3, ["A"], nmap(3, ""));
    expect(third).toMatchObject({ importedAs: "Generic Findings Import", new: 1, known: 0, closed: 0 });
    expect(third.warnings).toEqual([
      expect.stringMatching(
        /the living test for "Generic Findings Import": only its findings can be closed by this run; .* "Nmap Scan" stay/,
      ),
    ]);
    // The next run that falls back uses the same test.
    expect(await run(4, ["B"], nmap(4, ""))).toMatchObject({
      test: { id: third.test.id },
      new: 1,
      known: 0,
      closed: 1,
    });
    expect(await run(5, ["A"], nmap(5))).toMatchObject({ importedAs: "Nmap Scan", known: 1, closed: 0 });
    expect(standin.state.tests.size).toBe(2);
  });

  it("treats its first run as an import, which closes no findings of others", async () => {
    const { run, standin } = await start();
    await run(1, ["A"]);
    await run(2, ["B"], { annotations: { "test-title": "another", "engagement-name": "nightly" } });
    expect([...standin.state.findings.values()].map(({ is_mitigated }) => is_mitigated)).toEqual([false, false]);
    expect([...standin.state.testImports.values()].map(({ type }) => type)).toEqual(["import", "import"]);
  });

  it("receives the import once even if the response is lost", async () => {
    const { run, upload, ports, storage, settings, standin } = await start();
    await run(1, ["A"]);
    const dojo: typeof ports.dojo = {
      ...ports.dojo,
      importScan: async (request) => {
        await ports.dojo.importScan(request);
        throw new RelayError("import-unknown", "socket hang up");
      },
    };
    const job = upload(2, ["A", "B"]);
    const pending = checkpointStore(storage, ports.log);
    const { receipt } = await importJob(job, { ...ports, dojo, pending }, settings, { remainingMs: () => 600_000 });
    expect(countsOf(receipt as Receipt)).toEqual([1, 1, 0, 0]);
    expect(standin.state.testImports.size).toBe(2);
  });

  it("without a history in DefectDojo has the findings that are not closed, and the receipt says so", async () => {
    const { run, standin, inBucket, resync } = await start();
    standin.state.intercept = ({ path }) =>
      path === "/test_imports/" ? { status: 200, body: { count: 0, results: [] } } : undefined;
    await run(1, ["A", "B"]);
    const receipt = await run(2, ["A", "C"]);
    expect(receipt).toMatchObject({ runFindings: "assumed", findings: { count: 2 } });
    expect([receipt.closed, receipt.testImport]).toEqual([undefined, undefined]);
    expect(receipt.warnings).toEqual([expect.stringContaining("keeps no import history")]);
    expect(inBucket(2)).toEqual(["A: known", "C: known"]);
    expect(await resync(1)).toMatchObject({ outcome: "superseded" });
    expect(await resync(2)).toMatchObject({ outcome: "synced" });
  });

  it("accepts imports with a low-privileged token", async () => {
    const { run } = await start({ low: "true" });
    await run(1, ["A"]);
    expect(countsOf(await run(2, ["A", "B"]))).toEqual([1, 1, 0, 0]);
  });

  it("accepts one run at a time, even from two relays", async () => {
    const { run, upload, ports, storage, settings, standin } = await start();
    await run(1, ["A"]);
    const leases = (bucket: string) => testLeases(storage, bucket, systemClock);
    const { dojo: slow, sent, answer } = heldBack(ports.dojo);
    const by = async (dojo: typeof ports.dojo, day: number, names: readonly string[]) => {
      const pending = checkpointStore(storage, ports.log);
      return await importJob(upload(day, names), { ...ports, dojo, leases, pending }, settings, {
        remainingMs: () => 600_000,
      });
    };
    const first = by(slow, 2, ["A", "B"]);
    await sent;
    await expect(by(ports.dojo, 3, ["A"])).rejects.toThrow("another run is being imported into the living test");
    answer();
    expect(countsOf((await first).receipt as Receipt)).toEqual([1, 1, 0, 0]);
    expect(countsOf((await by(ports.dojo, 3, ["A"])).receipt as Receipt)).toEqual([0, 1, 1, 0]);
    expect(standin.state.testImports.size).toBe(3);
  });
});

/** Like hooks: they have no lease, because presigned URLs cannot reach it in the bucket. */
describe("two concurrent runs without a lease", () => {
  const open = ({ standin }: typeof days) =>
    [...standin.state.findings.values()].filter(({ is_mitigated }) => !is_mitigated).map(({ title }) => title);

  it("may overtake each other after the check of their order: findings of the later run stay closed until the next run", async () => {
    const { run, upload, work, ports, resync, inBucket } = await start();
    await run(1, ["A"]);
    const { dojo, sent, answer } = heldBack(ports.dojo);
    const earlier = work(upload(2, ["A"]), {}, { dojo });
    await sent;
    expect(countsOf(await run(3, ["A", "B"]))).toEqual([1, 1, 0, 0]);
    answer();
    expect(countsOf((await earlier).receipt as Receipt)).toEqual([0, 1, 1, 0]);
    expect(open(days)).toEqual(["A"]);
    expect((await resync(3)).receipt).toMatchObject({ mitigated: 1 });
    // The next run corrects it.
    expect(countsOf(await run(4, ["A", "B"]))).toEqual([0, 1, 0, 1]);
    expect(open(days)).toEqual(["A", "B"]);
    expect((await resync(3)).receipt).toMatchObject({ mitigated: 0, new: 1, known: 1 });
    expect(inBucket(3)).toEqual(["A: known", "B: new"]);
  });

  it("create a test each if both are the first, and the next run continues in the newer one", async () => {
    const { run, upload, work, ports, standin } = await start();
    const { dojo, sent, answer } = heldBack(ports.dojo);
    const earlier = work(upload(1, ["A"]), {}, { dojo });
    await sent;
    const other = (await run(2, ["A", "B"])).test.id;
    answer();
    const newer = (await earlier).receipt?.test.id;
    expect(new Set([other, newer]).size).toBe(2);
    expect((await run(3, ["A"])).test.id).toBe(newer);
    expect([...standin.state.tests.keys()]).toEqual([other, newer]);
  });
});
