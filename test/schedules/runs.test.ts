import { describe, expect, it } from "vitest";
import { fc, runsOr } from "../helpers/property.ts";
import { useTemporaryFolder } from "./play.ts";
import type { Fault, Schedule, UploadPlan } from "./schedule.ts";
import { createWorld } from "./world.ts";

/** Faults that need no action by an operator. */
const CRASHES = ["die-before", "die-after", "refused", "lost", "twice", "slow", "expire", "dead-import"] as const;

/** Seconds between two uploads: long enough for every job to end before the next. */
const APART = 6_000;

const sequences: fc.Arbitrary<Schedule> = fc.record({
  seed: fc.nat(),
  uploads: fc
    .array(
      fc.record({ content: fc.nat({ max: 1 }), run: fc.nat({ max: 3 }), notices: fc.integer({ min: 1, max: 2 }) }),
      {
        minLength: 2,
        maxLength: 5,
      },
    )
    .map((uploads) =>
      uploads.map((one, index): UploadPlan => ({ ...one, at: index * APART, folder: 0, kind: "generic", product: 0 })),
    ),
  faults: fc.array(
    fc.record<Fault>({ kind: fc.constantFrom(...CRASHES), call: fc.nat({ max: 120 }), seconds: fc.constantFrom(0, 5) }),
    { maxLength: 1 },
  ),
  syncBack: fc.boolean(),
  merge: fc.boolean(),
  replaceFewer: fc.constant(false),
  lowPrivileged: fc.constant(false),
  asyncWait: fc.boolean(),
  eventMetadata: fc.boolean(),
  deliverySeconds: fc.constant(900),
  msPerFinding: fc.constant(10),
});

describe("scheduled runs into one folder, whatever their findings and wherever the importer dies", () => {
  useTemporaryFolder();
  it("each end as one test in DefectDojo", async () => {
    await fc.assert(
      fc.asyncProperty(sequences, async (schedule) => {
        await using world = createWorld(schedule);
        await world.run();
        const complete = [...world.dojo.tables.tests.values()].filter((test) => test.percentComplete === 100);
        const ids = complete.map(({ buildId }) => buildId);
        expect(ids.toSorted(), world.story.join("\n")).toEqual([...world.jobKeys].toSorted());
        const distinct = new Set(schedule.uploads.map(({ run, content }) => `${run} ${content}`));
        expect(ids).toHaveLength(distinct.size);
      }),
      { numRuns: runsOr(100) },
    );
  }, 600_000);
});
