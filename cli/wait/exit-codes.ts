import type { WaitEnd } from "./wait-for.ts";

/** One row per result that a pipeline can distinguish; 1 is an error, as for every command. */
const EXIT_CODES = {
  passed: 0,
  "gate failed": 2,
  "dead-lettered": 3,
  "timed-out": 4,
  superseded: 5,
  "left-out": 6,
  outdated: 7,
  interrupted: 130,
} as const satisfies Record<Exclude<WaitEnd["state"], "done"> | "passed" | "gate failed", number>;

export type Ended = keyof typeof EXIT_CODES;

/** The exit code of several waits: that of the worst result for a pipeline. */
export function exitCodeOf(ends: readonly Ended[]): number {
  const worstFirst: readonly Ended[] = [
    "interrupted",
    "dead-lettered",
    "timed-out",
    "superseded",
    "left-out",
    "outdated",
    "gate failed",
  ];
  return EXIT_CODES[worstFirst.find((end) => ends.includes(end)) ?? "passed"];
}
