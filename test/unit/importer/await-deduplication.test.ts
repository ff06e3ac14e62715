import { describe, expect, it } from "vitest";
import { Deferral } from "../../../lib/deferral.ts";
import { patient, untilQuiet } from "../../../lib/importer/await-deduplication.ts";
import type { DeduplicationTiming } from "../../../lib/types.ts";
import { deliveryOf, fakeClock } from "../../helpers/fake-clock.ts";
import { fakeDojo } from "../../helpers/fake-dojo.ts";
import { relayErrorBy, thrownBy } from "../../helpers/thrown.ts";

const TIMING: DeduplicationTiming = { timeoutMs: 300_000, quietMs: 6_000, pollMs: 2_000 };

/** A test whose duplicates are those of `at(seconds since the start)`. */
function wait(at: (seconds: number) => number, timing: Partial<DeduplicationTiming> = {}, remainingMs = 900_000) {
  const clock = fakeClock();
  const start = clock.now();
  const asked: number[] = [];
  const dojo = fakeDojo({
    findingCount: async (testId, duplicatesOnly) => {
      expect([testId, duplicatesOnly]).toEqual([7, true]);
      asked.push((clock.now() - start) / 1000);
      return at((clock.now() - start) / 1000);
    },
  });
  const done = untilQuiet({ dojo, clock, delivery: deliveryOf(clock, remainingMs) }, 7, { ...TIMING, ...timing });
  return { done, asked, clock, seconds: () => (clock.now() - start) / 1000 };
}

describe("waiting for deduplication", () => {
  it("ends when the number of duplicates has been the same for the quiet time", async () => {
    const { done, seconds, asked } = wait((s) => Math.min(s, 10));
    await done;
    expect(seconds()).toBe(16);
    expect(asked.slice(0, 3)).toEqual([0, 2, 4]);
  });

  it("takes the quiet time also where there is none", async () => {
    const { done, seconds } = wait(() => 0);
    await done;
    expect(seconds()).toBe(6);
  });

  it("begins anew with each change", async () => {
    const { done, seconds } = wait((s) => (s < 5 ? 0 : s < 10 ? 1 : 2));
    await done;
    expect(seconds()).toBe(16);
  });

  it("asks once where no quiet time is wanted", async () => {
    const { done, asked } = wait(() => 3, { quietMs: 0 });
    await done;
    expect(asked).toEqual([0]);
  });

  it("gives up after the time-out, naming the test", async () => {
    const { done, seconds } = wait((s) => s);
    const error = await relayErrorBy(() => done);
    expect(error).toMatchObject({ reason: "deduplication-unfinished", errorClass: "transient", object: "test 7" });
    expect(seconds()).toBe(300);
  });

  it("hands the message back where the delivery ends before", async () => {
    const { done, seconds } = wait((s) => s, {}, 30_000);
    const error = await thrownBy(() => done);
    expect(error).toBeInstanceOf(Deferral);
    expect(error).toMatchObject({ seconds: 2, message: expect.stringContaining("test 7") });
    expect(seconds()).toBeLessThanOrEqual(20);
  });
});

describe("a server that is behind, or may be", () => {
  it("is given five times the quiet time", async () => {
    const { done, seconds } = wait((s) => (s < 20 ? 0 : 200), patient(TIMING, 900_000));
    await done;
    // It looks every six seconds.
    expect(seconds()).toBe(24 + 30);
  });

  it.each<[string, Partial<DeduplicationTiming>, number, number]>([
    ["but not more than half of the time-out", { timeoutMs: 40_000 }, 900, 20_000],
    ["but not more than half of a delivery, as each begins anew", {}, 40, 15_000],
    ["and no less than the quiet time", { quietMs: 100_000, timeoutMs: 110_000 }, 900, 100_000],
    ["and no less than the quiet time in a short delivery", {}, 12, 6_000],
    ["and none where none is wanted", { quietMs: 0 }, 900, 0],
  ])("%s", (_, timing, seconds, expected) => {
    expect(patient({ ...TIMING, ...timing }, seconds * 1000)).toEqual({ ...TIMING, ...timing, quietMs: expected });
  });
});
