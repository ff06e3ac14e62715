import { describe, expect, it } from "vitest";
import { fc, runsOr } from "../helpers/property.ts";
import { ALL_FINDINGS, verdictWorld } from "./verdict-world.ts";

const RUNS = runsOr(300);
const CHANGES = [
  { falsePositive: true, active: false },
  { falsePositive: false, active: true },
  { outOfScope: true, active: false },
  { mitigated: true, active: false, mitigatedBy: 2 },
  { riskAccepted: true, active: false },
] as const;

const seconds = fc.integer({ min: 2, max: 90 });
/** Most processes survive; the others die at one of their first calls. */
const calls = fc.oneof(
  { weight: 2, arbitrary: fc.constant(Number.POSITIVE_INFINITY) },
  { weight: 1, arbitrary: fc.nat({ max: 12 }) },
);
const step = fc.oneof(
  fc.record({
    kind: fc.constant("verdict" as const),
    seconds,
    finding: fc.integer({ min: 1, max: ALL_FINDINGS }),
    change: fc.constantFrom(...CHANGES),
    late: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat({ max: 55 }) }),
  }),
  fc.record({
    kind: fc.constant("review" as const),
    seconds,
    finding: fc.integer({ min: 1, max: ALL_FINDINGS }),
    underReview: fc.boolean(),
  }),
  fc.record({ kind: fc.constant("delete" as const), seconds, finding: fc.integer({ min: 1, max: ALL_FINDINGS }) }),
  fc.record({ kind: fc.constant("check" as const), seconds, first: fc.nat({ max: 1 }) }),
  fc.record({ kind: fc.constant("round" as const), seconds, which: fc.nat({ max: 1 }), calls }),
  fc.record({ kind: fc.constant("deliver" as const), seconds, calls }),
);

describe("two followers in any order, with processes that die", () => {
  it("a verdict reaches the bucket after two surviving rounds", { timeout: 120_000 + RUNS * 200 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), fc.nat({ max: 1 }), async (steps, last) => {
        const w = await verdictWorld();
        /** No verdict is older than two rounds of any follower. */
        const check = async (first: number) => {
          for (const which of [first, 1 - first]) {
            w.clock.advance(30_000);
            await w.round(which);
          }
          while (await w.deliver());
          expect(w.wrong()).toEqual([]);
        };
        await w.round(0); // records the new findings
        for (const each of steps) {
          w.clock.advance(each.seconds * 1000);
          if (each.kind === "verdict") w.judge(each.finding, each.change, each.late);
          else if (each.kind === "review") w.review(each.finding, each.underReview);
          else if (each.kind === "delete") w.remove(each.finding);
          else if (each.kind === "check") await check(each.first);
          else if (each.kind === "round") await w.round(each.which, each.calls);
          else await w.deliver(each.calls);
        }
        await check(last);
      }),
      { numRuns: RUNS },
    );
  });
});
