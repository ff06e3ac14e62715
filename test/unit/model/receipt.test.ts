import { describe, expect, it } from "vitest";
import { RelayError } from "../../../lib/errors.ts";
import { jobKey } from "../../../lib/model/job.ts";
import { receiptOf } from "../../../lib/model/object-keys.ts";
import { isReceiptOf, ownMetadata, uploadedEtag, writtenBackBy } from "../../../lib/model/receipt.ts";
import { readReceipt, writeReceipt } from "../../../lib/ports/receipt-store.ts";
import { aJob, aReceipt, FINDINGS } from "../../helpers/factories.ts";
import { memoryStorage } from "../../helpers/memory-storage.ts";
import { recorder } from "../../helpers/recorder.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

const AT = receiptOf(FINDINGS);
const { log } = recorder();
const stored = (storage: ReturnType<typeof memoryStorage>) => JSON.parse(storage.text(AT) ?? "null");

describe("readReceipt", () => {
  it("returns what was written, with its ETag", async () => {
    const storage = memoryStorage();
    expect(await writeReceipt({ storage, log }, FINDINGS, aReceipt())).toBe(true);
    expect(await readReceipt(storage, FINDINGS, log)).toEqual({
      receipt: aReceipt(),
      etag: storage.objects.get("s3://securecodebox/scan-abc/defectdojo.json")?.etag,
    });
  });

  it("reads an earlier version's receipt, which says nothing about deduplication", async () => {
    const storage = memoryStorage();
    const { deduplication, ...old } = aReceipt();
    expect(deduplication).toBe("confirmed");
    storage.put(AT, JSON.stringify(old));
    expect((await readReceipt(storage, FINDINGS, log))?.receipt).toEqual(old);
  });

  it("returns nothing when there is no receipt", async () => {
    expect(await readReceipt(memoryStorage(), FINDINGS, log)).toBeUndefined();
  });

  it.each([
    ["no JSON", "{"],
    ["empty", ""],
    ["another version", JSON.stringify({ ...aReceipt(), version: 2 })],
    ["incomplete", JSON.stringify({ version: 1, jobKey: "x" })],
    ["larger than any receipt", JSON.stringify({ ...aReceipt(), warnings: ["x".repeat(5 * 1024 * 1024)] })],
  ])("takes one that is %s for none, and says so", async (_, content) => {
    const storage = memoryStorage();
    storage.put(AT, content);
    const { log, messages } = recorder();
    expect(await readReceipt(storage, FINDINGS, log)).toBeUndefined();
    expect(messages("warn")).toEqual(["the receipt is unreadable and is created again"]);
  });

  it("does not mistake a failing store for a missing receipt", async () => {
    const storage = memoryStorage();
    storage.before = () => {
      throw new RelayError("storage-unavailable", "down", { object: "s3://x" });
    };
    expect(await relayErrorBy(() => readReceipt(storage, FINDINGS, log))).toMatchObject({
      reason: "storage-unavailable",
    });
  });
});

