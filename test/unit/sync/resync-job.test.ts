import { describe, expect, it } from "vitest";
import { jobKey } from "../../../lib/model/job.ts";
import { receiptOf, uri } from "../../../lib/model/object-keys.ts";
import { ownMetadata, type Receipt } from "../../../lib/model/receipt.ts";
import type { Place } from "../../../lib/ports/defectdojo.ts";
import type { DojoFinding } from "../../../lib/ports/dojo-finding.ts";
import { resyncJob } from "../../../lib/sync/resync-job.ts";
import { toSyncedFinding } from "../../../lib/sync/to-synced-finding.ts";
import { aDojoFinding, aJob, aReceipt, aScan, aTest, FINDINGS } from "../../helpers/factories.ts";
import { fakeClock } from "../../helpers/fake-clock.ts";
import { fakeDojo } from "../../helpers/fake-dojo.ts";
import { memoryStorage } from "../../helpers/memory-storage.ts";
import { recorder } from "../../helpers/recorder.ts";
import { aQuickFlow } from "../../helpers/settings.ts";

const SETTINGS = aQuickFlow();
const RECEIPT = receiptOf(FINDINGS);
const JOB = aJob({ scan: aScan({ createdAt: undefined }) });

/** A scan that was synced, and the test of it in DefectDojo. */
async function world(findings: DojoFinding[], receipt: Partial<Receipt> = {}) {
  const storage = memoryStorage();
  const observed = recorder();
  const { log, metrics } = observed;
  const clock = fakeClock();
  const url = (kind: string, id: number) => `https://dojo.example.com/${kind}/${id}`;
  const mapping = { scan: JOB.scan, now: "2026-11-24T12:00:00.000Z", url };
  const rows = findings.map((finding) => JSON.stringify(toSyncedFinding(finding, undefined, mapping)));
  storage.put(FINDINGS, `[\n${rows.join(",\n")}\n]\n`, ownMetadata(JOB));
  storage.put(RECEIPT, JSON.stringify(aReceipt(JOB, receipt)));
  let asked = 0;
  const places: Place[] = [];
  const dojo = fakeDojo({
    placeOfTest: async () => places[0],
    testsByBuildId: async (buildId) => [aTest({ buildId })],
    findingPages: async function* () {
      asked++;
      yield { total: findings.length, findings, originals: new Map() };
    },
  });
  const ports = { storage, dojo, clock, log, metrics };
  const resync = async () => await resyncJob({ ...JOB, kind: "resync" }, ports, SETTINGS);
  // Receipts of these factories have URLs of their own: the first resync writes ours.
  await resync();
  storage.calls.length = 0;
  return {
    storage,
    findings,
    places,
    clock,
    observed,
    resync,
    asked: () => asked,
    writes: () => storage.calls.filter((call) => call.startsWith("write")),
    receipt: () => JSON.parse(storage.text(RECEIPT) ?? "") as Receipt,
    metadata: () => storage.objects.get(uri(FINDINGS))?.metadata ?? {},
  };
}

