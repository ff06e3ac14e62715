import { describe, expect, it } from "vitest";
import { Deferral } from "../../../lib/deferral.ts";
import { RelayError } from "../../../lib/errors.ts";
import { checkpointStore } from "../../../lib/importer/checkpoint.ts";
import { importJob } from "../../../lib/importer/import-job.ts";
import { jobKey, type ScanJob } from "../../../lib/model/job.ts";
import { checkpointOf, originalOf, receiptOf, sibling } from "../../../lib/model/object-keys.ts";
import { NOW_FEWER, ownMetadata } from "../../../lib/model/receipt.ts";
import type { Scan } from "../../../lib/model/scan.ts";
import { GENERIC } from "../../../lib/model/scan-types.ts";
import { NO_FINDINGS } from "../../../lib/model/verdicts.ts";
import type { DefectDojo, ImportRequest, Test } from "../../../lib/ports/defectdojo.ts";
import type { FlowSettings } from "../../../lib/types.ts";
import {
  aDojoFinding,
  aFinding,
  aGenericScan,
  aJob,
  aReceipt,
  aScan,
  aTest,
  FINDINGS,
} from "../../helpers/factories.ts";
import { deliveryOf } from "../../helpers/fake-clock.ts";
import { importWorld } from "../../helpers/import-world.ts";
import { aFlow } from "../../helpers/settings.ts";
import { relayErrorBy, thrownBy } from "../../helpers/thrown.ts";

const SETTINGS = aFlow();

/** One upload in a bucket, and a DefectDojo that keeps of a generic report what it is sent. */
function world(scan: Scan, uploaded: unknown, methods: Partial<DefectDojo> = {}, keeps = (count: number) => count) {
  const w = importWorld({ methods, keeps });
  const etag = w.storage.put(FINDINGS, typeof uploaded === "string" ? uploaded : JSON.stringify(uploaded));
  const job: ScanJob = aJob({ etag, scan });
  return {
    ...w,
    job,
    written: () => JSON.parse(w.storage.text(FINDINGS) ?? "null"),
    receipt: () => JSON.parse(w.storage.text(receiptOf(FINDINGS)) ?? "null"),
    run: (settings: Partial<FlowSettings> = {}, remainingMs = 900_000, current: Scan = scan) =>
      importJob(
        job,
        { ...w, pending: checkpointStore(w.storage, w.log), currentScan: async () => current },
        { ...SETTINGS, ...settings },
        deliveryOf(w.clock, remainingMs),
      ),
  };
}
/** An import whose answer does not say how many findings there are. */
const answerWithout =
  (of: () => { tests: Test[] }) =>
  async ({ buildId, scanType }: ImportRequest) => {
    of().tests.push(aTest({ buildId, scanType }));
    return { testId: 7, total: undefined, deduplicated: true };
  };
const three = ["a", "b", "c"].map((id) => aFinding({ id }));

