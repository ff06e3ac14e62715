import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type History, type HistoryStatus, startHistory } from "../../../cli/runtime/history/history.ts";
import { lookAtBucket } from "../../../cli/runtime/history/look-at-bucket.ts";
import { openScanIndex, type ScanIndex, temporaryIndex } from "../../../cli/runtime/history/scan-index.ts";
import { isoOr, seenReceipt } from "../../../cli/runtime/seen-scan.ts";
import { receiptOf } from "../../../lib/model/object-keys.ts";
import type { Receipt } from "../../../lib/model/receipt.ts";
import { aJob, aReceipt, aScan } from "../../helpers/factories.ts";
import { type MemoryStorage, memoryStorage } from "../../helpers/memory-storage.ts";
import { recorder } from "../../helpers/recorder.ts";

const BUCKET = "securecodebox";
const day = (number: number) => `2026-11-${String(number).padStart(2, "0")}T10:00:00.000Z`;
const goesOn = new AbortController().signal;

let storage: MemoryStorage;
let index: ScanIndex;
beforeEach(() => {
  storage = memoryStorage();
  index = temporaryIndex();
});
afterEach(() => index.close());

const keyOf = (name: string) => `${name}/findings.json`;

/** Puts the receipt of a scan into the bucket. */
function putReceipt(name: string, changes: Partial<Receipt> = {}) {
  const job = aJob({ key: keyOf(name), scan: aScan({ name }) });
  const receipt = aReceipt(job, { finishedAt: day(1), ...changes });
  storage.put(receiptOf(job), JSON.stringify(receipt));
  return { job, receipt };
}

const look = () => lookAtBucket({ storage, index, log: recorder().log }, BUCKET, goesOn);
const names = () => index.page({}, 100).scans.map(({ scan }) => scan);

describe("the index of receipts", () => {
  it("lists the bucket's finished scans, newest first", async () => {
    putReceipt("a", { finishedAt: day(2) });
    putReceipt("b", { finishedAt: day(3) });
    putReceipt("c", { finishedAt: day(1) });
    storage.put({ bucket: BUCKET, key: "c/findings.json" }, "[]");
    storage.put({ bucket: BUCKET, key: "d/defectdojo.pending.json" }, "{}");
    await look();
    expect(names()).toEqual(["b", "a", "c"]);
    expect(index.count()).toBe(3);
  });

  it("rereads a receipt only when it changed", async () => {
    putReceipt("a");
    putReceipt("b");
    await look();
    putReceipt("b", { new: 99 });
    storage.calls.length = 0;
    await look();
    expect(storage.calls.filter((call) => call.startsWith("read"))).toEqual([`read s3://${BUCKET}/b/defectdojo.json`]);
    expect(index.page({ text: "b" }, 1).scans[0]?.counts?.new).toBe(99);
  });

  it("forgets what is no longer in the bucket", async () => {
    const { job } = putReceipt("a");
    putReceipt("b");
    await look();
    await storage.remove(receiptOf(job));
    await look();
    expect(names()).toEqual(["b"]);
  });

  it("an interrupted scan of the bucket forgets nothing", async () => {
    putReceipt("a");
    await look();
    storage.before = (call) => {
      if (call === "list") throw new Error("the bucket is away");
    };
    await expect(look()).rejects.toThrow("the bucket is away");
    expect(names()).toEqual(["a"]);
  });

  it("silently skips receipts that are unreadable or copied from elsewhere", async () => {
    const { receipt } = putReceipt("a");
    storage.put({ bucket: BUCKET, key: "copied/defectdojo.json" }, JSON.stringify(receipt));
    storage.put({ bucket: BUCKET, key: "broken/defectdojo.json" }, "{");
    const observer = recorder();
    await lookAtBucket({ storage, index, log: observer.log }, BUCKET, goesOn);
    expect(names()).toEqual(["a"]);
    expect(observer.messages("warn")).toEqual([]);
  });

  it("pages without gaps or repetitions, even when times are equal", async () => {
    for (let n = 0; n < 25; n++) putReceipt(`scan-${n}`, { finishedAt: day(1 + (n % 3)) });
    await look();
    const seen: string[] = [];
    for (let next: ReturnType<ScanIndex["page"]>["next"] | "first" = "first"; next !== undefined; ) {
      const page = index.page(next === "first" ? {} : { before: next }, 10);
      seen.push(...page.scans.map(({ scan }) => scan));
      next = page.next;
    }
    expect(seen).toHaveLength(25);
    expect(new Set(seen).size).toBe(25);
  });

  it.each([
    [{ product: "Shop" }, ["shop"]],
    [{ product: "shop" }, []],
    [{ type: "nmap" }, ["other", "shop"]],
    [{ text: "SHO" }, ["shop"]],
    [{ text: "%" }, []],
    [{ text: "other/findings" }, ["other"]],
    [{ from: day(2) }, ["other"]],
    [{ to: day(2) }, ["shop"]],
    [{ from: day(1), to: day(2), product: "Shop" }, ["shop"]],
    [{ product: "' OR 1=1 --" }, []],
  ])("%j selects %j", async (wanted, expected) => {
    putReceipt("shop", { product: { id: 1, name: "Shop", url: "" }, finishedAt: day(1) });
    putReceipt("other", { finishedAt: day(2) });
    await look();
    expect(index.page(wanted, 10).scans.map(({ scan }) => scan)).toEqual(expected);
  });

  it("offers the existing products and scan types", async () => {
    putReceipt("a", { product: { id: 1, name: "shop", url: "" } });
    putReceipt("b", { product: { id: 2, name: "Blog", url: "" } });
    await look();
    expect(index.choices()).toEqual({ products: ["Blog", "shop"], types: ["nmap"] });
  });

  it("truncates names that uploaders chose", () => {
    const job = aJob();
    const scan = { name: "n".repeat(10_000), namespace: "", scanType: "nmap" };
    expect(seenReceipt(job, aReceipt(job, { scan })).scan).toHaveLength(500);
  });

  it.each(["", "soon", "+275760-09-13T00:00:00.000Z", "-000001-01-01T00:00:00Z"])("%j is no time", (text) => {
    expect(isoOr(text, new Date(0))).toBe("1970-01-01T00:00:00.000Z");
  });
});

