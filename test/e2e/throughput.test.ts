import { expect, it } from "vitest";
import { throughput } from "../bench/throughput.ts";

it("many scans of many products: side by side, those of one product in order and one at a time", async () => {
  const run = await throughput({
    scans: 200,
    products: 20,
    findingsEach: 3,
    concurrency: 6,
    rate: 500,
    speedup: 20,
  });
  expect(run).toMatchObject({ scans: 200, outOfOrder: 0, sideBySide: 6 });
});