describe("a generic import", () => {
  it("ends with the upload kept, findings with verdicts and a receipt", async () => {
    const w = world(aGenericScan(), three);
    expect(await w.run()).toMatchObject({
      outcome: "synced",
      receipt: { importedAs: GENERIC, findings: { count: 3 }, new: 3 },
    });
    expect(JSON.parse(w.storage.text(originalOf(FINDINGS)) ?? "")).toEqual(three);
    expect(w.written()).toHaveLength(3);
    expect(w.storage.objects.get("s3://securecodebox/scan-abc/findings.json")?.metadata).toEqual(ownMetadata(w.job));
    expect(w.receipt()).toMatchObject({ jobKey: jobKey(w.job), etag: w.job.etag, test: { id: 7 }, repairCount: 0 });
    const writes = w.storage.calls.filter((call) => /^(write|copy)/.test(call) && !call.includes("pending"));
    expect(writes.map((call) => call.split("/").at(-1))).toEqual(["findings.json", "findings.json", "defectdojo.json"]);
  });

  it("keeps each finding's own date", async () => {
    const w = world(aGenericScan(), three);
    await w.run();
    expect(w.sent[0]?.request).not.toHaveProperty("scanDate");
  });

  it("of which DefectDojo keeps another number is an error, and the bucket holds what it held", async () => {
    const w = world(aGenericScan(), three, {}, (count) => count - 1);
    const error = await relayErrorBy(() => w.run());
    expect(error).toMatchObject({ reason: "import-incomplete", errorClass: "permanent" });
    expect(error.message).toContain("keeps 2 of 3 findings in test 7");
    expect(w.written()).toEqual(three);
    expect(w.receipt()).toBeNull();
  });

  it("of which DefectDojo keeps another number, by a count where its answer tells none, is an error", async () => {
    const w: ReturnType<typeof world> = world(aGenericScan(), three, {
      importScan: answerWithout(() => w),
      findingCount: async () => 2,
    });
    const error = await relayErrorBy(() => w.run());
    expect(error).toMatchObject({ reason: "import-incomplete", message: expect.stringContaining("keeps 2 of 3") });
  });

  it.each([2, 4])("of which a later delivery finds %d is gone on with, and told", async (count) => {
    const w = world(aGenericScan(), three, {
      findingCount: async () => count,
      findingPages: async function* () {
        const findings = ["a", "b", "c", "d"]
          .slice(0, count)
          .map((uniqueIdFromTool, i) => aDojoFinding({ id: i + 1, uniqueIdFromTool }));
        yield { total: count, findings, originals: new Map() };
      },
    });
    w.tests.push(aTest({ buildId: jobKey(w.job), scanType: GENERIC }));
    const note = { version: 1, jobKey: jobKey(w.job), refusals: 0, postedAt: "2026-11-24T11:59:00.000Z", expected: 3 };
    w.storage.put(checkpointOf(FINDINGS), JSON.stringify(note));
    expect(await w.run()).toMatchObject({ outcome: "synced", receipt: { findings: { count: Math.max(3, count) } } });
    const told = expect.stringContaining(`DefectDojo keeps ${count} of 3 findings in test 7`);
    expect(w.receipt().warnings.filter((warning: string) => !warning.startsWith(NOW_FEWER))).toEqual([told]);
    expect(w.receipt().missing).toBe(count < 3 ? 1 : undefined);
    expect(w.messages("warn")).toContainEqual(told);
    expect(w.sent).toEqual([]);
  });

  it("is held to the number of what is not below the minimum severity", async () => {
    const findings = ["HIGH", "LOW"].map((severity) => aFinding({ severity }));
    const scan = aGenericScan({ annotations: { "minimum-severity": "High" } });
    const w = world(scan, findings, {}, () => 1);
    expect(await w.run()).toMatchObject({ outcome: "synced" });
    expect(w.sent[0]?.request.minimumSeverity).toBe("High");
  });

  it("tells in the receipt what was repaired", async () => {
    const w = world(aGenericScan(), [aFinding({ id: "x", severity: "Bogus" })]);
    await w.run();
    expect(w.receipt()).toMatchObject({
      repairCount: 1,
      repairs: ['[0] x severity: "Bogus" is not known, taken as Info'],
    });
  });

  it("merges where that is wanted, and keeps what the scan said", async () => {
    const w = world(aGenericScan(), three);
    await w.run({ syncMode: "merge" });
    expect(w.written().map(({ id, category }: ReturnType<typeof aFinding>) => [id, category])).toEqual([
      ["a", "Open Port"],
      ["b", "Open Port"],
      ["c", "Open Port"],
    ]);
    expect(w.receipt()).toMatchObject({ syncMode: "merge", findings: { categories: { "Open Port": 3 } } });
  });

  it("in read-only mode leaves the findings as they are", async () => {
    const severities = { Critical: 0, High: 1, Medium: 0, Low: 0, Info: 2 };
    const verdicts = { ...NO_FINDINGS, duplicates: 1, new: 2 };
    const w = world(aGenericScan(), three, {
      countFindings: async () => ({ total: 3, severities, verdicts, markedDuplicate: 1 }),
      findingPages: () => {
        throw new Error("no finding is to be read");
      },
    });
    expect(await w.run({ syncBack: false })).toMatchObject({ outcome: "imported" });
    expect(w.written()).toEqual(three);
    expect(w.storage.text(originalOf(FINDINGS))).toBeUndefined();
    expect(w.receipt()).toMatchObject({
      outcome: "imported",
      findings: { count: 3, severities: { high: 1, informational: 2 } },
      ...{ new: 2, duplicates: 1 },
    });
    expect(await w.run({ syncBack: false })).toMatchObject({ outcome: "done-before" });
  });
});

