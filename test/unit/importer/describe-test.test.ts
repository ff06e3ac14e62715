import { describe, expect, it } from "vitest";
import { describeTest } from "../../../lib/importer/describe-test.ts";
import { aScan } from "../../helpers/factories.ts";

const NOW = new Date("2026-11-24T12:00:00Z");

describe("what people read of a test", () => {
  it("is laid out as the reference hook does", () => {
    expect(describeTest(aScan(), "Ports", "Nmap Scan", NOW)).toEqual({
      title: "Ports",
      description: [
        "# Nmap Scan",
        "Started: 20.11.2026 10:00:00",
        "Ended: 20.11.2026 10:05:00",
        "ScanType: nmap",
        "Parameters: [-p,22,example.com]",
      ].join("\n"),
      start: "2026-11-20T10:00:00.000Z",
      end: "2026-11-20T10:05:00.000Z",
    });
  });

  it("is told in UTC", () => {
    const { description } = describeTest(aScan({ createdAt: "2026-11-20T01:00:00+02:00" }), "t", "x", NOW);
    expect(description).toContain("Started: 19.11.2026 23:00:00");
  });

  it("of a Scan without times begins and ends now", () => {
    const { createdAt: _, finishedAt: __, ...scan } = aScan();
    expect(describeTest(scan, "t", "x", NOW)).toMatchObject({
      description: expect.stringContaining("Started: n/a\nEnded: 24.11.2026 12:00:00"),
      start: "2026-11-24T12:00:00.000Z",
      end: "2026-11-24T12:00:00.000Z",
    });
  });

  it("never begins after its end, which DefectDojo refuses", () => {
    const { start, end } = describeTest(aScan({ createdAt: "2026-11-21T00:00:00Z" }), "t", "x", NOW);
    expect(start).toBe(end);
  });

  it("has parameters of any length in short, and in whole characters", () => {
    const { description = "" } = describeTest(
      aScan({ parameters: ["x".repeat(3_998), "😀".repeat(5_000)] }),
      "t",
      "x",
      NOW,
    );
    expect(description.length).toBeLessThan(4_200);
    expect(description.isWellFormed()).toBe(true);
  });

  it("holds no character that a database refuses", () => {
    const { description } = describeTest(aScan({ scanType: "n\u0000map", parameters: ["a\u0000b"] }), "t", "x", NOW);
    expect(description).not.toContain("\u0000");
  });
});
