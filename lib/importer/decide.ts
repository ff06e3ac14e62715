import type { Test } from "../ports/defectdojo.ts";
import type { ImportTiming } from "../types.ts";
import type { Checkpoint } from "./checkpoint.ts";

export const isComplete = (test: Test) => test.percentComplete >= 100;

/**
 * What has become of a job's import, and so what is done about it: the table of ADR 3 as code.
 *
 * | state | means | what is done |
 * |---|---|---|
 * | `found` | the import happened | it is read back; surplus tests are removed |
 * | `running` | a test below 100 % that grows | it is waited for |
 * | `replaced` | a native test that kept fewer findings than the scanner found (`ON_FEWER_FINDINGS`) | it is removed; a generic import follows |
 * | `stale` | a test below 100 % that no longer grows | it is removed |
 * | `unknown` | no test, and an import was sent that may still show up | it is waited for: never a speculative second POST |
 * | `absent` | no test, and none can come | import; an import that is `lost` is a failure first |
 */
export type Decision =
  | { readonly state: "found"; readonly test: Test; readonly surplus: readonly Test[] }
  | { readonly state: "running"; readonly test: Test }
  | { readonly state: "replaced"; readonly test: Test }
  | { readonly state: "stale"; readonly test: Test; readonly others: boolean }
  | { readonly state: "unknown"; readonly leftMs: number }
  | { readonly state: "absent"; readonly lost: boolean };

/** What DefectDojo shows of the job. */
export interface Seen {
  /** All tests with the job's build id, oldest first. */
  readonly tests: readonly Test[];
  /** The test that the answer to this delivery's import names: complete, whatever it shows. */
  readonly answered: number | undefined;
}

/**
 * @param checkpoint what is known from earlier deliveries, its `progress` up to date with `seen`
 * @param now milliseconds since the epoch
 */
export function decide(
  { tests, answered }: Seen,
  checkpoint: Pick<Checkpoint, "postedAt" | "lostAt" | "progress" | "replaces">,
  now: number,
  timing: Pick<ImportTiming, "settleMs" | "stalledMs">,
): Decision {
  const complete = tests.find((test) => isComplete(test) || test.id === answered);
  const others = tests.filter((test) => test !== complete);
  const incomplete = firstIncomplete({ tests, answered });
  if (incomplete !== undefined) {
    const { progress } = checkpoint;
    const stands = progress?.testId === incomplete.id && now - Date.parse(progress.since) >= timing.stalledMs;
    return stands
      ? { state: "stale", test: incomplete, others: tests.length > 1 }
      : { state: "running", test: incomplete };
  }
  const replaced = tests.find(({ id }) => id === checkpoint.replaces);
  if (replaced !== undefined) return { state: "replaced", test: replaced };
  if (complete !== undefined) return { state: "found", test: complete, surplus: others };
  if (checkpoint.postedAt === undefined) return { state: "absent", lost: false };
  // Whoever sent it can have died at any time since: what it sent has that long from when that is found.
  const lostAt = checkpoint.lostAt === undefined ? now : Date.parse(checkpoint.lostAt);
  const leftMs = lostAt + timing.settleMs - now;
  return leftMs > 0 ? { state: "unknown", leftMs } : { state: "absent", lost: true };
}

/**
 * What is done about a reimport that has no record yet. Its test stays at 100 % while it runs, so that only new findings show it: it is as good as a
 * test that may still show up, and is given longer than that after the last sign of it.
 */
export function decideUnrecorded(
  { postedAt, lostAt, progress }: Pick<Checkpoint, "postedAt" | "lostAt" | "progress">,
  now: number,
  { settleMs, stalledMs }: Pick<ImportTiming, "settleMs" | "stalledMs">,
): Decision {
  if (postedAt === undefined) return { state: "absent", lost: false };
  const lastSign = Math.max(lostAt === undefined ? now : Date.parse(lostAt), Date.parse(progress?.since ?? "") || 0);
  const leftMs = lastSign + Math.max(settleMs, stalledMs) - now;
  return leftMs > 0 ? { state: "unknown", leftMs } : { state: "absent", lost: true };
}

/** The test whose findings have to be counted: only they tell a running import from a dead one. */
export function firstIncomplete({ tests, answered }: Seen): Test | undefined {
  return tests.find((test) => !isComplete(test) && test.id !== answered);
}

/** How far a running import is, and since when it is no further. */
export function progressOf(
  before: Checkpoint["progress"],
  test: Test,
  findings: number,
  now: number,
): NonNullable<Checkpoint["progress"]> {
  return before?.testId === test.id && before.findings === findings
    ? before
    : { testId: test.id, findings, since: new Date(now).toISOString() };
}