describe("writeReceipt", () => {
  it("replaces an earlier upload's receipt", async () => {
    const storage = memoryStorage();
    const [earlier, later] = [aJob({ etag: "1", sequencer: "0A" }), aJob({ etag: "2", sequencer: "0B" })];
    expect(await writeReceipt({ storage, log }, FINDINGS, aReceipt(earlier))).toBe(true);
    expect(await writeReceipt({ storage, log }, FINDINGS, aReceipt(later))).toBe(true);
    expect(stored(storage).jobKey).toBe(jobKey(later));
  });

  it("leaves a later upload's receipt in place", async () => {
    const storage = memoryStorage();
    const [earlier, later] = [aJob({ etag: "1", sequencer: "0A" }), aJob({ etag: "2", sequencer: "0B" })];
    await writeReceipt({ storage, log }, FINDINGS, aReceipt(later));
    expect(await writeReceipt({ storage, log }, FINDINGS, aReceipt(earlier))).toBe(false);
    expect(stored(storage).jobKey).toBe(jobKey(later));
  });

  it("replaces the same job's receipt, whatever its sequencer (a resync)", async () => {
    const storage = memoryStorage();
    await writeReceipt({ storage, log }, FINDINGS, aReceipt(aJob({ sequencer: "0B" })));
    expect(await writeReceipt({ storage, log }, FINDINGS, aReceipt(aJob({ sequencer: "0A" }), { new: 0 }))).toBe(true);
    expect(stored(storage).new).toBe(0);
  });

  it("replaces another job's receipt when sequencers cannot tell the order", async () => {
    const storage = memoryStorage();
    await writeReceipt({ storage, log }, FINDINGS, aReceipt(aJob({ etag: "1" })));
    expect(await writeReceipt({ storage, log }, FINDINGS, aReceipt(aJob({ etag: "2" })))).toBe(true);
  });

  it.each(["{", "x".repeat(5 * 1024 * 1024)])("takes the place of one that cannot be read", async (content) => {
    const storage = memoryStorage();
    storage.put(AT, content);
    expect(await writeReceipt({ storage, log }, FINDINGS, aReceipt())).toBe(true);
    expect(stored(storage).jobKey).toBe(aReceipt().jobKey);
  });

  it("rereads after losing a race, and yields to a later upload", async () => {
    const storage = memoryStorage();
    const later = aReceipt(aJob({ etag: "2", sequencer: "0B" }));
    storage.before = (call) => {
      if (call !== "write") return;
      storage.before = () => undefined;
      storage.put(AT, JSON.stringify(later));
    };
    expect(await writeReceipt({ storage, log }, FINDINGS, aReceipt(aJob({ etag: "1", sequencer: "0A" })))).toBe(false);
    expect(stored(storage)).toEqual(later);
  });

  it("still writes after losing a race to an earlier upload", async () => {
    const storage = memoryStorage();
    storage.before = (call) => {
      if (call !== "write") return;
      storage.before = () => undefined;
      storage.put(AT, JSON.stringify(aReceipt(aJob({ etag: "1", sequencer: "0A" }))));
    };
    const later = aReceipt(aJob({ etag: "2", sequencer: "0B" }));
    expect(await writeReceipt({ storage, log }, FINDINGS, later)).toBe(true);
    expect(stored(storage)).toEqual(later);
  });

  it("still writes when the receipt is deleted meanwhile", async () => {
    const storage = memoryStorage();
    await writeReceipt({ storage, log }, FINDINGS, aReceipt(aJob({ etag: "1" })));
    storage.before = (call) => {
      if (call !== "write") return;
      storage.before = () => undefined;
      storage.objects.clear();
    };
    expect(await writeReceipt({ storage, log }, FINDINGS, aReceipt())).toBe(true);
  });

  it("gives up after five lost races", async () => {
    const storage = memoryStorage();
    let races = 0;
    storage.before = (call) => {
      if (call === "write") storage.put(AT, JSON.stringify(aReceipt(aJob({ etag: String(races++) }))));
    };
    const error = await relayErrorBy(() => writeReceipt({ storage, log }, FINDINGS, aReceipt()));
    expect(error.reason).toBe("storage-precondition");
    expect(races).toBe(5);
  });
});

describe("our own write-back", () => {
  const job = aJob();

  it("is recognized by its metadata", () => {
    expect(writtenBackBy(FINDINGS, ownMetadata(job))).toBe(jobKey(job));
    expect(uploadedEtag(FINDINGS, ownMetadata(job))).toBe(job.etag);
  });

  it("is recognized from older versions without the run in the key, and from the hook", () => {
    const earlier = aJob({ keyedBy: "upload" });
    expect(ownMetadata(earlier)).toEqual({ "dojo-relay-job": jobKey(earlier), "dojo-relay-etag": earlier.etag });
    expect(writtenBackBy(FINDINGS, ownMetadata(earlier))).toBe(jobKey(earlier));
    expect(isReceiptOf(FINDINGS, aReceipt(earlier))).toBe(true);
    expect(isReceiptOf({ ...FINDINGS, key: "copy/findings.json" }, aReceipt())).toBe(false);
  });

  it.each([
    ["an upload", FINDINGS, {}],
    ["a copy to another key", { ...FINDINGS, key: "scan-x/findings.json" }, ownMetadata(job)],
    ["a copy to another bucket", { ...FINDINGS, bucket: "other" }, ownMetadata(job)],
    ["metadata that somebody made up", FINDINGS, { "dojo-relay-job": "x", "dojo-relay-etag": "y" }],
    ["half of the metadata", FINDINGS, { "dojo-relay-job": jobKey(job) }],
  ])("is not %s", (_, ref, metadata) => {
    expect(writtenBackBy(ref, metadata)).toBeUndefined();
    expect(uploadedEtag(ref, metadata)).toBeUndefined();
  });
});
