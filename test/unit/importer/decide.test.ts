import { describe, expect, it } from "vitest";
import type { Checkpoint } from "../../../lib/importer/checkpoint.ts";
import { type Decision, decide, decideUnrecorded, firstIncomplete, progressOf } from "../../../lib/importer/decide.ts";
import type { Test } from "../../../lib/ports/defectdojo.ts";
import { aTest } from "../../helpers/factories.ts";

const NOW = Date.parse("2026-11-24T12:00:00.000Z");
const TIMING = { settleMs: 120_000, stalledMs: 300_000 };
const ago = (seconds: number) => new Date(NOW - seconds * 1000).toISOString();

const done = (id: number) => aTest({ id, percentComplete: 100 });
const half = (id: number) => aTest({ id, percentComplete: 50 });
const still = (testId: number, seconds: number) => ({ progress: { testId, findings: 3, since: ago(seconds) } });

interface Row {
  readonly when: string;
  readonly tests?: readonly Test[];
  readonly answered?: number;
  readonly checkpoint?: Partial<Checkpoint>;
  readonly is: Decision;
}

/** ADR 3's table, state by state. */
const ROWS: readonly Row[] = [
  { when: "one is complete", tests: [done(1)], is: { state: "found", test: done(1), surplus: [] } },
  {
    when: "several are complete",
    tests: [done(1), done(2), done(3)],
    is: { state: "found", test: done(1), surplus: [done(2), done(3)] },
  },
  {
    when: "the answer names one that shows 50 %",
    tests: [half(1)],
    answered: 1,
    is: { state: "found", test: half(1), surplus: [] },
  },
  {
    when: "an older one is complete than the answer's",
    tests: [done(1), half(2)],
    answered: 2,
    is: { state: "found", test: done(1), surplus: [half(2)] },
  },
  {
    when: "one is complete, however the checkpoint says that an import has no answer",
    tests: [done(1)],
    checkpoint: { postedAt: ago(10), lostAt: ago(5), unanswered: "socket hang up" },
    is: { state: "found", test: done(1), surplus: [] },
  },
  { when: "one is seen at 50 % for the first time", tests: [half(1)], is: { state: "running", test: half(1) } },
  {
    when: "one stood still for less than stalledMs",
    tests: [half(1)],
    checkpoint: still(1, 299),
    is: { state: "running", test: half(1) },
  },
  {
    when: "another one stood still",
    tests: [half(2)],
    checkpoint: still(1, 900),
    is: { state: "running", test: half(2) },
  },
  {
    when: "one runs beside a complete one",
    tests: [half(1), done(2)],
    is: { state: "running", test: half(1) },
  },
  {
    when: "one stood still for stalledMs",
    tests: [half(1)],
    checkpoint: still(1, 300),
    is: { state: "stale", test: half(1), others: false },
  },
  {
    when: "one stood still beside others",
    tests: [half(1), half(2)],
    checkpoint: still(1, 300),
    is: { state: "stale", test: half(1), others: true },
  },
  {
    when: "one stood still beside the answer's",
    tests: [half(1), half(2)],
    answered: 2,
    checkpoint: still(1, 300),
    is: { state: "stale", test: half(1), others: true },
  },
  {
    when: "a generic import takes the place of one that kept fewer",
    tests: [done(1)],
    checkpoint: { replaces: 1 },
    is: { state: "replaced", test: done(1) },
  },
  {
    when: "that one is the answer's, at 50 %",
    tests: [half(1)],
    answered: 1,
    checkpoint: { replaces: 1 },
    is: { state: "replaced", test: half(1) },
  },
  {
    when: "the generic import is there beside that one",
    tests: [done(1), done(2)],
    checkpoint: { replaces: 1 },
    is: { state: "replaced", test: done(1) },
  },
  {
    when: "the generic import runs beside that one",
    tests: [done(1), half(2)],
    checkpoint: { replaces: 1 },
    is: { state: "running", test: half(2) },
  },
  {
    when: "the generic import is there, and that one is gone",
    tests: [done(2)],
    checkpoint: { replaces: 1 },
    is: { state: "found", test: done(2), surplus: [] },
  },
  {
    when: "that one is gone, and the generic import was not sent",
    checkpoint: { replaces: 1 },
    is: { state: "absent", lost: false },
  },
  {
    when: "that one is gone, and the generic import has no answer",
    checkpoint: { replaces: 1, postedAt: ago(10), lostAt: ago(5) },
    is: { state: "unknown", leftMs: 115_000 },
  },
  {
    when: "the sender of an import died",
    checkpoint: { postedAt: ago(900) },
    is: { state: "unknown", leftMs: 120_000 },
  },
  {
    when: "an import without an answer may still show up",
    checkpoint: { postedAt: ago(900), lostAt: ago(119) },
    is: { state: "unknown", leftMs: 1_000 },
  },
  {
    when: "an import without an answer has stayed away",
    checkpoint: { postedAt: ago(900), lostAt: ago(120) },
    is: { state: "absent", lost: true },
  },
  {
    when: "nobody can read since when an answer is missing",
    checkpoint: { postedAt: ago(900), lostAt: "yesterday" },
    is: { state: "absent", lost: true },
  },
  { when: "nothing was sent", is: { state: "absent", lost: false } },
  {
    when: "nothing was sent after a test that is gone",
    checkpoint: still(1, 900),
    is: { state: "absent", lost: false },
  },
];

