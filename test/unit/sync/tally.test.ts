import { describe, expect, it } from "vitest";
import {
  addCounts,
  countsIn,
  describeCounts,
  eachVerdict,
  NO_FINDINGS,
  VERDICTS,
} from "../../../lib/model/verdicts.ts";
import type { DojoFinding } from "../../../lib/ports/dojo-finding.ts";
import { tally, verdictsOf } from "../../../lib/sync/tally.ts";
import { aDojoFinding } from "../../helpers/factories.ts";
import { fc } from "../../helpers/property.ts";

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
      ...{
        underReview: 0,
        riskAccepted: 0,
        outOfScope: 0,
        falsePositives: 0,
        duplicates: 0,
        mitigated: 0,
        inactive: 0,
      },
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

  it.each(VERDICTS)("a finding that is $label is not new", ({ attribute, count: counted, ...row }) => {
    expect(count([{ [attribute]: !("unless" in row) }], [{}])).toMatchObject({ new: 1, [counted]: 1 });
  });

  it.each(VERDICTS.filter(({ ofOriginal, count: name }) => ofOriginal && name !== "mitigated"))(
    "$label of the original counts for its duplicate, which is counted once",
    ({ attribute, count: counted }) => {
      expect(count([{ duplicate: true }, { [attribute]: true }])).toMatchObject({
        new: 0,
        duplicates: 0,
        [counted]: 1,
      });
    },
  );

  it("row 17: a finding with several verdicts is counted once, by their precedence", () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { minLength: VERDICTS.length, maxLength: VERDICTS.length }), (holds) => {
        const fields = VERDICTS.map(
          ({ attribute, ...row }, n) => [attribute, (holds[n] ?? false) !== "unless" in row] as const,
        );
        const { findings, markedDuplicate: _, ...counts } = count([Object.fromEntries(fields)]);
        expect(findings.count).toBe(1);
        const expected = VERDICTS.find((_row, n) => holds[n] === true)?.count ?? "new";
        expect(Object.entries(counts).filter(([, number]) => number !== 0)).toEqual([[expected, 1]]);
      }),
    );
  });

  it("one that DefectDojo no longer has is missing, and neither new nor judged", () => {
    const counts = tally();
    counts.add("missing", { category: "A", severity: "HIGH" });
    expect(counts.counts()).toMatchObject({ findings: { count: 1 }, missing: 1, new: 0, inactive: 0 });
  });
});

describe("the counts in words", () => {
  it("name every verdict that there is, of a receipt of this version or an earlier one", () => {
    const { underReview: _u, inactive: _i, ...older } = { ...NO_FINDINGS, new: 2, duplicates: 3 };
    expect(describeCounts(countsIn(older))).toBe("2 new, 3 duplicates");
    const all = { ...NO_FINDINGS, missing: 1, ...eachVerdict(() => 1) };
    expect(describeCounts(countsIn(all))).toBe(
      "0 new, 1 under review, 1 risk accepted, 1 out of scope, 1 false positives, 1 duplicates, 1 mitigated, 1 inactive, 1 missing in DefectDojo",
    );
    expect(addCounts(all, all)).toMatchObject({ missing: 2, inactive: 2, new: 0 });
  });
});
