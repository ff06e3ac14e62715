import { describe, expect, it } from "vitest";
import { importRecord } from "../../../lib/importer/process-message.ts";
import { encodeJob, jobKey, type ScanJob } from "../../../lib/model/job.ts";
import { checkpointOf, originalOf, receiptOf, sibling } from "../../../lib/model/object-keys.ts";
import { ownMetadata } from "../../../lib/model/receipt.ts";
import type { Scan } from "../../../lib/model/scan.ts";
import { aFinding, aGenericScan, aJob, aSidecar, FINDINGS } from "../../helpers/factories.ts";
import { deliveryOf } from "../../helpers/fake-clock.ts";
import { importWorld } from "../../helpers/import-world.ts";
import { aFlow, recordSettings } from "../../helpers/settings.ts";

const FIRST = JSON.stringify([aFinding()]);
const ADDED = aFinding({ id: "1f0c2a3d-0000-4000-8000-000000000001", name: "Found by a hook" });
const SECOND = JSON.stringify([aFinding({ attributes: { port: 22, enriched: true } }), ADDED]);
const RUN = aGenericScan({ rawResultFile: "subfinder.json", inCluster: true });
const RAW = sibling(FINDINGS, "subfinder.json");

function world() {
  const w = importWorld();
  w.storage.put(RAW, "raw");
  const upload = (text: string, scan: Scan = RUN): ScanJob => {
    const { uid = null, createdAt = null, scanType, rawResultFile = null } = scan;
    const { name, namespace, parameters } = scan;
    const metadata = { name, namespace, uid, creationTimestamp: createdAt, annotations: {} };
    const sidecar = aSidecar({ metadata, spec: { scanType, parameters }, status: { rawResultFile } });
    const kept: Record<string, string> = scan.inCluster && uid !== null ? { "dojo-relay-scan": uid } : {};
    w.storage.put(sibling(FINDINGS, "scan.json"), JSON.stringify(sidecar), kept);
    return aJob({ etag: w.storage.put(FINDINGS, text), scan });
  };
  let messages = 0;
  const deliver = async (job: ScanJob, syncMode: "replace" | "complete" = "replace", syncBack = true) => {
    const message = {
      messageId: `m-${++messages}`,
      body: encodeJob(job),
      receiptHandle: "r",
      group: "g",
      receiveCount: 1,
    };
    const settings = recordSettings({ flow: aFlow({ syncMode, syncBack }) });
    const ended = await importRecord(message, w, settings, deliveryOf(w.clock, 900_000));
    return ended.settled ? ended.outcome : undefined;
  };
  const json = (ref: Parameters<typeof w.storage.text>[0]) => JSON.parse(w.storage.text(ref) ?? "null");
  return { ...w, upload, deliver, json };
}