describe("what has become of an import", () => {
  it.each(ROWS)("is $is.state where $when", ({ tests = [], answered, checkpoint = {}, is }) => {
    expect(decide({ tests, answered }, checkpoint, NOW, TIMING)).toEqual(is);
  });

  it("has a row for every state", () => {
    expect(new Set(ROWS.map(({ is }) => is.state))).toEqual(
      new Set(["found", "running", "replaced", "stale", "unknown", "absent"]),
    );
  });
});

describe("the test whose findings tell", () => {
  it("is the oldest that is not complete and not the answer's", () => {
    expect(firstIncomplete({ tests: [done(1), half(2), half(3), half(4)], answered: 2 })?.id).toBe(3);
    expect(firstIncomplete({ tests: [done(1)], answered: undefined })).toBeUndefined();
  });
});

describe("the progress of a running import", () => {
  const before = { testId: 1, findings: 3, since: ago(60) };
  it("keeps its time while the number stays", () => {
    expect(progressOf(before, half(1), 3, NOW)).toBe(before);
  });
  it.each([
    ["grows", half(1), 4],
    ["is another test's", half(2), 3],
  ])("begins anew where it %s", (_, test, findings) => {
    expect(progressOf(before, test, findings, NOW)).toEqual({ testId: test.id, findings, since: ago(0) });
  });
});

describe("a reimport without a record", () => {
  const since = (seconds: number) => ({ progress: { testId: 1, findings: 3, since: ago(seconds) } });
  it.each<{ when: string; checkpoint: Partial<Checkpoint>; is: Decision }>([
    { when: "was never sent", checkpoint: {}, is: { state: "absent", lost: false } },
    {
      when: "was sent by somebody who died",
      checkpoint: { postedAt: ago(900) },
      is: { state: "unknown", leftMs: 300_000 },
    },
    {
      when: "got no answer a while ago",
      checkpoint: { postedAt: ago(900), lostAt: ago(100) },
      is: { state: "unknown", leftMs: 200_000 },
    },
    {
      when: "showed new findings after that",
      checkpoint: { postedAt: ago(900), lostAt: ago(500), ...since(10) },
      is: { state: "unknown", leftMs: 290_000 },
    },
    {
      when: "stayed away for as long as a running import may stand still",
      checkpoint: { postedAt: ago(900), lostAt: ago(300), ...since(400) },
      is: { state: "absent", lost: true },
    },
  ])("that $when", ({ checkpoint, is }) => {
    expect(decideUnrecorded(checkpoint, NOW, TIMING)).toEqual(is);
  });
});
