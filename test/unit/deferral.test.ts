import { describe, expect, it } from "vitest";
import { Deferral, MARGIN_MS, sleepOrDefer } from "../../lib/deferral.ts";
import { deliveryOf, fakeClock } from "../helpers/fake-clock.ts";
import { thrownBy } from "../helpers/thrown.ts";

describe("sleepOrDefer", () => {
  it.each([
    [MARGIN_MS + 2_000, 2_000, "sleeps"],
    [MARGIN_MS + 1_999, 2_000, "hands back"],
    [0, 2_000, "hands back"],
    [-1, 0, "hands back"],
    [MARGIN_MS, 0, "sleeps"],
  ])("with %d ms left and %d to sleep %s", async (remaining, ms, expected) => {
    const clock = fakeClock();
    const run = () => sleepOrDefer(clock, deliveryOf(clock, remaining), ms, "why");
    if (expected === "sleeps") {
      await run();
      expect(clock.slept).toEqual([ms]);
    } else {
      const error = await thrownBy(run);
      expect(error).toBeInstanceOf(Deferral);
      expect(error).toMatchObject({ message: "why", seconds: Math.ceil(ms / 1000) });
      expect(clock.slept).toEqual([]);
    }
  });

  it("rounds the wait up to whole seconds", async () => {
    const clock = fakeClock();
    const error = await thrownBy(() => sleepOrDefer(clock, deliveryOf(clock, 0), 1_001, "why"));
    expect(error).toMatchObject({ seconds: 2 });
  });
});
