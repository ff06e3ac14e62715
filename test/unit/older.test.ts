import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { toDeadLetter } from "../../cli/dlq/dead-letter.ts";
import { readDojoConfig } from "../../lib/config.ts";
import { type Checkpoint, checkpointStore } from "../../lib/importer/checkpoint.ts";
import { importJob } from "../../lib/importer/import-job.ts";
import { decodeJob, type ScanJob } from "../../lib/model/job.ts";
import { checkpointOf, type ObjectRef, originalOf, receiptOf } from "../../lib/model/object-keys.ts";
import { uploadedEtag, writtenBackBy } from "../../lib/model/receipt.ts";
import { readReceipt } from "../../lib/ports/receipt-store.ts";
import { flowSettings } from "../../lib/settings.ts";
import { resyncJob } from "../../lib/sync/resync-job.ts";
import { aDojoFinding, aTest } from "../helpers/factories.ts";
import { deliveryOf, fakeClock } from "../helpers/fake-clock.ts";
import { fakeDojo } from "../helpers/fake-dojo.ts";
import { memoryStorage } from "../helpers/memory-storage.ts";
import { recorder } from "../helpers/recorder.ts";

/** What the version before the folders by stage wrote of one scan: written by its own code, never edited. */
const text = (name: string) => readFileSync(join(import.meta.dirname, "../fixtures/older", name), "utf8");
const json = <T>(name: string) => JSON.parse(text(name)) as T;

interface Metadata extends ObjectRef {
  readonly metadata: Record<string, string>;
  readonly uploadedEtag: string;
}
interface Message {
  readonly body: string;
  readonly group: string;
  readonly attributes: Record<string, string>;
}

const { metadata, uploadedEtag: etag, ...FINDINGS } = json<Metadata>("findings.metadata.json");
const RECEIPT = json<Record<string, unknown>>("defectdojo.json");
const SETTINGS = flowSettings(readDojoConfig({ DEFECTDOJO_URL: "http://127.0.0.1:1", DEFECTDOJO_APIKEY: "unused" }));

/** The scan's folder as it was left. */
function folder() {
  const storage = memoryStorage();
  storage.put(FINDINGS, text("findings.json"), metadata);
  storage.put(originalOf(FINDINGS), text("findings.original.json"), metadata);
  storage.put(receiptOf(FINDINGS), text("defectdojo.json"));
  return storage;
}

const theJob = () => decodeJob(json<Message>("job.json").body, "job.json") as ScanJob;

describe("objects written by an older version", () => {
  const { log, metrics } = recorder();

  it("reads a queued job as the same job", () => {
    expect(theJob()).toMatchObject({ ...FINDINGS, kind: "import", etag, scan: { name: "nightly-ports" } });
    expect(theJob().scan).toMatchObject({ uid: expect.any(String), parameters: ["-p", "22,80", "10.0.0.5"] });
  });

  it("reads every field of a receipt", async () => {
    expect((await readReceipt(folder(), FINDINGS, log))?.receipt).toEqual(RECEIPT);
  });

  it("recognizes a synced findings.json by its metadata", () => {
    expect(writtenBackBy(FINDINGS, metadata)).toBe(RECEIPT.jobKey);
    expect(uploadedEtag(FINDINGS, metadata)).toBe(etag);
  });

  it("does not import a finished job again", async () => {
    const storage = folder();
    const clock = fakeClock();
    const ports = { storage, dojo: fakeDojo(), clock, log, metrics, pending: checkpointStore(storage, log) };
    expect(await importJob(theJob(), ports, SETTINGS, deliveryOf(clock))).toMatchObject({
      outcome: "done-before",
      receipt: { jobKey: RECEIPT.jobKey },
    });
  });

  it("resyncs a finished scan by its receipt", async () => {
    const test = RECEIPT.test as { id: number };
    const dojo = fakeDojo({
      testsByBuildId: async (buildId) => [aTest({ id: test.id, buildId })],
      findingPages: async function* () {
        const findings = [1, 2].map((id) => aDojoFinding({ id, testId: test.id, falsePositive: id === 1 }));
        yield { total: 2, findings, originals: new Map() };
      },
    });
    const ports = { storage: folder(), dojo, clock: fakeClock(), log, metrics };
    const outcome = await resyncJob({ ...theJob(), kind: "resync" }, ports, SETTINGS);
    expect(outcome).toMatchObject({ outcome: "synced", receipt: { jobKey: RECEIPT.jobKey, falsePositives: 1 } });
  });

  it("reads a pending note as the job's checkpoint, field by field", async () => {
    const storage = memoryStorage();
    const { writer: _, ...note } = json<Checkpoint & { writer: string }>("defectdojo.pending.json");
    storage.put(checkpointOf(FINDINGS), text("defectdojo.pending.json"));
    expect(await checkpointStore(storage, log).read(FINDINGS, note.jobKey)).toEqual(note);
    expect(Object.keys(note).sort()).toEqual(
      [
        ...["version", "jobKey", "postedAt", "lostAt", "unanswered", "expected", "repairs", "repairCount"],
        ...["refusals", "fellBack", "progress", "waits", "lastError"],
      ].sort(),
    );
    expect(note.jobKey).toBe(RECEIPT.jobKey);
  });

  it("shows a dead letter with its reason, and redrives its job", () => {
    const { body, group, attributes } = json<Message>("dead-letter.json");
    const letter = toDeadLetter({
      MessageId: "m-1",
      Body: body,
      Attributes: { MessageGroupId: group },
      MessageAttributes: Object.fromEntries(
        Object.entries(attributes).map(([name, StringValue]) => [name, { DataType: "String", StringValue }]),
      ),
    });
    expect(letter).toMatchObject({
      reason: "dojo-unavailable",
      errorClass: "transient",
      scan: "team-a/nightly-ports",
      attempts: 5,
      failedAt: new Date("2026-11-20T10:10:00Z"),
      group,
      job: theJob(),
    });
  });
});