describe("the points of a product's plot", () => {
  const put = (key: string, imported: string, counts: Partial<Receipt> = {}) => {
    const job = aJob({ key });
    const receipt = aReceipt(job, { product: { id: 1, name: "Shop", url: "" }, ...counts });
    index.put({ key, etag: "e", jobKey: receipt.jobKey, imported, seen: seenReceipt(job, receipt) });
  };

  it("add up the scans of a day", () => {
    for (const number of [1, 2, 3]) put(`early-${number}`, day(number), { new: number, duplicates: 1 });
    put("late", day(3), { new: 10, falsePositives: 2, mitigated: 4 });
    expect(index.moments("Shop").map(({ at, new: fresh }) => [at, fresh])).toEqual([
      ["2026-11-01", 1],
      ["2026-11-02", 2],
      ["2026-11-03", 13],
    ]);
    expect(index.moments("Shop").at(-1)).toMatchObject({ scans: 2, falsePositive: 2, closed: 4 });
    expect(index.moments("Other")).toEqual([]);
  });

  it("are hourly for two days, and monthly over many years", () => {
    put("a", "2026-11-28T01:10:00.000Z");
    put("b", "2026-11-28T01:50:00.000Z");
    expect(index.moments("Shop").map(({ at, scans }) => [at, scans])).toEqual([["2026-11-28T01", 2]]);
    for (let days = 0; days < 401; days++) put(`x${days}`, new Date(Date.UTC(2024, 0, 1 + days)).toISOString());
    const months = index.moments("Shop");
    expect(months[0]?.at).toBe("2024-01");
    expect(months.length).toBeLessThan(20);
  });

  it("keep their place after a resync", async () => {
    const { receipt } = putReceipt("a", { finishedAt: day(1) });
    await look();
    putReceipt("a", { finishedAt: day(20), falsePositives: 1 });
    await look();
    expect(index.importedAt(keyOf("a"), receipt.jobKey)).toBe(day(1));
    expect(index.page({}, 1).scans[0]?.at).toBe(day(20));
  });
});

