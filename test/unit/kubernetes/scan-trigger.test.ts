import { describe, expect, it, vi } from "vitest";
import { keyedWork } from "../../../cli/kubernetes/keyed-work.ts";
import { scanIndex } from "../../../cli/kubernetes/scan-index.ts";
import { scanTrigger } from "../../../cli/kubernetes/scan-trigger.ts";
import { parseNotification } from "../../../lib/ingest/notifications.ts";
import { TOLD_ANNOTATION } from "../../../lib/model/cluster-scan.ts";
import { receiptOf } from "../../../lib/model/object-keys.ts";
import { ownMetadata } from "../../../lib/model/receipt.ts";
import { parseSidecar } from "../../../lib/model/scan.ts";
import { aScanResource, type ResourceParts, UID } from "../../helpers/cluster.ts";
import { aJob, aReceipt } from "../../helpers/factories.ts";
import { memoryStorage } from "../../helpers/memory-storage.ts";
import { recorder } from "../../helpers/recorder.ts";
import { someTurns } from "../../helpers/turns.ts";

const FINDINGS = { bucket: "securecodebox", key: `scan-${UID}/findings.json` };

function world({
  bucket = "securecodebox" as string | undefined,
  ingest = async (_: unknown): Promise<unknown> => ({}),
  since = undefined as string | undefined,
} = {}) {
  const index = scanIndex();
  const storage = memoryStorage();
  const observer = recorder();
  const [ingested, told]: [unknown[], string[]] = [[], []];
  const trigger = scanTrigger({
    index,
    storage,
    findingsName: "findings.json",
    bucket,
    since,
    ingest: async (event) => {
      ingested.push(event);
      return await ingest(event);
    },
    tell: ({ name }) => void told.push(name),
    log: observer.log,
  });
  const see = async (parts?: ResourceParts) => {
    const scan = index.put(aScanResource(parts));
    if (scan !== undefined) trigger.see(scan);
    await someTurns();
  };
  return { index, storage, observer, ingested, told, trigger, see };
}

