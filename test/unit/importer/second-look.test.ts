import { describe, expect, it } from "vitest";
import { Deferral } from "../../../lib/deferral.ts";
import { importLoad } from "../../../lib/importer/import-load.ts";
import { type Ended, enqueueLook, MOST_LOOKS, nextLook, refuseEarlyLook } from "../../../lib/importer/second-look.ts";
import { decodeJob, type Job, messageGroup } from "../../../lib/model/job.ts";
import type { Receipt } from "../../../lib/model/receipt.ts";
import { aJob, aReceipt } from "../../helpers/factories.ts";
import { fakeClock } from "../../helpers/fake-clock.ts";
import { memoryQueue } from "../../helpers/memory-queue.ts";
import { recorder } from "../../helpers/recorder.ts";

const NOW = Date.parse("2026-11-24T12:00:00Z");
const DELAY = 120_000;
const assumed = (outcome: Ended["outcome"] = "synced", changes: Partial<Receipt> = {}): Ended => ({
  outcome,
  receipt: aReceipt(aJob(), { deduplication: "assumed", ...changes }),
});
const aLook = (number = 1, notBefore = new Date(NOW + DELAY).toISOString()): Job =>
  aJob({ kind: "resync", look: { number, notBefore } });

describe("the look that is due after a job", () => {
  it.each(["synced", "imported", "done-before"] as const)(
    "that ended %s with an assumed receipt is the first",
    (outcome) => {
      const { sequencer, ...job } = aJob({ sequencer: "1a" });
      expect(nextLook({ ...job, sequencer: "1a" }, assumed(outcome), DELAY, NOW)).toEqual({
        ...{ ...job, kind: "resync", sequencer },
        look: { number: 1, notBefore: "2026-11-24T12:02:00.000Z" },
      });
    },
  );

  it.each<[string, Job, Ended, number]>([
    ["with a confirmed receipt", aJob(), assumed("synced", { deduplication: "confirmed" }), DELAY],
    ["of an older version", aJob(), assumed("synced", { deduplication: undefined }), DELAY],
    ["that was superseded", aJob(), assumed("superseded"), DELAY],
    ["without a receipt", aJob(), { outcome: "superseded" }, DELAY],
    ["where nobody is to look again", aJob(), assumed(), 0],
    ["that an operator asked for", aJob({ kind: "resync" }), assumed(), DELAY],
    ["that was a look and found nothing", aLook(), assumed("done-before"), DELAY],
    ["that was the last look", aLook(MOST_LOOKS), assumed("synced"), DELAY],
  ])("%s is none", (_, job, ended, delay) => {
    expect(nextLook(job, ended, delay, NOW)).toBeUndefined();
  });

  it("that found a change comes later, and there is an end of it", () => {
    let job: Job | undefined = aJob();
    const due: (string | undefined)[] = [];
    for (let looks = 0; job !== undefined && looks < 10; looks++) {
      job = nextLook(job, assumed(), DELAY, NOW);
      due.push(job?.look?.notBefore.slice(11, 19));
    }
    expect(due).toEqual(["12:02:00", "12:04:00", "12:08:00", undefined]);
  });
});

describe("a look in the queue", () => {
  it("is one message a receipt, in a group of its own", async () => {
    const queue = memoryQueue();
    const { log } = recorder();
    await enqueueLook(aLook(), { queue, log });
    await enqueueLook(aLook(1, "2026-11-24T13:00:00.000Z"), { queue, log });
    await enqueueLook(aLook(2), { queue, log });
    const ids = queue.sent.map(({ deduplicationId }) => deduplicationId);
    expect(ids[0]).toBe(ids[1]);
    expect(ids[2]).not.toBe(ids[0]);
    expect(queue.sent[0]?.group).not.toBe(messageGroup(aJob()));
    expect(decodeJob(queue.sent[0]?.body ?? "", "look")).toEqual(aLook());
  });

  it("that the queue refuses is told and no failure of the job", async () => {
    const queue = memoryQueue();
    queue.before = () => {
      throw new Error("down");
    };
    const { log, messages } = recorder();
    await enqueueLook(aLook(), { queue, log });
    expect(messages("warn")).toEqual(["a second look could not be enqueued"]);
  });
});

describe("a look that is delivered", () => {
  const deferredFor = (job: Job, at: number, underWay = 0) => {
    const load = importLoad();
    for (let n = 0; n < underWay; n++) load.enter();
    try {
      refuseEarlyLook(job, fakeClock(new Date(at).toISOString()), DELAY, load);
      return 0;
    } catch (error) {
      if (error instanceof Deferral) return error.seconds;
      throw error;
    }
  };

  it.each([
    ["before its time waits for it", 0, 0, 120],
    ["at its time is worked on", DELAY, 0, 0],
    ["while imports are under way is put off", DELAY, 3, 120],
    ["is worked on in the end all the same", 11 * DELAY, 3, 0],
  ])("%s", (_, after, underWay, seconds) => {
    expect(deferredFor(aLook(), NOW + after, underWay)).toBe(seconds);
  });

  it("other jobs wait for nothing", () => {
    expect(deferredFor(aJob(), NOW, 3)).toBe(0);
  });
});

it("an import under way is counted until it is over, once", () => {
  const load = importLoad();
  const [leave] = [load.enter(), load.enter()];
  expect(load.underWay()).toBe(2);
  leave?.();
  leave?.();
  expect(load.underWay()).toBe(1);
});