describe("a native import", () => {
  const raw = (w: ReturnType<typeof world>, content: string) =>
    w.storage.put(sibling(FINDINGS, "nmap-results.xml"), content);

  it("sends the raw result as it is", async () => {
    const w = world(aScan(), three);
    raw(w, "<nmap/>");
    expect(await w.run()).toMatchObject({ receipt: { scanType: "Nmap Scan", importedAs: "Nmap Scan" } });
    expect(w.sent).toMatchObject([
      {
        report: "<nmap/>",
        request: { scanType: "Nmap Scan", scanDate: "2026-11-20", file: { name: "nmap-results.xml" } },
      },
    ]);
  });

  it("leaves today to DefectDojo, which may be a day behind, where the scan's clock is ahead of ours", async () => {
    const w = world(aScan({ finishedAt: "2026-12-24T00:00:00Z" }), three);
    raw(w, "<nmap/>");
    await w.run();
    expect(w.sent[0]?.request.scanDate).toBeUndefined();
  });

  it("falls back to the findings where this server lacks the parser, and says so", async () => {
    const w = world(aScan(), three, { hasTestType: async () => false });
    expect(await w.run()).toMatchObject({
      receipt: { scanType: "Nmap Scan", importedAs: GENERIC, fellBack: 'this DefectDojo has no parser "Nmap Scan"' },
    });
    expect(w.counts.get("JobsFellBack")).toBe(1);
    expect(w.messages("warn")).toHaveLength(1);
  });

  it.each([
    [GENERIC, "generic findings import"],
    ["SARIF", "sarif"],
  ])("goes as %s where the Scan says so, in any case", async (testType, annotated) => {
    const w = world(aScan({ annotations: { "import-as": annotated } }), three, { testType: async () => testType });
    raw(w, "<nmap/>");
    expect(await w.run()).toMatchObject({ receipt: { scanType: testType, importedAs: testType } });
    expect(w.sent.map(({ request }) => request.scanType)).toEqual([testType]);
    expect(w.receipt().fellBack).toBeUndefined();
  });

  it("is refused before anything is made where the Scan asks for a type that is not there, or that needs a raw result", async () => {
    const refuse = async () => {
      throw new RelayError("sidecar-invalid", "no such type");
    };
    const { rawResultFile: _, ...scan } = aScan({ annotations: { "import-as": "Nikto Scan" } });
    const w = world(aScan({ annotations: { "import-as": "Nope" } }), three, { testType: refuse, product: refuse });
    expect((await relayErrorBy(() => w.run())).message).toBe("no such type");
    const other = world(scan, three, { testType: async (name) => name });
    expect((await relayErrorBy(() => other.run())).message).toContain("the scan names none (status.rawResultFile)");
    expect([...w.sent, ...other.sent]).toEqual([]);
  });

  it.each(["", "{}", "[]\n", "null"])("of %j without findings is a clean import of nothing", async (content) => {
    const w = world(aScan(), []);
    raw(w, content);
    expect(await w.run()).toMatchObject({
      outcome: "synced",
      receipt: { importedAs: "Nmap Scan", findings: { count: 0 }, deduplication: "confirmed", warnings: [] },
    });
    expect(w.written()).toEqual([]);
    expect(w.sent.map(({ report }) => report)).toEqual(['<nmaprun start="0"/>']);
    expect(w.sent[0]?.request.file.name).toBe("no-findings.xml");
  });

  it.each([
    ["true", 1],
    ["false", 0],
  ])("that falls back closes nothing, which is told where it was to close (%s)", async (closing, warnings) => {
    const w = world(aScan({ annotations: { "close-old-findings": closing } }), three, {
      hasTestType: async () => false,
    });
    await w.run();
    expect(w.receipt().warnings).toHaveLength(warnings);
    const told = w
      .messages("warn")
      .filter((message) => /close-old-findings closed nothing of earlier "Nmap Scan"/.test(message));
    expect(told).toHaveLength(warnings);
  });

  it("is confirmed where the token's user blocks execution, and where all are duplicates", async () => {
    const answer = { testId: 7, total: 3, deduplicated: undefined };
    for (const methods of [{ blocksExecution: async () => true }, { findingCount: async () => 3 }]) {
      const w: ReturnType<typeof world> = world(aGenericScan(), three, {
        importScan: async ({ buildId, scanType }) => {
          w.tests.push(aTest({ buildId, scanType }));
          return answer;
        },
        ...methods,
      });
      await w.run();
      expect(w.receipt()).toMatchObject({ deduplication: "confirmed" });
    }
  });

  it.each<[string, unknown, string | undefined, string, string]>([
    ["a raw result that is missing", three, undefined, "raw-result-missing", "nmap-results.xml"],
    ["findings that are no array", "{}", "<nmap/>", "findings-invalid", "findings.json"],
    ["a finding without a name", [{}], "<nmap/>", "findings-invalid", "findings.json"],
  ])("with %s sends nothing, and the bucket holds what it held", async (_, uploaded, content, reason, named) => {
    const w = world(aScan(), uploaded);
    if (content !== undefined) raw(w, content);
    const before = w.storage.text(FINDINGS);
    const error = await relayErrorBy(() => w.run());
    expect(error).toMatchObject({ reason, object: `s3://securecodebox/scan-abc/${named}` });
    expect(w.sent).toEqual([]);
    expect(w.storage.text(FINDINGS)).toBe(before);
    expect([...w.storage.objects.keys()].filter((name) => /defectdojo|original/.test(name))).toEqual([]);
  });
});

