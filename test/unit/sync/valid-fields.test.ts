import { describe, expect, it } from "vitest";
import { dateTime, scanField } from "../../../lib/sync/valid-fields.ts";

describe("a time as secureCodeBox's schema takes it", () => {
  it.each([
    ["2026-11-20T10:05:03Z", "2026-11-20T10:05:03Z"],
    ["2026-11-20T10:05:03.123456+01:30", "2026-11-20T10:05:03.123456+01:30"],
    ["2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z"],
    ["2026-11-20", "2026-11-20T00:00:00.000Z"],
    ["2026-11-20 10:05:03Z", "2026-11-20T10:05:03.000Z"],
    ["2026-02-30T00:00:00Z", "2026-03-02T00:00:00.000Z"],
    ["2026-11-20T24:00:00Z", "2026-11-21T00:00:00.000Z"],
    ["2026-13-01T00:00:00Z", undefined],
    ["20 Nov 2026", undefined],
    ["Finding 7", undefined],
    ["", undefined],
    [7, undefined],
    [null, undefined],
  ])("%j is %j", (value, expected) => {
    expect(dateTime(value)).toBe(expected);
  });
});

describe("the scan that a finding names", () => {
  const own = { created_at: "2026-11-20T10:00:00Z", name: "own", namespace: "team", scan_type: "nmap" };

  it.each([
    ["is the finding's own", { ...own, name: "theirs", more: 1 }, { ...own, name: "theirs", more: 1 }],
    ["is completed", { name: "theirs", created_at: "soon", scan_type: 7 }, { ...own, name: "theirs" }],
    ["is the scan's where there is none", undefined, own],
    ["is the scan's where it is none", ["x"], own],
  ])("%s", (_, given, expected) => {
    expect(scanField(given, own)).toEqual(expected);
  });
});
