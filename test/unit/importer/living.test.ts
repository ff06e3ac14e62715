import { beforeEach, describe, expect, it } from "vitest";
import { checkpointStore } from "../../../lib/importer/checkpoint.ts";
import { importJob } from "../../../lib/importer/import-job.ts";
import type { Receipt } from "../../../lib/model/receipt.ts";
import type { DefectDojo } from "../../../lib/ports/defectdojo.ts";
import { testLeases } from "../../../lib/ports/test-lease.ts";
import { resyncJob } from "../../../lib/sync/resync-job.ts";
import { systemClock } from "../../../lib/util/clock.ts";
import { aFinding, aGenericScan, aJob } from "../../helpers/factories.ts";
import { memoryStorage } from "../../helpers/memory-storage.ts";
import { recorder } from "../../helpers/recorder.ts";
import { aQuickFlow } from "../../helpers/settings.ts";
import { memoryDojo } from "../../schedules/memory-dojo.ts";

const BUCKET = "securecodebox";

function begin() {
  const { port, tables } = memoryDojo(systemClock, { msPerFinding: 0 });
  const storage = memoryStorage();
  const { log, metrics } = recorder();
  const settings = aQuickFlow({ defaults: { importMode: "reimport" } });
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
  const work = async (job: ReturnType<typeof jobOf>, dojo: DefectDojo = port) => {
    const ports = { storage, dojo, clock: systemClock, log, metrics, leases, pending: checkpointStore(storage, log) };
    return await importJob(job, ports, settings, { remainingMs: () => 600_000 });
  };
  const run = async (day: number, names: readonly string[], dojo?: DefectDojo) => {
    const { receipt } = await work(jobOf(day, names), dojo);
    if (receipt === undefined) throw new Error("no receipt");
    return receipt;
  };
  const resync = (job: ReturnType<typeof jobOf>) =>
    resyncJob({ ...job, kind: "resync" }, { storage, dojo: port, clock: systemClock, log, metrics }, settings);
  return { port, tables, storage, jobOf, work, run, resync };
}

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

  it("are outdated where a later one was imported, unless forced, and give their place back", async () => {
    const { run, work, jobOf } = world;
    await run(1, ["A"]);
    await run(3, ["A", "B"]);
    const late = jobOf(2, ["A"]);
    expect(await work(late)).toMatchObject({ outcome: "outdated", why: expect.stringContaining("has a later run") });
    expect(await work({ ...late, force: true })).toMatchObject({ outcome: "synced", receipt: { closed: 1 } });
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
