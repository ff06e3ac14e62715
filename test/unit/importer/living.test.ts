import { beforeEach, describe, expect, it } from "vitest";
import { RelayError } from "../../../lib/errors.ts";
import { checkpointStore } from "../../../lib/importer/checkpoint.ts";
import { importJob } from "../../../lib/importer/import-job.ts";
import { jobKey } from "../../../lib/model/job.ts";
import { receiptOf as companion } from "../../../lib/model/object-keys.ts";
import type { Receipt } from "../../../lib/model/receipt.ts";
import { RUN_STATUS } from "../../../lib/model/verdicts.ts";
import type { DefectDojo } from "../../../lib/ports/defectdojo.ts";
import { testLeases } from "../../../lib/ports/test-lease.ts";
import type { ScanFinding } from "../../../lib/report/findings-file.ts";
import { resyncJob } from "../../../lib/sync/resync-job.ts";
import type { FlowSettings } from "../../../lib/types.ts";
import { systemClock } from "../../../lib/util/clock.ts";
import { aFinding, aGenericScan, aJob } from "../../helpers/factories.ts";
import { memoryStorage } from "../../helpers/memory-storage.ts";
import { recorder } from "../../helpers/recorder.ts";
import { aFlow, aQuickFlow } from "../../helpers/settings.ts";
import { memoryDojo } from "../../schedules/memory-dojo.ts";
import { refused } from "../../schedules/memory-dojo-tables.ts";

const BUCKET = "securecodebox";

function begin() {
  const { port, tables, importScan } = memoryDojo(systemClock, { msPerFinding: 0 });
  const storage = memoryStorage();
  const { log, metrics } = recorder();
  // A busy machine takes longer than nothing to note an import.
  const settings = aQuickFlow({ ledger: aFlow().ledger, defaults: { importMode: "reimport" } });
  const leases = (bucket: string) => testLeases(storage, bucket, systemClock);
  const jobOf = (day: number, names: readonly string[]) => {
    const ref = { bucket: BUCKET, key: `scan-${day}/findings.json` };
    const findings = names.map((name, at) => aFinding({ id: `${day}-${at}`, name, attributes: {} }));
    const etag = storage.put(ref, JSON.stringify(findings));
    const at = `2026-11-2${day}T02:00:00Z`;
    const scan = aGenericScan({
      name: `nightly-${day}`,
      uid: `${day}`,
      scheduledBy: "nightly",
      createdAt: at,
      finishedAt: at,
    });
    return aJob({ ...ref, etag, scan });
  };
  const work = async (job: ReturnType<typeof jobOf>, changes: Partial<FlowSettings> = {}, dojo: DefectDojo = port) => {
    const ports = { storage, dojo, clock: systemClock, log, metrics, leases, pending: checkpointStore(storage, log) };
    return await importJob(job, ports, { ...settings, ...changes }, { remainingMs: () => 600_000 });
  };
  const run = async (day: number, names: readonly string[], dojo?: DefectDojo) => {
    const { receipt } = await work(jobOf(day, names), {}, dojo);
    if (receipt === undefined) throw new Error("no receipt");
    return receipt;
  };
  const resync = (job: ReturnType<typeof jobOf>) =>
    resyncJob({ ...job, kind: "resync" }, { storage, dojo: port, clock: systemClock, log, metrics }, settings);
  const receiptOf = (job: ReturnType<typeof jobOf>) => JSON.parse(storage.text(companion(job)) ?? "null") as Receipt;
  return { port, tables, importScan, storage, jobOf, work, run, resync, receiptOf };
}

const parseUri = (uri: string) => {
  const [, bucket = "", key = ""] = /^s3:\/\/([^/]+)\/(.*)$/.exec(uri) ?? [];
  return { bucket, key };
};

const countsOf = ({ new: fresh, known, closed, reactivated }: Receipt) => [fresh, known, closed, reactivated];

