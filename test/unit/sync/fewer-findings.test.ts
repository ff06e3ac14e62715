import { describe, expect, it } from "vitest";
import { withFewerFindings } from "../../../lib/sync/fewer-findings.ts";

const counted = (inDojo: number, missing: number | undefined, written = inDojo + (missing ?? 0), uploaded = 5) => ({
  ...(missing === undefined ? {} : { missing }),
  findings: { count: written, severities: { informational: 0, low: 0, medium: 0, high: 0 }, categories: {} },
  uploaded: { count: uploaded },
  inDojo: { count: inDojo },
});

describe("row 5: findings that are no longer in DefectDojo", () => {
  it("are warned of, once, with both numbers", () => {
    const first = withFewerFindings(["other"], counted(2, 3), 5, true);
    expect(first).toEqual([
      "other",
      "DefectDojo now has 2 of the 5 findings that the import kept; missing findings stay in findings.json, marked defectdojo.org/missing",
    ]);
    const second = withFewerFindings(first, counted(0, 5), 5, true);
    expect(second).toEqual(["other", expect.stringContaining("0 of the 5 findings")]);
    expect(withFewerFindings(second, counted(5, undefined), 5, true)).toEqual(["other"]);
  });

  it("are warned of where nobody knows how many the import kept", () => {
    expect(withFewerFindings([], counted(2, 3), undefined, true)).toEqual([
      expect.stringContaining("3 fewer of the findings that findings.json had"),
    ]);
  });

  it("are said to be in findings.json where nothing is written back", () => {
    expect(withFewerFindings([], counted(2, 3), 5, false)).toEqual([expect.stringContaining("findings.json has all")]);
  });
});

describe("row 4: an empty findings.json", () => {
  it("is warned of where the scan found anything", () => {
    const warnings = withFewerFindings([], counted(0, undefined), 0, true);
    expect(warnings).toEqual(["findings.json is empty now: DefectDojo has none of the scan's 5 findings"]);
    expect(withFewerFindings(warnings, counted(1, undefined), 1, true)).toEqual([]);
  });

  it("is none where the scan found nothing, or findings.json stays as it was", () => {
    expect(withFewerFindings([], counted(0, undefined, 0, 0), 0, true)).toEqual([]);
    expect(withFewerFindings([], counted(0, undefined), 0, false)).toEqual([]);
  });
});