describe("what was done before", () => {
  it("is found in DefectDojo: a complete test is not imported again", async () => {
    const w = world(aGenericScan(), []);
    w.tests.push(aTest({ buildId: jobKey(w.job), scanType: GENERIC }));
    expect(await w.run()).toMatchObject({ outcome: "synced", receipt: { test: { id: 7 } } });
    expect(w.sent).toEqual([]);
  });

  it("is found in the bucket: our own write-back without its receipt gets one", async () => {
    const w = world(aGenericScan(), three);
    await w.run();
    w.storage.objects.delete("s3://securecodebox/scan-abc/defectdojo.json");
    expect(await w.run()).toMatchObject({ outcome: "synced" });
    expect(w.sent).toHaveLength(1);
    expect(w.receipt()).toMatchObject({ jobKey: jobKey(w.job) });
    expect(JSON.parse(w.storage.text(originalOf(FINDINGS)) ?? "")).toEqual(three);
  });

  it("is done", async () => {
    const w = world(aGenericScan(), three);
    await w.run();
    expect(await w.run()).toMatchObject({ outcome: "done-before" });
    expect(w.sent).toHaveLength(1);
  });
});

describe("another writer", () => {
  it.each([
    ["before", "read"],
    ["while it is imported", "copy"],
    ["just before the write-back", "write"],
  ] as const)("%s owns the findings, and keeps them", async (_, call) => {
    const w = world(aGenericScan(), three);
    w.storage.before = (done, ref) => {
      if (done === call && ref.key === FINDINGS.key) {
        w.storage.before = () => undefined;
        w.storage.put(FINDINGS, '[{"name":"theirs"}]');
      }
    };
    expect(await w.run()).toMatchObject({ outcome: "superseded" });
    expect(w.written()).toEqual([{ name: "theirs" }]);
    expect(w.receipt()).toBeNull();
  });

  it("that deletes the findings ends the job", async () => {
    const w = world(aGenericScan(), three);
    w.storage.before = (done) => {
      if (done === "copy") w.storage.objects.delete("s3://securecodebox/scan-abc/findings.json");
    };
    expect(await w.run()).toMatchObject({ outcome: "superseded" });
    expect(w.storage.text(FINDINGS)).toBeUndefined();
  });
});

