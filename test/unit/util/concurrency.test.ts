import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { mapInOrder } from "../../../lib/util/concurrency.ts";
import { collect } from "../../helpers/collect.ts";

async function* upTo(count: number, began: (n: number) => void = () => undefined) {
  for (let n = 0; n < count; n++) {
    began(n);
    yield n;
  }
}

describe("mapInOrder", () => {
  it("yields results in order, with limited concurrency", async () => {
    let [now, most] = [0, 0];
    const slowFirst = async (n: number) => {
      most = Math.max(most, ++now);
      await sleep(10 - n);
      now--;
      return n * 2;
    };
    expect(await collect(mapInOrder(upTo(10), 3, slowFirst))).toEqual([0, 2, 4, 6, 8, 10, 12, 14, 16, 18]);
    expect(most).toBe(3);
  });

  it("pulls items only as it starts them, and stops when the reader stops", async () => {
    const begun: number[] = [];
    for await (const n of mapInOrder(
      upTo(100, (n) => begun.push(n)),
      4,
      async (n) => n,
    ))
      if (n === 1) break;
    expect(begun).toEqual([0, 1, 2, 3, 4]);
  });

  it("throws an item's error in its turn, and leaves no unhandled rejection", async () => {
    const given: number[] = [];
    const failing = async (n: number) => {
      if (n > 1) throw new Error(`no ${n}`);
      return n;
    };
    const reading = async () => {
      for await (const n of mapInOrder(upTo(9), 5, failing)) given.push(n);
    };
    await expect(reading()).rejects.toThrow("no 2");
    expect(given).toEqual([0, 1]);
  });
});
