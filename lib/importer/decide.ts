import type { Test } from "../ports/defectdojo.ts";
import type { ImportTiming } from "../types.ts";
import type { Checkpoint } from "./checkpoint.ts";

export const isComplete = (test: Test) => test.percentComplete >= 100;

/**
 * The state of a job's import, and the resulting action: the table of ADR 3 as code.
 *
 * | state | means | action |
 * |---|---|---|
 * | `found` | the import happened | read it back; remove surplus tests |
 * | `running` | a test below 100 % that grows | wait |
 * | `replaced` | a native test that kept fewer findings than the scanner found (`ON_FEWER_FINDINGS`) | remove it; a generic import follows |
 * | `stale` | a test below 100 % that no longer grows | remove it |
 * | `unknown` | no test, and an import was sent that may still appear | wait: never a speculative second POST |
 * | `absent` | no test, and none can appear | import; a `lost` import counts as a failure first |
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
  /** The test named in the response to this delivery's import: complete, whatever it shows. */
  readonly answered: number | undefined;
}

/**
 * @param checkpoint known from earlier deliveries, with its `progress` up to date with `seen`
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
  // The sender may have died at any time since: its import has this long from the moment that is noticed.
  const lostAt = checkpoint.lostAt === undefined ? now : Date.parse(checkpoint.lostAt);
  const leftMs = lostAt + timing.settleMs - now;
  return leftMs > 0 ? { state: "unknown", leftMs } : { state: "absent", lost: true };
}

/**
 * The state of a reimport without a record. Its test stays at 100 % while it runs, so only new findings reveal it. It is treated like a
 * test that may still appear, with more time after its last sign of life.
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

/** How far a running import is, and since when it has made no progress. */
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
