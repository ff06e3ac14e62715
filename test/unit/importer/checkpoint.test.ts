import { describe, expect, it } from "vitest";
import { Deferral } from "../../../lib/deferral.ts";
import { RelayError } from "../../../lib/errors.ts";
import { type Checkpoint, checkpointStore } from "../../../lib/importer/checkpoint.ts";
import { checkpointOf } from "../../../lib/model/object-keys.ts";
import { FINDINGS } from "../../helpers/factories.ts";
import { memoryStorage } from "../../helpers/memory-storage.ts";
import { recorder } from "../../helpers/recorder.ts";
import { relayErrorBy, thrownBy } from "../../helpers/thrown.ts";

const AT = checkpointOf(FINDINGS);
const FRESH: Checkpoint = { version: 1, jobKey: "job", refusals: 0 };
const start = () => {
  const storage = memoryStorage();
  const { log, messages } = recorder();
  return { storage, messages, notes: checkpointStore(storage, log) };
};

describe("the checkpoint", () => {
  it("is a new one where there is none", async () => {
    expect(await start().notes.read(FINDINGS, "job")).toEqual(FRESH);
  });

  it("comes back as it was written", async () => {
    const { notes } = start();
    const note: Checkpoint = {
      version: 1,
      jobKey: "job",
      postedAt: "2026-11-24T12:00:00.000Z",
      expected: 3,
      refusals: 1,
      fellBack: "why",
      progress: { testId: 7, findings: 2, since: "2026-11-24T12:00:00.000Z" },
      waits: { messageId: "m", count: 2 },
      lastError: { reason: "dojo-busy", message: "x", at: "2026-11-24T12:00:00.000Z" },
    };
    await notes.write(FINDINGS, note);
    expect(await notes.read(FINDINGS, "job")).toEqual(note);
  });

  it("of another job is not ours", async () => {
    const { notes } = start();
    await notes.write(FINDINGS, { ...FRESH, refusals: 1 });
    expect(await notes.read(FINDINGS, "other")).toEqual({ ...FRESH, jobKey: "other" });
  });

  it.each(["{", "", "null", '{"version":2,"jobKey":"job"}', `"${"x".repeat(70_000)}"`])(
    "that cannot be read is made anew",
    async (content) => {
      const { storage, notes, messages } = start();
      storage.put(AT, content);
      expect(await notes.read(FINDINGS, "job")).toEqual(FRESH);
      expect(messages("warn")).toEqual(["the checkpoint is unreadable and is created again"]);
    },
  );

  it("is not taken for missing where the store fails", async () => {
    const { storage, notes } = start();
    storage.before = () => {
      throw new RelayError("storage-unavailable", "down", { object: "s3://x" });
    };
    expect(await relayErrorBy(() => notes.read(FINDINGS, "job"))).toMatchObject({ reason: "storage-unavailable" });
  });

  it("takes the place of another job's", async () => {
    const { notes } = start();
    await notes.write(FINDINGS, { ...FRESH, refusals: 1 });
    await notes.read(FINDINGS, "other");
    await notes.write(FINDINGS, { ...FRESH, jobKey: "other" });
    expect(await notes.read(FINDINGS, "other")).toMatchObject({ jobKey: "other", refusals: 0 });
  });

  it("is written by one of two deliveries that read it at once; the other hands the message back", async () => {
    for (const before of [undefined, FRESH]) {
      const { storage, notes: one } = start();
      if (before !== undefined) storage.put(AT, JSON.stringify(before));
      const two = checkpointStore(storage, recorder().log);
      await Promise.all([one.read(FINDINGS, "job"), two.read(FINDINGS, "job")]);
      await one.write(FINDINGS, { ...FRESH, refusals: 1 });
      const error = await thrownBy(() => two.write(FINDINGS, { ...FRESH, refusals: 2 }));
      expect(error).toBeInstanceOf(Deferral);
      await one.write(FINDINGS, { ...FRESH, refusals: 3 });
      expect(await two.read(FINDINGS, "job")).toMatchObject({ refusals: 3 });
      await two.write(FINDINGS, { ...FRESH, refusals: 4 });
    }
  });

  it("is written though the first answer of the store was lost", async () => {
    const { storage, notes } = start();
    await notes.read(FINDINGS, "job");
    const write = storage.write.bind(storage);
    storage.write = async (...args) => {
      await write(...args);
      return await write(...args);
    };
    await notes.write(FINDINGS, { ...FRESH, refusals: 1 });
    storage.write = write;
    await notes.write(FINDINGS, { ...FRESH, refusals: 2 });
    expect(await notes.read(FINDINGS, "job")).toMatchObject({ refusals: 2 });
  });

  it("is amended as it is now, whoever wrote it", async () => {
    const { storage, notes } = start();
    await notes.read(FINDINGS, "job");
    storage.put(AT, JSON.stringify({ ...FRESH, refusals: 1 }));
    await notes.amend(FINDINGS, "job", { fellBack: "why" }, false);
    expect(await notes.read(FINDINGS, "job")).toMatchObject({ refusals: 1, fellBack: "why" });
  });

  it("is made for an amendment only where it must be", async () => {
    const { storage, notes } = start();
    await notes.amend(FINDINGS, "job", { fellBack: "why" }, false);
    expect(storage.text(AT)).toBeUndefined();
    await notes.amend(FINDINGS, "job", { fellBack: "why" }, true);
    expect(await notes.read(FINDINGS, "job")).toMatchObject({ fellBack: "why" });
  });

  it("of another job is not amended", async () => {
    const { storage, notes } = start();
    storage.put(AT, JSON.stringify({ ...FRESH, jobKey: "other" }));
    await notes.amend(FINDINGS, "job", { fellBack: "why" }, true);
    expect(JSON.parse(storage.text(AT) ?? "")).toEqual({ ...FRESH, jobKey: "other" });
  });

  it("that is rewritten while it is removed stays", async () => {
    const { storage, notes } = start();
    await notes.read(FINDINGS, "job");
    await notes.write(FINDINGS, FRESH);
    storage.before = (call) => {
      if (call === "remove") storage.put(AT, JSON.stringify({ ...FRESH, refusals: 1 }));
    };
    await notes.remove(FINDINGS, "job");
    expect(storage.text(AT)).toContain('"refusals":1');
  });

  it("is removed by its own job alone", async () => {
    const { storage, notes } = start();
    await notes.write(FINDINGS, FRESH);
    await notes.remove(FINDINGS, "other");
    expect(storage.text(AT)).toBeDefined();
    await notes.remove(FINDINGS, "job");
    expect(storage.text(AT)).toBeUndefined();
    await notes.remove(FINDINGS, "job");
  });
});
