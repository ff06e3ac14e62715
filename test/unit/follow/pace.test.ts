import { expect, it } from "vitest";
import { pauseAfter } from "../../../lib/follow/pace.ts";

const NOW = 10_000_000;
const MINUTE = 60_000;

it.each([
  ["while something happens", 30, undefined, 30],
  ["soon after", 30, NOW - 4 * MINUTE, 30],
  ["while nothing happens: once a minute", 30, NOW - 5 * MINUTE, 60],
  ["while nothing happens, with a short interval: twice as long", 5, NOW - 60 * MINUTE, 10],
  ["while nothing happens, with a long interval: as set", 120, NOW - 60 * MINUTE, 120],
] as const)("the next round comes, %s", (_, interval, idleSince, seconds) => {
  expect(pauseAfter({ failures: 0, idleSince }, interval * 1_000, NOW)).toBe(seconds * 1_000);
});

it("failures make pauses longer, up to five minutes", () => {
  const pauses = [1, 2, 3, 4, 20].map((failures) => pauseAfter({ failures, idleSince: 0 }, 30_000, NOW) / 1_000);
  expect(pauses).toEqual([60, 120, 240, 300, 300]);
});