describe("deduplication", () => {
  const saying = (deduplicated: boolean | undefined) => {
    const w: ReturnType<typeof world> = world(aGenericScan(), three, {
      importScan: async ({ buildId, scanType }) => {
        w.tests.push(aTest({ buildId, scanType }));
        return { testId: 7, total: 3, deduplicated };
      },
      findingCount: async (_, duplicatesOnly) => (duplicatesOnly === true ? 1 : 3),
      findingPages: async function* () {
        yield { total: 3, findings: [1, 2, 3].map((id) => aDojoFinding({ id })), originals: new Map() };
      },
    });
    return w;
  };
  const took = async (w: ReturnType<typeof world>) => {
    const start = w.clock.now();
    await w.run();
    return w.clock.now() - start;
  };

  it.each([
    [true, 0, "confirmed"],
    [false, 30_000, "assumed"],
    [undefined, 6_000, "assumed"],
  ] as const)("that the answer calls %s done is waited for %d ms, and %s", async (deduplicated, ms, told) => {
    const w = saying(deduplicated);
    expect(await took(w)).toBe(ms);
    expect(w.receipt()).toMatchObject({ deduplication: told });
  });

  it("of an import whose answer was lost is waited for longer", async () => {
    const w = saying(true);
    w.tests.push(aTest({ buildId: jobKey(w.job), scanType: GENERIC }));
    expect(await took(w)).toBe(30_000);
    expect(w.receipt()).toMatchObject({ deduplication: "assumed" });
  });

  it("that was waited for before the write-back is not waited for as long again", async () => {
    const w = saying(true);
    await w.run();
    w.storage.objects.delete("s3://securecodebox/scan-abc/defectdojo.json");
    expect(await took(w)).toBe(6_000);
  });
});

describe("the test in DefectDojo", () => {
  it("gets its title and description once the import is done", async () => {
    const w = world(aGenericScan({ annotations: { "test-title": "Names" } }), three);
    await w.run();
    expect(w.changes.map(({ change }) => change)).toEqual([
      expect.objectContaining({ title: "Names", description: expect.stringContaining("ScanType: subfinder") }),
    ]);
  });

  it("is imported with what the annotations say", async () => {
    const annotations = {
      "engagement-version": "v1",
      "close-old-findings": "true",
      service: "checkout",
      environment: "Production",
      "branch-tag": "main",
      "commit-hash": "af3",
      "test-tags": "x, y",
      "group-by": "finding_title",
      active: "false",
      verified: "true",
    };
    const w = world(aGenericScan({ annotations }), three);
    await w.run();
    expect(w.sent[0]?.request).toMatchObject({
      engagementId: 5,
      leadId: 2,
      buildId: jobKey(w.job),
      version: "v1",
      closeOldFindings: true,
      service: "checkout",
      environment: "Production",
      branchTag: "main",
      commitHash: "af3",
      tags: ["x", "y"],
      groupBy: "finding_title",
      active: false,
      verified: true,
    });
  });
});

