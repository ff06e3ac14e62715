import { describe, expect, it } from "vitest";
import { countSeverity, severityCounts } from "../../../lib/report/uploaded-counts.ts";
import { fewerWarning } from "../../../lib/sync/comparison.ts";

/** Findings of each severity, worst first. */
function counts(high: number, medium: number, low: number, informational: number) {
  const all = severityCounts();
  const each = { High: high, Medium: medium, Low: low, Info: informational } as const;
  for (const severity of ["High", "Medium", "Low", "Info"] as const)
    for (let n = 0; n < each[severity]; n++) countSeverity(all, severity);
  return all;
}

describe("the warning that DefectDojo keeps less", () => {
  const start = "DefectDojo keeps less than the scanner found: ";

  it.each([
    ["fewer and less severe ones", counts(3, 0, 0, 165), counts(0, 0, 0, 8), "8 of 168 findings, 0 of 3 that are HIGH"],
    ["as many, less severe ones", counts(1, 0, 0, 1), counts(0, 1, 0, 1), "0 of 1 that are HIGH"],
    ["fewer of the least severe alone", counts(1, 0, 0, 2), counts(1, 0, 0, 1), "2 of 3 findings"],
    [
      "more of each grade",
      counts(2, 2, 2, 0),
      counts(1, 0, 0, 0),
      "1 of 6 findings, 1 of 2 that are HIGH, 1 of 4 that are MEDIUM or worse, 1 of 6 that are LOW or worse",
    ],
  ])("names %s, each loss once", (_, uploaded, kept, said) => {
    expect(fewerWarning(uploaded, kept)).toBe(start + said);
  });

  it("is none where nothing is lost, or all is rated worse", () => {
    expect(fewerWarning(counts(1, 1, 1, 1), counts(1, 1, 1, 1))).toBeUndefined();
    expect(fewerWarning(counts(0, 1, 0, 0), counts(1, 0, 0, 3))).toBeUndefined();
  });
});
