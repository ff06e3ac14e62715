import { describe, expect, it, vi } from "vitest";
import { precedence } from "../../cli/runtime/precedence.ts";

describe("work that gives way", () => {
  const underway = (count: number) => {
    const { first, giveWay } = precedence();
    const ends = Array.from({ length: count }, () => Promise.withResolvers<void>());
    const works = ends.map(({ promise }) => first(() => promise));
    return { giveWay, ends, works };
  };
  const after = async (milliseconds: number, given: Promise<void>) => {
    let gone = false;
    void given.then(() => {
      gone = true;
    });
    await vi.advanceTimersByTimeAsync(milliseconds);
    return gone;
  };

  it("goes at once where little goes first, on when that has ended, and in the end in any case", async () => {
    vi.useFakeTimers();
    try {
      expect(await after(0, underway(4).giveWay())).toBe(true);
      const busy = underway(5);
      const given = busy.giveWay();
      expect(await after(1_000, given)).toBe(false);
      busy.ends[0]?.reject(new Error("it failed"));
      await expect(busy.works[0]).rejects.toThrow("it failed");
      expect(await after(40, given)).toBe(true);
      expect(await after(2_100, underway(5).giveWay())).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });
});
