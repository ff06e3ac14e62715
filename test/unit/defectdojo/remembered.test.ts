import { expect, it } from "vitest";
import { remembered } from "../../../lib/defectdojo/remembered.ts";

it("asks once in a while, not each time and not once for ever", async () => {
  let [now, asked] = [0, 0];
  const { remember, forget } = remembered(() => now);
  const ask = () => remember("version", async () => ++asked);
  expect([await ask(), await ask()]).toEqual([1, 1]);
  now += 9 * 60_000;
  expect(await ask()).toBe(1);
  now += 60_000;
  expect(await ask()).toBe(2);
  forget("another");
  expect(await ask()).toBe(2);
  forget("version");
  expect(await ask()).toBe(3);
  forget();
  expect(await ask()).toBe(4);
});

it("does not remember a failure", async () => {
  let asked = 0;
  const { remember } = remembered();
  const ask = () =>
    remember("x", async () => {
      if (++asked === 1) throw new Error("no");
      return asked;
    });
  await expect(ask()).rejects.toThrow("no");
  expect(await ask()).toBe(2);
});
