import { describe, it } from "vitest";
import { fc, runsOr } from "../helpers/property.ts";
import { play, useTemporaryFolder } from "./play.ts";
import { schedules } from "./schedule.ts";

const RUNS = runsOr(1_200);

describe("whatever the order and whatever fails, each upload ends as one test and one right findings.json", () => {
  useTemporaryFolder();
  it("without faults", () => check(0, Math.ceil(RUNS / 10)), 600_000);
  it("with a fault or two", () => check(2, Math.ceil(RUNS / 2)), 600_000);
  it("with many faults", () => check(14, Math.ceil(RUNS / 2)), 600_000);
});

async function check(mostFaults: number, runs: number): Promise<void> {
  await fc.assert(fc.asyncProperty(schedules(mostFaults), play), {
    numRuns: runs,
  });
}