describe("findings that a hook writes anew after they were imported", () => {
  it("end in the same test, with its verdicts over them", async () => {
    const w = world();
    const first = w.upload(FIRST);
    await w.deliver(first);
    const second = w.upload(SECOND);
    expect(jobKey(second)).not.toBe(jobKey(first));
    expect(await w.deliver(second)).toMatchObject({
      outcome: "synced",
      receipt: { jobKey: jobKey(first), test: { id: 7 } },
    });
    expect(w.sent).toHaveLength(1);
    expect(w.json(receiptOf(FINDINGS))).toMatchObject({ jobKey: jobKey(first), uploaded: { count: 2 } });
    expect(w.storage.text(originalOf(FINDINGS))).toBe(SECOND);
    expect(w.json(FINDINGS)).toMatchObject([{ attributes: { "defectdojo.org/test-id": 7 } }]);
    expect(w.json(checkpointOf(FINDINGS))).toBeNull();
  });

  it("are merged with it where the mode merges: no finding of the hook is lost", async () => {
    const w = world();
    await w.deliver(w.upload(FIRST), "complete");
    await w.deliver(w.upload(SECOND), "complete");
    expect(w.sent).toHaveLength(1);
    expect((w.json(FINDINGS) as { name: string }[]).map(({ name }) => name)).toContain("Found by a hook");
  });

  it("are as often rewritten as the hook likes, and delivered twice", async () => {
    const w = world();
    const first = w.upload(FIRST);
    await w.deliver(first);
    const second = w.upload(SECOND);
    await w.deliver(second);
    expect(await w.deliver(second)).toMatchObject({ outcome: "done-before", receipt: { jobKey: jobKey(first) } });
    await w.deliver(w.upload("[]"));
    expect(await w.deliver(first)).toMatchObject({ outcome: "done-before" });
    expect(w.sent).toHaveLength(1);
  });

  it("while they are imported end in that test too", async () => {
    const w = world();
    const first = w.upload(FIRST);
    let second: ScanJob | undefined;
    w.storage.before = (call, ref) => {
      if (call !== "copy" || ref.key !== FINDINGS.key || second !== undefined) return;
      second = w.upload(SECOND);
    };
    expect(await w.deliver(first)).toMatchObject({ outcome: "superseded" });
    expect(w.json(checkpointOf(FINDINGS))).toMatchObject({ jobKey: jobKey(first) });
    expect(second && (await w.deliver(second))).toMatchObject({
      outcome: "synced",
      receipt: { jobKey: jobKey(first) },
    });
    expect(w.sent).toHaveLength(1);
    expect(w.json(checkpointOf(FINDINGS))).toBeNull();
  });

  it("are finished where the importer died between write-back and receipt", async () => {
    const w = world();
    const first = w.upload(FIRST);
    await w.deliver(first);
    const second = w.upload(SECOND);
    w.storage.put(originalOf(FINDINGS), SECOND, ownMetadata(first));
    w.storage.put(FINDINGS, "[]", ownMetadata(first));
    w.storage.objects.delete("s3://securecodebox/scan-abc/defectdojo.json");
    expect(await w.deliver(second)).toMatchObject({ outcome: "synced", receipt: { jobKey: jobKey(first) } });
    expect(w.sent).toHaveLength(1);
  });

  it("are imported where their test is gone", async () => {
    const w = world();
    const first = w.upload(FIRST);
    await w.deliver(first);
    w.tests.length = 0;
    await w.deliver(w.upload(SECOND));
    expect(w.sent.map(({ request }) => request.buildId)).toEqual([jobKey(first), jobKey(first)]);
    expect(w.sent[1]?.report).toContain("Found by a hook");
  });

  it("are left alone in read-only mode, where DefectDojo has nothing to say to them", async () => {
    const w = world();
    const first = w.upload(FIRST);
    await w.deliver(first);
    expect(await w.deliver(w.upload(SECOND), "replace", false)).toMatchObject({ outcome: "done-before" });
    expect(w.storage.text(FINDINGS)).toBe(SECOND);
    expect(w.sent).toHaveLength(1);
  });
});

describe("findings of another run have a test of their own", () => {
  it.each([
    ["by another uid", RUN, { ...RUN, uid: "11111111-2222-4333-8444-555555555555" }],
    ["by other parameters", RUN, { ...RUN, parameters: ["another.example.com"] }],
    [
      "without a raw result, where nobody can tell",
      { ...RUN, rawResultFile: undefined },
      { ...RUN, rawResultFile: undefined },
    ],
    [
      "by a Scan without a uid, whose times may be an example's",
      { ...RUN, uid: undefined },
      { ...RUN, uid: undefined },
    ],
  ])("%s", async (_, one, other) => {
    const w = world();
    await w.deliver(w.upload(FIRST, one as Scan));
    await w.deliver(w.upload(SECOND, other as Scan));
    expect(w.sent).toHaveLength(2);
  });

  it("by another raw result", async () => {
    const w = world();
    await w.deliver(w.upload(FIRST));
    w.storage.put(RAW, "another");
    await w.deliver(w.upload(SECOND));
    expect(w.sent).toHaveLength(2);
  });

  it("and a superseded job of theirs leaves no checkpoint behind", async () => {
    const w = world();
    let other = false;
    w.storage.before = (call, ref) => {
      if (call !== "copy" || ref.key !== FINDINGS.key || other) return;
      other = true;
      w.upload(SECOND, { ...RUN, uid: "11111111-2222-4333-8444-555555555555" });
    };
    expect(await w.deliver(w.upload(FIRST))).toMatchObject({ outcome: "superseded" });
    expect(w.json(checkpointOf(FINDINGS))).toBeNull();
  });
});