describe("a Scan as the event", () => {
  it("is a notification that ingest understands", async () => {
    const { storage, see, ingested } = world();
    storage.put(FINDINGS, "[]");
    await see();
    expect(ingested).toHaveLength(1);
    expect(parseNotification(ingested[0])).toMatchObject([{ created: { ...FINDINGS, etag: expect.any(String) } }]);
  });

  it("is one as long as nothing about its findings changes, however often it is seen", async () => {
    const { storage, see, ingested } = world();
    storage.put(FINDINGS, "[]");
    for (let i = 0; i < 3; i++) await see({ metadata: { resourceVersion: String(i) } });
    expect(ingested).toHaveLength(1);
    expect(storage.calls).toHaveLength(2);
  });

  it("costs nothing where its outcome is told, while it runs, and while hooks may write the findings anew", async () => {
    const { storage, see } = world();
    storage.put(FINDINGS, "[]");
    await see({ metadata: { annotations: { [TOLD_ANNOTATION]: UID } } });
    await see({ status: { state: "Parsing" } });
    const orderedHookStatuses = [[{ type: "ReadAndWrite", state: "Pending" }]];
    await see({ status: { state: "HookProcessing", orderedHookStatuses } });
    expect(storage.calls).toEqual([]);
  });

  it("is none where it was created before the day from which on Scans count", async () => {
    const { storage, see, ingested } = world({ since: "2026-11-20" });
    storage.put(FINDINGS, "[]");
    await see({ metadata: { uid: "a", creationTimestamp: "2026-11-19T23:59:59Z" } });
    expect(storage.calls).toEqual([]);
    await see({ metadata: { uid: "b", creationTimestamp: "2026-11-20T00:00:00Z" } });
    await see({ metadata: { uid: "c", creationTimestamp: null } });
    expect(ingested).toHaveLength(2);
  });

  it("is only told where its job was done before", async () => {
    const { storage, see, ingested, told } = world();
    const scan = parseSidecar(aScanResource(), "scan");
    const job = aJob({ ...FINDINGS, scan });
    storage.put(FINDINGS, "[]", ownMetadata(job));
    storage.put(receiptOf(FINDINGS), JSON.stringify(aReceipt(job, { scan: job.scan })));
    await see();
    expect([told, ingested]).toEqual([["nmap-1"], []]);
  });

  it("is an event again where a hook wrote the findings anew after they were imported", async () => {
    const { storage, see, ingested, told } = world();
    const job = aJob({ ...FINDINGS, scan: parseSidecar(aScanResource(), "scan") });
    storage.put(receiptOf(FINDINGS), JSON.stringify(aReceipt(job, { scan: job.scan })));
    storage.put(FINDINGS, '[{"name":"of a hook"}]');
    await see({ metadata: { annotations: { [TOLD_ANNOTATION]: `${UID}/early` } } });
    expect([told, ingested.length]).toEqual([[], 1]);
  });

  it("of another bucket, without a link, without findings or by another name is none", async () => {
    const { see, ingested, observer } = world();
    const link = (path: string) => ({ status: { findingDownloadLink: `http://minio:9000/${path}` } });
    await see({ metadata: { uid: "a" }, ...link("other/findings.json") });
    await see({ metadata: { uid: "b" }, status: { findingDownloadLink: "" } });
    await see({ metadata: { uid: "c" } });
    await see({ metadata: { uid: "d" }, ...link("securecodebox/x/findings.json-2") });
    expect(ingested).toEqual([]);
    expect(observer.messages("warn")).toEqual([
      "a finished Scan has no findingDownloadLink that leads to an object",
      "a finished Scan's findings have another name than FINDINGS_NAME",
    ]);
  });

  it("is tried again where the store or the queue fails, until the Scan is gone", async () => {
    vi.useFakeTimers();
    try {
      const { storage, index, ingested, trigger } = world({ ingest: () => Promise.reject(new Error("no queue")) });
      storage.put(FINDINGS, "[]");
      const scan = index.put(aScanResource());
      if (scan !== undefined) trigger.see(scan);
      await vi.advanceTimersByTimeAsync(10_000);
      const tries = ingested.length;
      expect(tries).toBeGreaterThan(1);
      index.remove(UID);
      await vi.advanceTimersByTimeAsync(600_000);
      expect(ingested).toHaveLength(tries);
    } finally {
      vi.useRealTimers();
    }
  });

  it("right after parsing waits until the operator has chosen the hooks", async () => {
    vi.useFakeTimers();
    try {
      const { storage, index, ingested, trigger } = world();
      storage.put(FINDINGS, "[]");
      const see = (parts: ResourceParts) => {
        const scan = index.put(aScanResource(parts));
        if (scan !== undefined) trigger.see(scan);
      };
      see({ status: { state: "ParseCompleted" } });
      see({ status: { state: "HookProcessing", orderedHookStatuses: [[{ type: "ReadAndWrite", state: "Pending" }]] } });
      await vi.advanceTimersByTimeAsync(60_000);
      expect(ingested).toEqual([]);
      see({ metadata: { uid: "no-hooks" }, status: { state: "ParseCompleted" } });
      await vi.advanceTimersByTimeAsync(60_000);
      expect(ingested).toHaveLength(1);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("work by name", () => {
  it("goes on side by side up to the limit, the same name never twice at once", async () => {
    const [begun, free]: [string[], (() => void)[]] = [[], []];
    const work = keyedWork({
      limit: 2,
      work: async (name) => {
        begun.push(name);
        await new Promise<void>((resolve) => free.push(resolve));
      },
      again: () => undefined,
    });
    for (const name of ["a", "b", "c"]) work.add(name);
    expect(begun).toEqual(["a", "b"]);
    work.add("a");
    free.shift()?.();
    await vi.waitFor(() => expect(begun).toEqual(["a", "b", "c"]), { timeout: 30_000 });
    free.shift()?.();
    await vi.waitFor(() => expect(begun).toEqual(["a", "b", "c", "a"]), { timeout: 30_000 });
    const stopped = work.stop();
    work.add("d");
    for (const end of free) end();
    await stopped;
    expect(begun).toEqual(["a", "b", "c", "a"]);
  });
});
