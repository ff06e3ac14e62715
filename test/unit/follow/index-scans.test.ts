import { describe, expect, it } from "vitest";
import { indexScans } from "../../../lib/follow/index-scans.ts";
import { receiptOf } from "../../../lib/model/object-keys.ts";
import { testIndex } from "../../../lib/ports/test-index.ts";
import { collect } from "../../helpers/collect.ts";
import { aJob, aReceipt } from "../../helpers/factories.ts";
import { memoryStorage } from "../../helpers/memory-storage.ts";
import { recorder } from "../../helpers/recorder.ts";

const BUCKET = "securecodebox";

describe("the index made anew", () => {
  it("has the newest run of a living test, in whatever order its receipts come", async () => {
    const storage = memoryStorage();
    const index = testIndex(storage, BUCKET, (id) => `https://dojo.example.com/test/${id}`);
    const test = { id: 7, name: "nightly", url: "https://dojo.example.com/test/7" };
    for (const [folder, testImport] of [
      ["a", 12],
      ["b", 15],
      ["c", 11],
      ["d", 14],
    ] as const) {
      const job = aJob({ bucket: BUCKET, key: `${folder}/findings.json` });
      storage.put(receiptOf(job), JSON.stringify(aReceipt(job, { importMode: "reimport", testImport, test })));
    }
    const own = aJob({ bucket: BUCKET, key: "e/findings.json" });
    storage.put(receiptOf(own), JSON.stringify(aReceipt(own, { test: { ...test, id: 8 } })));
    // Older than all of them, and nothing of it is in the test.
    const outdated = aJob({ bucket: BUCKET, key: "f/findings.json" });
    const unsent = aReceipt(outdated, { outcome: "outdated", importMode: "reimport", test });
    storage.put(receiptOf(outdated), JSON.stringify(unsent));
    const settings = { bucket: BUCKET, prefix: "", startAfter: undefined, signal: new AbortController().signal };
    const { log } = recorder();
    const indexed = await collect(indexScans({ storage, index, log }, settings));
    expect(indexed.map(({ outcome }) => outcome)).toEqual([...Array(5).fill("indexed"), "outdated"]);
    expect((await index.find(7))?.key).toBe("b/findings.json");
    expect((await index.find(8))?.key).toBe("e/findings.json");
  });
});