describe("a delivery", () => {
  it("that has no time to send the report hands it back, and the next one sends it", async () => {
    const w = world(aGenericScan(), three);
    expect(await thrownBy(() => w.run({}, 10_500))).toBeInstanceOf(Deferral);
    expect(w.sent).toEqual([]);
    expect(await w.run()).toMatchObject({ outcome: "synced" });
  });

  it("waits for the import no longer than it lasts", async () => {
    const w = world(aGenericScan(), three);
    await w.run({}, 60_000);
    expect(w.sent[0]?.request.timeoutMs).toBe(50_000);
  });

  it("finds ids afresh where something was deleted in DefectDojo meanwhile", async () => {
    let [engagements, forgot] = [4, 0];
    const w = world(aGenericScan(), three, {
      engagement: async ({ name }) => ({ id: ++engagements, name, productId: 12 }),
      forget: () => void forgot++,
      importScan: async ({ engagementId, buildId, scanType }) => {
        if (engagementId === 5)
          throw new RelayError("dojo-rejected", 'POST: HTTP 400: Engagement "5" does not exist', {
            object: "POST",
            status: 400,
          });
        w.tests.push(aTest({ buildId, scanType }));
        return { testId: 7, total: 3, deduplicated: true };
      },
      findingPages: async function* () {
        yield { total: 3, findings: [1, 2, 3].map((id) => aDojoFinding({ id })), originals: new Map() };
      },
    });
    expect(await w.run()).toMatchObject({ outcome: "synced", receipt: { engagement: { id: 6 } } });
    expect(forgot).toBe(1);
  });
});

describe("another run with the same findings", () => {
  const first = aGenericScan({ uid: "run-1" });

  it("has a test of its own, and leaves the first run's as it is", async () => {
    const w = world(aGenericScan({ uid: "run-3" }), three);
    const test = aTest({ id: 1, buildId: jobKey({ ...w.job, scan: first }), scanType: GENERIC });
    w.tests.push(
      test,
      aTest({ id: 2, buildId: jobKey({ ...w.job, keyedBy: "upload" }), createdAt: "2026-11-01T00:00:00Z" }),
    );
    expect(await w.run()).toMatchObject({ outcome: "synced", receipt: { test: { id: 7 } } });
    expect(w.sent).toHaveLength(1);
    expect(w.tests[0]).toBe(test);
    expect(w.changes.map(({ id }) => id)).toEqual([7]);
  });

  it("is imported from the kept upload where the first run's write-back took its place", async () => {
    const w = world(aGenericScan({ uid: "run-3" }), three);
    w.storage.put(originalOf(FINDINGS), JSON.stringify(three), ownMetadata({ ...w.job, scan: first }));
    w.storage.put(FINDINGS, "[]", ownMetadata({ ...w.job, scan: first }));
    expect(await w.run()).toMatchObject({ outcome: "synced", receipt: { findings: { count: 3 } } });
    expect(JSON.parse(w.sent[0]?.report ?? "").findings).toHaveLength(3);
    expect(w.storage.objects.get("s3://securecodebox/scan-abc/findings.json")?.metadata).toEqual(ownMetadata(w.job));
    expect(JSON.parse(w.storage.text(originalOf(FINDINGS)) ?? "")).toEqual(three);
  });

  it("is superseded where the Scan beside the findings is a later one's", async () => {
    const w = world(first, three);
    w.storage.put(FINDINGS, "[]", ownMetadata({ ...w.job, scan: aGenericScan({ uid: "run-3" }) }));
    expect(await w.run({}, 900_000, aGenericScan({ uid: "run-3" }))).toMatchObject({ outcome: "superseded" });
    expect(w.sent).toEqual([]);
  });

  it("a job that an earlier version finished is done, under its key", async () => {
    const w = world(first, three);
    const earlier = { ...w.job, keyedBy: "upload" as const };
    w.storage.put(FINDINGS, "[]", ownMetadata(earlier));
    w.storage.put(receiptOf(FINDINGS), JSON.stringify(aReceipt(earlier)));
    expect(await w.run()).toMatchObject({ outcome: "done-before" });
  });
});