describe("a resync", () => {
  it("writes nothing where nothing changed, and answers the last receipt", async () => {
    const w = await world([aDojoFinding(), aDojoFinding({ id: 43 })]);
    const before = w.receipt();
    await w.clock.sleep(3_600_000);
    expect(await w.resync()).toEqual({
      outcome: "synced",
      receipt: before,
      why: "nothing changed, nothing was written",
    });
    expect(w.writes()).toEqual([]);
  });

  it("brings new names of product and engagement into the receipt, and leaves the findings", async () => {
    const w = await world([aDojoFinding()]);
    const { productType, product } = w.receipt();
    w.places.push({ productType, product: { ...product, name: "Renamed" }, engagement: { id: 77, name: "Moved" } });
    await w.resync();
    expect(w.writes()).toEqual([`write ${uri(RECEIPT)}`]);
    expect(w.receipt()).toMatchObject({
      product: { id: product.id, name: "Renamed" },
      engagement: { id: 77, name: "Moved", url: "https://dojo.example.com/engagement/77" },
    });
    w.storage.calls.length = 0;
    await w.resync();
    expect(w.writes()).toEqual([]);
  });

  it("reads the test once", async () => {
    const w = await world([aDojoFinding()]);
    const before = w.asked();
    await w.resync();
    expect(w.asked()).toBe(before + 1);
  });

  it("tells what changed in the receipt and the object's metadata", async () => {
    const w = await world([aDojoFinding(), aDojoFinding({ id: 43 })]);
    w.findings[1] = aDojoFinding({ id: 43, falsePositive: true, mitigated: true, active: false, mitigatedBy: 3 });
    await w.resync();
    expect(w.writes()).toEqual([`write ${uri(FINDINGS)}`, `write ${uri(RECEIPT)}`]);
    expect(w.receipt()).toMatchObject({
      falsePositives: 1,
      changed: [{ findingId: 43, from: ["active"], to: ["inactive", "falsePositive", "mitigated"], by: 3 }],
      changedCount: 1,
    });
    expect(w.metadata()).toMatchObject({ "dojo-relay-job": jobKey(JOB), "dojo-relay-changed": "1" });
  });

  it("keeps telling it until something else changes", async () => {
    const w = await world([aDojoFinding()]);
    w.findings[0] = aDojoFinding({ riskAccepted: true, active: false });
    await w.resync();
    const { changed } = w.receipt();
    await w.resync();
    expect(w.receipt().changed).toEqual(changed);
    expect(changed).toHaveLength(1);
  });

  it("writes what changed without being a verdict", async () => {
    const w = await world([aDojoFinding()]);
    w.findings[0] = aDojoFinding({ description: "somebody wrote more" });
    await w.resync();
    expect(w.writes()).toHaveLength(2);
    expect(w.receipt()).toMatchObject({ changed: [], changedCount: 0 });
    expect(w.metadata()).toMatchObject({ "dojo-relay-changed": "0" });
  });

  it("that died before its receipt is ended by the next", async () => {
    const w = await world([aDojoFinding()]);
    const earlier = w.storage.text(RECEIPT) ?? "";
    w.findings[0] = aDojoFinding({ underReview: true });
    await w.clock.sleep(1_000);
    await w.resync();
    w.storage.put(RECEIPT, earlier);
    w.storage.calls.length = 0;
    await w.resync();
    expect(w.writes()).toEqual([`write ${uri(RECEIPT)}`]);
    expect(w.receipt()).toMatchObject({ changed: [], changedCount: 1 });
    await w.resync();
    expect(w.writes()).toHaveLength(1);
  });

  it("writes anew what it cannot read", async () => {
    const w = await world([aDojoFinding()]);
    w.storage.put(FINDINGS, "[{", ownMetadata(JOB));
    await w.resync();
    expect(JSON.parse(w.storage.text(FINDINGS) ?? "")).toHaveLength(1);
  });

  it("row 5: keeps what DefectDojo no longer has, and tells it once", async () => {
    const w = await world([aDojoFinding(), aDojoFinding({ id: 43, title: "Gone" })], { kept: 2 });
    w.findings.pop();
    await w.resync();
    const written = JSON.parse(w.storage.text(FINDINGS) ?? "") as { name: string; attributes: object }[];
    expect(written.map(({ name }) => name)).toEqual([aDojoFinding().title, "Gone"]);
    expect(written[1]?.attributes).toMatchObject({ "defectdojo.org/missing": true });
    const told = "DefectDojo now has 1 of the 2 findings that the import kept";
    expect(w.receipt()).toMatchObject({
      ...{ new: 1, missing: 1, findings: { count: 2 }, inDojo: { count: 1 } },
      warnings: [expect.stringContaining(told)],
      changed: [{ findingId: 43, from: ["active"], to: [] }],
    });
    expect(w.observed.messages("warn")).toEqual([expect.stringContaining(told)]);
    expect(w.observed.counts.get("FindingsMissing")).toBe(1);
    w.storage.calls.length = 0;
    await w.resync();
    await w.resync();
    expect(w.writes()).toEqual([]);
    expect(w.observed.messages("warn")).toHaveLength(1);
    expect(w.observed.counts.get("FindingsMissing")).toBe(1);
  });

  it("row 5: never writes [] over findings, also where the receipt does not say how many there were", async () => {
    const w = await world([aDojoFinding(), aDojoFinding({ id: 43 })]);
    w.findings.length = 0;
    await w.resync();
    expect(JSON.parse(w.storage.text(FINDINGS) ?? "")).toHaveLength(2);
    expect(w.receipt()).toMatchObject({ new: 0, missing: 2, warnings: [expect.stringContaining("2 fewer")] });
  });

  it("row 5: takes the mark away from what is there again", async () => {
    const w = await world([aDojoFinding(), aDojoFinding({ id: 43 })], { kept: 2 });
    const before = w.storage.text(FINDINGS);
    const [gone] = w.findings.splice(1);
    await w.resync();
    w.findings.push(gone as DojoFinding);
    await w.resync();
    expect(w.storage.text(FINDINGS)).toBe(before);
    expect(w.receipt()).toMatchObject({ new: 2, warnings: [] });
    expect(w.receipt().missing).toBeUndefined();
  });

  it("keeps the sequencer of the upload in the receipt", async () => {
    const w = await world([aDojoFinding()], { sequencer: "0055" });
    expect(w.receipt().sequencer).toBe("0055");
  });
});
