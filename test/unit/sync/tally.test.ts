import { describe, expect, it } from "vitest";
import type { DojoFinding } from "../../../lib/ports/defectdojo.ts";
import { tally, verdictsOf } from "../../../lib/sync/tally.ts";
import { aDojoFinding } from "../../helpers/factories.ts";

const count = (...findings: [Partial<DojoFinding>, (Partial<DojoFinding> | undefined)?, string?, string?][]) => {
  const counts = tally();
  for (const [finding, original, severity = "LOW", category = "Open Port"] of findings)
    counts.add(verdictsOf(aDojoFinding(finding), original && aDojoFinding(original)), { category, severity });
  return counts.counts();
};

describe("the counts of a receipt", () => {
  it("of nothing are zero", () => {
    expect(count()).toEqual({
      findings: { count: 0, severities: { informational: 0, low: 0, medium: 0, high: 0 }, categories: {} },
      new: 0,
      duplicates: 0,
      falsePositives: 0,
      riskAccepted: 0,
      outOfScope: 0,
      mitigated: 0,
    });
  });

  it("are by severity and category as in Scan.status.findings", () => {
    const { findings } = count(
      [{}, undefined, "HIGH", "A"],
      [{}, undefined, "HIGH", "B"],
      [{}, undefined, "MEDIUM", "A"],
      [{}, undefined, "LOW", "A"],
      [{}, undefined, "INFORMATIONAL", "A"],
    );
    expect(findings).toEqual({
      count: 5,
      severities: { informational: 1, low: 1, medium: 1, high: 2 },
      categories: { A: 4, B: 1 },
    });
  });

  it("keep a category of any name", () => {
    const { categories } = count([{}, undefined, "LOW", "__proto__"], [{}, undefined, "LOW", "constructor"]).findings;
    expect(Object.entries(categories)).toEqual([
      ["__proto__", 1],
      ["constructor", 1],
    ]);
  });

  it.each([
    ["duplicate", "duplicates"],
    ["falsePositive", "falsePositives"],
    ["riskAccepted", "riskAccepted"],
    ["outOfScope", "outOfScope"],
    ["mitigated", "mitigated"],
  ] as const)("a finding that is %s is not new", (verdict, counted) => {
    expect(count([{ [verdict]: true }], [{}])).toMatchObject({ new: 1, [counted]: 1 });
  });

  it.each([
    ["falsePositive", "falsePositives"],
    ["riskAccepted", "riskAccepted"],
    ["outOfScope", "outOfScope"],
    ["mitigated", "mitigated"],
  ] as const)("%s of the original counts for its duplicate", (verdict, counted) => {
    expect(count([{ duplicate: true }, { [verdict]: true }])).toMatchObject({ new: 0, duplicates: 1, [counted]: 1 });
  });

  it("a finding with several verdicts counts under each, and once in all", () => {
    expect(count([{ falsePositive: true, mitigated: true }])).toMatchObject({
      findings: { count: 1 },
      new: 0,
      falsePositives: 1,
      mitigated: 1,
    });
  });
});
