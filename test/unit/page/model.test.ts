import { expect, it } from "vitest";
import {
  dayStart,
  filterHash,
  historyQuery,
  matches,
  NO_FILTER,
  readHash,
  scanHash,
  shownScans,
  totals,
} from "../../../cli/page/model.js";
import type { SeenScan } from "../../../cli/runtime/seen-scan.ts";

const aSeen = (changes: Partial<SeenScan> = {}): SeenScan => ({
  id: "bucket/scan/findings.json",
  scan: "nmap-shop",
  scanType: "nmap",
  product: "Shop",
  state: "done",
  at: "2026-11-28T10:00:00.000Z",
  ...changes,
});

it("the URL holds the filter or one scan, and reads back as written", () => {
  const filter = { ...NO_FILTER, product: "A & B #1", state: "failed", from: "2026-11-01" };
  expect(readHash(filterHash(filter))).toEqual({ scan: undefined, filter });
  expect(filterHash(NO_FILTER)).toBe("#");
  expect(readHash("")).toEqual({ scan: undefined, filter: NO_FILTER });
  const id = "bucket/a b/ünd&x=1#/findings.json";
  expect(readHash(scanHash(id)).scan).toBe(id);
});

it.each([
  [{ text: " NMAP " }, true],
  [{ text: "scan/find" }, true],
  [{ text: "zap" }, false],
  [{ product: "Shop" }, true],
  [{ product: "shop" }, false],
  [{ type: "nmap" }, true],
  [{ type: "zap" }, false],
  [{ state: "done" }, true],
  [{ state: "failed" }, false],
  [{ from: "2026-11-27" }, true],
  [{ from: "2026-11-30" }, false],
  [{ to: "2026-11-29" }, true],
  [{ to: "2026-11-20" }, false],
  [{ from: "no date" }, true],
])("a filter %j selects the scan: %s", (filter, selected) => {
  expect(matches(aSeen(), { ...NO_FILTER, ...filter })).toBe(selected);
});

it("a filter includes its whole last day", () => {
  const last = new Date(2026, 10, 28, 23, 59).toISOString();
  expect(matches(aSeen({ at: last }), { ...NO_FILTER, to: "2026-11-28" })).toBe(true);
  expect(dayStart("2026-11-28", 1)).toBe(new Date(2026, 10, 29).toISOString());
});

it("queries the history only for states that it holds", () => {
  expect(historyQuery({ ...NO_FILTER, state: "failed" })).toBeUndefined();
  expect(historyQuery({ ...NO_FILTER, state: "done" })?.toString()).toBe("");
  const asked = historyQuery({ ...NO_FILTER, text: " x ", product: "Shop" }, { at: "t", key: "k" });
  expect(Object.fromEntries(asked ?? [])).toEqual({ text: "x", product: "Shop", at: "t", key: "k" });
});

it("lists each scan once, newest first, and prefers newer live data", () => {
  const [old, newer] = ["2026-11-01T00:00:00.000Z", "2026-11-02T00:00:00.000Z"];
  const live = [aSeen({ id: "b/1", state: "running", at: newer }), aSeen({ id: "b/2", state: "running", at: old })];
  const older = [aSeen({ id: "b/1", at: old }), aSeen({ id: "b/2", at: newer }), aSeen({ id: "b/3", at: old })];
  expect(shownScans(live, older, NO_FILTER).map(({ id, state }) => `${id} ${state}`)).toEqual([
    "b/2 done",
    "b/1 running",
    "b/3 done",
  ]);
  expect(shownScans(live, older, { ...NO_FILTER, state: "running" }).map(({ id }) => id)).toEqual(["b/1"]);
});

it("counts finished scans from the history alone", () => {
  expect(totals([aSeen(), aSeen({ state: "failed" }), aSeen({ state: "failed" })], 7)).toEqual({ done: 7, failed: 2 });
});
