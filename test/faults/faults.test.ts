import { describe, expect, it } from "vitest";
import { pointName, runAll } from "./points.ts";

/** A part of `npm run faults`: evenly spread points of all scenarios. */
const SAMPLE = 60;

describe("an importer killed at any of its calls", () => {
  it(`leaves nothing that the next delivery does not repair (${SAMPLE} points)`, async () => {
    const results = await runAll({ sample: SAMPLE, lanes: 2 });
    const failed = results.filter(({ wrong }) => wrong.length > 0);
    const told = failed.map(({ baseline, point, wrong }) => [baseline.scenario.name, pointName(point), ...wrong]);
    expect(told).toEqual([]);
    expect(results.filter(({ reached }) => reached)).toHaveLength(SAMPLE);
  }, 600_000);
});
