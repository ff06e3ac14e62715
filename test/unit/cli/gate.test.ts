import { describe, expect, it } from "vitest";
import { exitCodeOf } from "../../../cli/wait/exit-codes.ts";
import { type GatedFinding, parseGate, passGate } from "../../../cli/wait/gate.ts";

const finding = (severity: string, attributes: Record<string, unknown> = {}): GatedFinding => ({
  name: `a ${severity}`,
  severity: severity === "Critical" ? "HIGH" : severity.toUpperCase(),
  attributes: { "defectdojo.org/finding-id": 1, "defectdojo.org/severity": severity, active: true, ...attributes },
});
async function* all(findings: readonly GatedFinding[]) {
  yield* findings;
}
const count = async (rule: string, findings: readonly GatedFinding[]) =>
  (await passGate(all(findings), parseGate(rule))).gate?.rules.map((each) => each.findings);
const original = (attributes: object) => ({ duplicate: true, "defectdojo.org/original-finding": { attributes } });

describe("--fail-on", () => {
  it.each([
    [{}, { new: 1, active: 1, any: 1 }],
    [
      { duplicate: true, active: false },
      { new: 0, active: 1, any: 1 },
    ],
    [{ active: false }, { new: 0, active: 0, any: 1 }],
    [{ "defectdojo.org/run-status": "known" }, { new: 0, active: 1, any: 1 }],
    [{ underReview: true }, { new: 0, active: 1, any: 1 }],
    [{ falsePositive: true }, { new: 0, active: 0, any: 1 }],
    [{ riskAccepted: true }, { new: 0, active: 0, any: 1 }],
    [{ outOfScope: true }, { new: 0, active: 0, any: 1 }],
    [{ mitigated: true }, { new: 0, active: 0, any: 1 }],
    [original({ falsePositive: true }), { new: 0, active: 0, any: 1 }],
    [original({ falsePositive: false, active: true }), { new: 0, active: 1, any: 1 }],
    [original({ active: false }), { new: 0, active: 0, any: 1 }],
    [{ "defectdojo.org/missing": true }, { new: 0, active: 0, any: 1 }],
    [
      { "defectdojo.org/finding-id": undefined, "defectdojo.org/matched": false },
      { new: 0, active: 0, any: 1 },
    ],
  ])("of a finding with %j", async (attributes, expected) => {
    for (const [which, findings] of Object.entries(expected))
      expect(await count(`high:${which}`, [finding("High", attributes)])).toEqual([findings]);
  });

  it("counts that severity and worse; DefectDojo's own severity goes before the scanner's", async () => {
    const findings = ["Critical", "High", "Medium", "Low", "Info"].map((severity) => finding(severity));
    for (const [index, severity] of ["critical", "high", "medium", "low", "info"].entries())
      expect(await count(severity, findings)).toEqual([index + 1]);
    expect(await count("medium", [{ name: "x", severity: "MEDIUM" }])).toEqual([0]);
    expect(await count("medium:any,informational:any", [{ name: "x", severity: "MEDIUM" }, { name: "y" }])).toEqual([
      1, 2,
    ]);
  });

  it("shows the worst, and keeps no more than it shows", async () => {
    const findings = [...Array.from({ length: 30 }, () => finding("Low")), finding("Critical")];
    const { gate, bySeverity } = await passGate(all(findings), parseGate("low"));
    expect(gate?.examples.map(({ severity }) => severity)).toEqual(["Critical", ...Array(9).fill("Low")]);
    expect(bySeverity).toEqual({ critical: 1, high: 0, medium: 0, low: 30, info: 0 });
  });

  it("may be repeated, and is not asked without a rule", async () => {
    expect(parseGate("critical:any", parseGate("high")).map(({ text }) => text)).toEqual(["high:new", "critical:any"]);
    expect((await passGate(all([finding("High")]), [])).gate).toBeUndefined();
  });

  it.each(["", "huge", "high:", "high:old", "high:new:x", "high,,low"])("refuses %j", (text) => {
    expect(() => parseGate(text)).toThrow("It must be SEVERITY[:WHICH]");
  });
});

it.each([
  [["passed", "passed"], 0],
  [["passed", "gate failed"], 2],
  [["gate failed", "dead-lettered"], 3],
  [["gate failed", "timed-out"], 4],
  [["superseded", "left-out"], 5],
  [["left-out", "gate failed"], 6],
  [["dead-lettered", "interrupted"], 130],
  [[], 0],
] as const)("several waits that ended %j exit with %i", (ends, code) => {
  expect(exitCodeOf(ends)).toBe(code);
});
