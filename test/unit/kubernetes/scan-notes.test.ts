import { expect, test } from "vitest";
import { scanNotes } from "../../../cli/kubernetes/scan-notes.ts";

test("notes about Scans stay as long as the Scans do, however many come and go", () => {
  const there = new Set(Array.from({ length: 2_000 }, (_, n) => `stays-${n}`));
  const notes = scanNotes<number>((uid) => there.has(uid));
  for (const uid of there) notes.set(uid, 1);
  for (let n = 0; n < 50_000; n++) notes.set(`goes-${n}`, 2);
  expect([...there].every((uid) => notes.get(uid) === 1)).toBe(true);
  expect(notes.size).toBeLessThan(5_000);
  notes.delete("stays-0");
  expect(notes.get("stays-0")).toBeUndefined();
});
