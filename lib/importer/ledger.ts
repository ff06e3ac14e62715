import type { Ledger, Prepared } from "./attempt.ts";
import { decide, firstIncomplete, progressOf, type Seen } from "./decide.ts";
import { wanted } from "./fewer-kept.ts";

/** One test per job: the tests with its build id show what became of its import. */
export const importLedger: Ledger = {
  look: async (attempt, answered) => {
    const { ports, settings } = attempt;
    const seen = await look(attempt, answered);
    const decision = decide(seen, wanted(attempt), ports.clock.now(), settings.ledger);
    return { decision, displaced: isDisplaced(seen) ? answered : undefined };
  },
  target: async ({ options }) => ({ into: undefined, closes: options.closeOldFindings }),
  hasBegun: async ({ key, ports }) => (await ports.dojo.testsByBuildId(key)).length > 0,
  announce: async () => undefined,
  withdraw: async () => undefined,
  leave: async () => undefined,
  leftBehind: ({ key, ports }) => ports.dojo.testsByBuildId(key),
};

/** Reads the tests of the job, and records the progress of a running one in the checkpoint. */
async function look({ key, ports, checkpoint }: Prepared, answered: number | undefined): Promise<Seen> {
  const { dojo, clock, log } = ports;
  const seen: Seen = { tests: await dojo.testsByBuildId(key), answered };
  const incomplete = firstIncomplete(seen);
  if (incomplete === undefined) return seen;
  const before = checkpoint.now.progress;
  const progress = progressOf(before, incomplete, await dojo.findingCount(incomplete.id), clock.now());
  if (progress !== before) {
    checkpoint.remember({ progress });
    log.info("an import is running in DefectDojo", { testId: incomplete.id, findings: progress.findings });
  }
  return seen;
}

/** Whether another delivery of this job removed the test named in this one's response. */
const isDisplaced = ({ answered, tests }: Seen): boolean =>
  answered !== undefined && !tests.some(({ id }) => id === answered);
