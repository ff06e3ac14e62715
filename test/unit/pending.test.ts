import { describe, expect, it } from "vitest";
import { RelayError } from "../../lib/errors.ts";
import { pendingOf } from "../../lib/layout.ts";
import { type PendingNote, pendingNotes } from "../../lib/pending.ts";
import { FINDINGS } from "../helpers/factories.ts";
import { memoryStorage } from "../helpers/memory-storage.ts";
import { recorder } from "../helpers/recorder.ts";
import { relayErrorBy } from "../helpers/thrown.ts";

const AT = pendingOf(FINDINGS);
const FRESH: PendingNote = { version: 1, jobKey: "job", refusals: 0 };
const start = () => {
  const storage = memoryStorage();
  const { log, messages } = recorder();
  return { storage, messages, notes: pendingNotes(storage, log) };
};

describe("the pending note", () => {
  it("is a new one where there is none", async () => {
    expect(await start().notes.read(FINDINGS, "job")).toEqual(FRESH);
  });

  it("comes back as it was written", async () => {
    const { notes } = start();
    const note: PendingNote = {
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
      expect(messages("warn")).toEqual(["the pending note cannot be read and is made anew"]);
    },
  );

  it("is not taken for missing where the store fails", async () => {
    const { storage, notes } = start();
    storage.before = () => {
      throw new RelayError("storage-unavailable", "down", { object: "s3://x" });
    };
    expect(await relayErrorBy(() => notes.read(FINDINGS, "job"))).toMatchObject({ reason: "storage-unavailable" });
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
