import { describe, expect, it } from "vitest";
import type { Checkpoint } from "../../../lib/importer/checkpoint.ts";
import { withOwnKey } from "../../../lib/importer/own-key.ts";
import { jobKey, type ScanJob } from "../../../lib/model/job.ts";
import { ownMetadata, type Receipt } from "../../../lib/model/receipt.ts";
import type { Scan } from "../../../lib/model/scan.ts";
import type { Test } from "../../../lib/ports/defectdojo.ts";
import { aJob, aReceipt, aScan, aTest, ETAG } from "../../helpers/factories.ts";

/** The scan was created at 10:00 of the 20th. */
const JOB = aJob();
const EARLIER: ScanJob = { ...JOB, keyedBy: "upload" };
const [BEFORE, AFTER] = ["2026-11-20T09:00:00Z", "2026-11-20T10:06:00Z"];

interface Found {
  readonly written?: ScanJob;
  readonly receipt?: Receipt;
  readonly checkpoint?: Checkpoint;
  readonly tests?: readonly Test[];
  /** When the findings were uploaded. */
  readonly uploaded?: string;
}

const LATER = "2026-11-20T10:20:00Z";

async function keyedBy({ written, receipt, checkpoint, tests = [], uploaded = AFTER }: Found, job = JOB) {
  const metadata = written === undefined ? {} : ownMetadata(written);
  const asked: string[] = [];
  const kept = await withOwnKey(job, {
    head: { etag: ETAG, size: 2, lastModified: new Date(uploaded), metadata },
    receipt,
    now: Date.parse(LATER),
    checkpoint: async () => checkpoint,
    dojo: {
      testsByBuildId: async (buildId) => {
        asked.push(buildId);
        return tests.filter((test) => test.buildId === buildId);
      },
    },
  });
  return { keyedBy: kept.keyedBy ?? "run", asked: asked.length };
}

const note = (job: ScanJob, postedAt?: string): Checkpoint => ({
  ...{ version: 1, jobKey: jobKey(job), refusals: 0 },
  ...(postedAt === undefined ? {} : { postedAt }),
});
const receiptOf = (uid: string | undefined, startedAt = AFTER) => {
  const { scan, ...rest } = aReceipt(EARLIER, { startedAt });
  return { ...rest, scan: uid === undefined ? scan : { ...scan, uid } };
};
const testAt = (createdAt: string) => aTest({ buildId: jobKey(EARLIER), createdAt });

describe("a job that an earlier version began keeps the key that it was begun with", () => {
  it.each<[string, Found]>([
    ["its write-back", { written: EARLIER }],
    ["its receipt, by the scan's uid", { receipt: receiptOf(JOB.scan.uid, BEFORE) }],
    ["a receipt without a uid, by the time", { receipt: receiptOf(undefined) }],
    ["its checkpoint", { checkpoint: note(EARLIER, AFTER) }],
    ["its test in DefectDojo", { tests: [testAt(AFTER)] }],
  ])("by %s", async (_, found) => {
    expect(await keyedBy(found)).toMatchObject({ keyedBy: "upload" });
  });
});

describe("what is another run's, with the same findings, is left alone", () => {
  it.each<[string, Found]>([
    ["nothing at all", {}],
    ["the receipt of another uid", { receipt: receiptOf("another"), written: EARLIER, tests: [testAt(AFTER)] }],
    ["a receipt from before the scan", { receipt: receiptOf(undefined, BEFORE) }],
    ["a checkpoint from before the scan", { checkpoint: note(EARLIER, BEFORE) }],
    ["a checkpoint without an import", { checkpoint: note(EARLIER) }],
    ["a test from before the scan", { tests: [testAt(BEFORE)] }],
  ])("%s", async (_, found) => {
    expect(await keyedBy(found)).toMatchObject({ keyedBy: "run" });
  });

  it("a test of which nobody can tell whether it is older than the scan", async () => {
    const { createdAt: _, finishedAt: __, ...timeless } = aScan();
    const job = aJob({ scan: timeless satisfies Scan });
    expect(await keyedBy({ tests: [testAt(AFTER)] }, job)).toMatchObject({ keyedBy: "run" });
  });
});

describe("what this version has begun", () => {
  it.each<[string, Found]>([
    ["write-back", { written: JOB }],
    ["receipt", { receipt: aReceipt(JOB) }],
    ["checkpoint", { checkpoint: note(JOB) }],
  ])("is known by its %s, without a question to DefectDojo", async (_, found) => {
    expect(await keyedBy({ ...found, tests: [testAt(AFTER)] })).toEqual({ keyedBy: "run", asked: 0 });
  });

  it("and DefectDojo need not be asked of an upload that is fresh", async () => {
    expect(await keyedBy({ uploaded: LATER, tests: [testAt(AFTER)] })).toEqual({ keyedBy: "run", asked: 0 });
  });

  it("a scan that says nothing of its run has one key", async () => {
    const { uid: _, createdAt: __, finishedAt: ___, ...unknown } = aScan();
    expect(await keyedBy({ tests: [testAt(AFTER)] }, aJob({ scan: unknown }))).toEqual({ keyedBy: "run", asked: 0 });
  });
});
