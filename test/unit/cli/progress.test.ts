import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { progressLine } from "../../../cli/terminal/progress.ts";

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

it("a pipeline's log gets a line when something changed, and a sign of life once a minute", () => {
  const output = new PassThrough({ encoding: "utf8" }) as unknown as NodeJS.WriteStream & PassThrough;
  const line = progressLine(output);
  const secondsLater = (seconds: number, text: string) => {
    vi.advanceTimersByTime(seconds * 1000);
    line.update(() => text);
    return output.read() as string | null;
  };
  expect(secondsLater(1, "waits")).toBeNull();
  expect(secondsLater(5, "waits")).toBe("waits\n");
  expect(secondsLater(6, "waits")).toBeNull();
  expect(secondsLater(6, "is sent")).toBe("is sent\n");
  expect(secondsLater(54, "is sent")).toBeNull();
  expect(secondsLater(6, "is sent")).toBe("is sent\n");
});
