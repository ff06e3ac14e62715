import { describe, expect, it } from "vitest";
import { precedence } from "../../cli/runtime/precedence.ts";

function underway(count: number, onSleep: (end: (index: number) => void) => void = () => undefined) {
  let slept = 0;
  const ends = Array.from({ length: count }, () => Promise.withResolvers<void>());
  const { first, giveWay } = precedence({
    now: () => slept,
    sleep: async (ms) => {
      slept += ms;
      onSleep((index) => ends[index]?.reject(new Error("it failed")));
    },
  });
  const works = ends.map(({ promise }) => first(() => promise));
  for (const work of works) work.catch(() => undefined);
  return { giveWay, works, slept: () => slept };
}

describe("background work", () => {
  it("starts at once when little is ahead", async () => {
    const { giveWay, slept } = underway(4);
    await giveWay();
    expect(slept()).toBe(0);
  });

  it("resumes when the other work ends, successfully or not", async () => {
    const { giveWay, slept, works } = underway(5, (end) => end(3));
    await giveWay();
    expect(slept()).toBeLessThan(100);
    await expect(works[3]).rejects.toThrow("it failed");
  });

  it("still progresses when the other work never ends", async () => {
    const { giveWay, slept } = underway(5);
    await giveWay();
    expect(slept()).toBe(2_000);
  });
});