describe("the history of a running service", () => {
  let history: History;
  const started = (options: { pauseMs?: number } = {}) => {
    const observer = recorder();
    history = startHistory({ storage, bucket: BUCKET, index: temporaryIndex(), log: observer.log, ...options });
    return observer;
  };
  const told = () =>
    new Promise<HistoryStatus>((resolve) => {
      const stop = history.watch((status) => {
        stop();
        resolve(status);
      });
    });
  afterEach(() => history.stop());

  it("logs what its first listing found", async () => {
    putReceipt("a");
    started();
    expect(history.status()).toEqual({ scans: 0 });
    expect(await told()).toMatchObject({ scans: 1, lookedAt: expect.any(String) });
  });

  it("logs once that the bucket is unreachable, and once that it is back", async () => {
    let away = true;
    storage.before = () => {
      if (away) throw new Error("connection refused");
    };
    const observer = started({ pauseMs: 1 });
    expect(await told()).toMatchObject({ trouble: "connection refused" });
    await told();
    away = false;
    expect(await told()).not.toHaveProperty("trouble");
    expect(observer.messages("warn")).toEqual(["the bucket's receipts cannot be read for the page"]);
  });

  it("shows a finished job at once; a resync does not change its import time", async () => {
    started();
    await told();
    const { job, receipt } = putReceipt("a");
    history.see({ state: "running", job });
    history.see({ state: "done", job, outcome: { outcome: "synced", receipt } });
    const after = { ...receipt, finishedAt: day(9), falsePositives: 1 };
    history.see({ state: "done", job: { ...job, kind: "resync" }, outcome: { outcome: "synced", receipt: after } });
    history.see({ state: "done", job: { ...job, bucket: "other" }, outcome: { outcome: "synced", receipt } });
    const { scans } = history.page({}, 10);
    expect(scans).toMatchObject([{ scan: "a", at: day(9), counts: { falsePositives: 1 } }]);
    expect(history.importedAt(job.key, receipt.jobKey)).toBe(day(1));
  });

  it("a full disk does not fail a job", async () => {
    const observer = recorder();
    const full: ScanIndex = {
      ...temporaryIndex(),
      put: () => {
        throw new Error("database or disk is full");
      },
    };
    history = startHistory({ storage, bucket: BUCKET, index: full, log: observer.log });
    const { job, receipt } = putReceipt("a");
    history.see({ state: "done", job, outcome: { outcome: "synced", receipt } });
    expect(observer.messages("warn")).toContain("a finished scan cannot be stored for the page");
  });
});

describe("the history's file", () => {
  let dataDir: string;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-history-"));
  });
  afterEach(() => rm(dataDir, { recursive: true }));

  const put = (to: ScanIndex) => {
    const job = aJob();
    const receipt = aReceipt(job);
    to.put({ key: job.key, etag: "e", jobKey: receipt.jobKey, imported: day(1), seen: seenReceipt(job, receipt) });
  };

  it("survives a restart, and is separate for each bucket", async () => {
    const { log } = recorder();
    const first = await openScanIndex(dataDir, "a", log);
    put(first);
    first.close();
    const again = await openScanIndex(dataDir, "a", log);
    const other = await openScanIndex(dataDir, "b", log);
    expect([again.count(), other.count()]).toEqual([1, 0]);
    again.close();
    other.close();
    expect((await readdir(dataDir)).filter((name) => name.endsWith(".db"))).toHaveLength(2);
  });

  it.each([
    ["another process holds it", () => hold()],
    ["a folder has its name", () => makeFolder()],
  ])("where %s, a temporary one takes its place, with a warning", async (_, prepare) => {
    await prepare();
    const observer = recorder();
    const temporary = await openScanIndex(dataDir, "a", observer.log);
    put(temporary);
    expect(temporary.count()).toBe(1);
    expect(observer.messages("warn")).toHaveLength(1);
    temporary.close();
    held?.close();
    held = undefined;
  });

  it.each([
    ["of another format", async (path: string) => rename(path, path.replace(/\.v\d+\./, ".v0."))],
    ["damaged", (path: string) => writeFile(path, "no database".repeat(1_000))],
  ])("what is %s is thrown away", async (_, spoil) => {
    const { log, messages } = recorder();
    const first = await openScanIndex(dataDir, "a", log);
    put(first);
    first.close();
    await spoil(await file());
    const anew = await openScanIndex(dataDir, "a", log);
    expect(anew.count()).toBe(0);
    anew.close();
    expect(messages("warn")).toEqual([]);
    expect((await readdir(dataDir)).filter((name) => name.endsWith(".db"))).toHaveLength(1);
  });

  let held: ScanIndex | undefined;
  const hold = async () => {
    held = await openScanIndex(dataDir, "a", recorder().log);
  };
  const file = async () => {
    const { log } = recorder();
    (await openScanIndex(dataDir, "a", log)).close();
    return join(dataDir, (await readdir(dataDir)).find((name) => name.endsWith(".db")) ?? "");
  };
  const makeFolder = async () => {
    const path = await file();
    await rm(path);
    await mkdir(path);
  };
});