describe("runs of one scan in a living test", () => {
  let world: ReturnType<typeof begin>;
  beforeEach(() => {
    world = begin();
  });

  it("count what is new, known, closed and back", async () => {
    const { run, tables } = world;
    const all = [await run(1, ["A", "B"]), await run(2, ["A"]), await run(3, ["A", "B", "C"]), await run(4, [])];
    expect(all.map(countsOf)).toEqual([
      [2, 0, 0, 0],
      [0, 1, 1, 0],
      [1, 1, 0, 1],
      [0, 0, 3, 0],
    ]);
    expect([...tables.tests.values()]).toMatchObject([{ title: "security/nightly", percentComplete: 100 }]);
  });

  it("are outdated where a later one was imported, which the receipt says, and give their place back", async () => {
    const { run, work, jobOf, storage, receiptOf, resync } = world;
    await run(1, ["A"]);
    const { test, product, engagement } = await run(3, ["A", "B"]);
    const late = jobOf(2, ["A"]);
    const upload = storage.text(late);
    const why = expect.stringContaining(`test ${test.id} has a later run of this scan, begun at 2026-11-23`);
    const { outcome, receipt } = await work(late);
    expect([outcome, receipt]).toEqual(["outdated", receiptOf(late)]);
    expect(receipt).toMatchObject({
      ...{ outcome: "outdated", importMode: "reimport", test, product, engagement, etag: late.etag },
      outdated: {
        laterRunAt: "2026-11-23T02:00:00.000Z",
        why,
        advice: "To import it all the same: dojo-relay backfill --force 'scan-2/findings.json'",
      },
      ...{ uploaded: { count: 1 }, findings: { count: 0 }, new: 0, known: 0, reactivated: 0, closed: 0 },
    });
    expect(storage.text(late)).toBe(upload);
    // Another delivery, and a resync, have nothing to do.
    expect(await work(late)).toMatchObject({ outcome: "done-before", receipt: { outcome: "outdated" } });
    expect(await resync(late)).toMatchObject({ outcome: "outdated", receipt: { outcome: "outdated" } });
    expect(storage.text(late)).toBe(upload);
  });

  it.each([true, false])(
    "are imported all the same if forced, which replaces that receipt (sync back: %s)",
    async (syncBack) => {
      const { run, work, jobOf, receiptOf } = world;
      await run(1, ["A"]);
      await run(3, ["A", "B"]);
      const late = jobOf(2, ["A"]);
      await work(late, { syncBack });
      const forced = { ...late, force: true } as const;
      expect(await work(forced, { syncBack })).toMatchObject({ receipt: { known: 1, closed: 1 } });
      expect(receiptOf(late)).toMatchObject({ outcome: syncBack ? "synced" : "imported", closed: 1 });
      expect(receiptOf(late)).not.toHaveProperty("outdated");
      for (const again of [late, forced])
        expect(await work(again, { syncBack })).toMatchObject({ outcome: "done-before" });
    },
  );

  it("are not outdated by a first run that died before it described its test, whose start is DefectDojo's own", async () => {
    const { run, work, jobOf, port, storage } = world;
    const dies = async () => {
      throw new Error("it died");
    };
    await expect(work(jobOf(2, ["A"]), {}, { ...port, updateTest: dies })).rejects.toThrow("it died");
    // Its place is free once its delivery is over; when it began is known still.
    for (const [key, { bytes }] of storage.objects)
      if (key.includes("/living/"))
        storage.put(
          parseUri(key),
          JSON.stringify({ ...JSON.parse(bytes.toString("utf8")), until: "2026-01-01T00:00:00Z" }),
        );
    expect(await work(jobOf(1, ["A"]))).toMatchObject({ outcome: "outdated" });
    expect(await run(3, ["A"])).toMatchObject({ outcome: "synced", known: 1 });
  });

  it("that continue after a later one was imported leave its dates on the test", async () => {
    const { run, work, jobOf, port, tables } = world;
    const dies = () => {
      throw new Error("it died");
    };
    const first = jobOf(1, ["A"]);
    await expect(work(first, {}, { ...port, findingsById: dies })).rejects.toThrow("it died");
    const { test } = await run(3, ["A", "B"]);
    expect(await work(first)).toMatchObject({ outcome: "synced" });
    expect(tables.tests.get(test.id)?.start).toBe("2026-11-23T02:00:00.000Z");
    expect(await work(jobOf(2, ["A"]))).toMatchObject({ outcome: "outdated" });
  });

  it("are not outdated by a later one that DefectDojo's parser refused, which gives its place back", async () => {
    const { run, work, jobOf, port, tables } = world;
    const { test } = await run(1, ["A"]);
    const before = structuredClone(tables.tests.get(test.id));
    const later = jobOf(3, ["A", "B"]);
    const refuses: DefectDojo["importScan"] = async () => {
      expect(tables.tests.get(test.id)?.start).toBe("2026-11-23T02:00:00.000Z");
      throw refused("POST /api/v2/reimport-scan/", 400, "['Invalid report']");
    };
    await expect(work(later, {}, { ...port, importScan: refuses })).rejects.toMatchObject({ reason: "import-refused" });
    expect(tables.tests.get(test.id)).toEqual(before);
    expect(await work(jobOf(2, ["A"]))).toMatchObject({
      outcome: "synced",
      receipt: { known: 1, test: { id: test.id } },
    });
  });

  it("give back what the test said before they were announced, though a delivery died in between", async () => {
    const { run, work, jobOf, port, tables } = world;
    const { test } = await run(1, ["A"]);
    const before = structuredClone(tables.tests.get(test.id));
    const later = jobOf(3, ["A", "B"]);
    const dies: DefectDojo["updateTest"] = async (...change) => {
      await port.updateTest(...change);
      throw new Error("it died");
    };
    await expect(work(later, {}, { ...port, updateTest: dies })).rejects.toThrow("it died");
    const refuses: DefectDojo["importScan"] = async () => {
      throw refused("POST /api/v2/reimport-scan/", 400, "['Invalid report']");
    };
    await expect(work(later, {}, { ...port, importScan: refuses })).rejects.toMatchObject({ reason: "import-refused" });
    expect(tables.tests.get(test.id)).toEqual(before);
  });

  it("that are outdated leave alone what another delivery or run wrote meanwhile", async () => {
    const { run, work, jobOf, receiptOf, storage, port } = world;
    await run(3, ["A", "B"]);
    const late = jobOf(2, ["A"]);
    const done = { ...(await run(4, ["A"])), jobKey: jobKey(late), outcome: "imported" as const };
    const meanwhile = (what: () => void): DefectDojo => ({
      ...port,
      livingTest: async (wanted) => {
        what();
        return await port.livingTest(wanted);
      },
    });
    const place = companion(late);
    await work(
      late,
      {},
      meanwhile(() => storage.put(place, JSON.stringify(done))),
    );
    expect(receiptOf(late)).toMatchObject({ outcome: "imported" });
    storage.put(place, "{}");
    const anew = meanwhile(() => storage.put(late, "[]"));
    expect(await work(late, {}, anew)).toMatchObject({ outcome: "superseded" });
    expect(storage.text(place)).toBe("{}");
  });

  it.each([
    ["with an error", true],
    ["without a response", false],
  ])("count as new what an attempt stored before DefectDojo stopped %s", async (_, answers) => {
    const { run, work, jobOf, port, importScan, resync, receiptOf, storage } = world;
    await run(1, ["A"]);
    const job = jobOf(2, ["B", "A", "C"]);
    const dying: DefectDojo["importScan"] = async (request) => {
      const answer = importScan(request, { diesAfter: 1, answers });
      if (answers) return await answer;
      throw new RelayError("import-unknown", "the web worker was killed");
    };
    const settings = { ledger: { ...aFlow().ledger, settleMs: 4_000, stalledMs: 1, pollMs: 10 } };
    await expect(work(job, settings, { ...port, importScan: dying })).rejects.toBeInstanceOf(RelayError);
    const { receipt } = await work(job, settings);
    // DefectDojo's record has C alone as new.
    expect(countsOf(receipt as Receipt)).toEqual([2, 1, 0, 0]);
    expect(receipt?.warnings).toEqual([]);
    const statuses = () =>
      (JSON.parse(storage.text(job) ?? "") as ScanFinding[]).map((one) => [one.name, one.attributes?.[RUN_STATUS]]);
    const written = statuses();
    expect(Object.fromEntries(written)).toEqual({ A: "known", B: "new", C: "new" });
    await resync(job);
    expect(statuses()).toEqual(written);
    expect(countsOf(receiptOf(job))).toEqual([2, 1, 0, 0]);
    // The next run is one of its own.
    expect(countsOf(await run(3, ["A", "B"]))).toEqual([0, 2, 1, 0]);
  });

  it("know again what people judged, though its record does not name it", async () => {
    const { run, port, tables } = world;
    await run(1, ["A", "B"]);
    const [judged] = [...tables.tests.values()].flatMap(({ findings }) => findings);
    Object.assign(judged ?? {}, { falsePositive: true, mitigated: true, active: false });
    const silent: DefectDojo = {
      ...port,
      importRecords: async (key) =>
        (await port.importRecords(key)).map((one) => ({ ...one, known: [], reactivated: [] })),
    };
    expect(await run(2, ["A"], silent)).toMatchObject({ falsePositives: 1, known: 0, findings: { count: 1 } });
  });

  it("are those that are not closed where DefectDojo keeps no history, and only the newest is synced again", async () => {
    const { run, port, jobOf, resync } = world;
    const forgetful: DefectDojo = { ...port, importRecords: async () => [], isRecorded: async () => false };
    await run(1, ["A", "B"], forgetful);
    const job = jobOf(1, ["A", "B"]);
    const receipt = await run(2, ["A", "C"], forgetful);
    expect(receipt).toMatchObject({ runFindings: "assumed", findings: { count: 2 } });
    expect(receipt.warnings).toEqual([expect.stringContaining("keeps no import history")]);
    expect(await resync(job)).toMatchObject({ outcome: "superseded" });
  });
});
