import { describe, expect, it } from "vitest";
import { dojoApi } from "../../../lib/defectdojo/api.ts";
import { countFindings, toStatistics } from "../../../lib/defectdojo/counts.ts";
import { countsIn, VERDICTS } from "../../../lib/model/verdicts.ts";
import type { ImportStatistics } from "../../../lib/ports/defectdojo.ts";
import type { DojoFinding } from "../../../lib/ports/dojo-finding.ts";
import { countsOf, tally, verdictsOf } from "../../../lib/sync/tally.ts";
import { aDojoFinding } from "../../helpers/factories.ts";
import { fakeTransport } from "../../helpers/fake-transport.ts";
import { fc } from "../../helpers/property.ts";

const KNOWN: ImportStatistics = {
  total: 10,
  severities: { Critical: 1, High: 2, Medium: 3, Low: 4, Info: 0 },
  duplicates: 4,
  falsePositives: 0,
  riskAccepted: 0,
  outOfScope: 0,
  mitigated: 0,
  inactive: 0,
};

/** DefectDojo's `findings/` over these findings, by its boolean filters and severity; what was asked, without test and limit. */
function counted(findings: readonly DojoFinding[]) {
  const asked: string[] = [];
  const transport = fakeTransport(({ path, query }) => {
    const { test, limit, severity, ...filters } = query;
    expect([path, test, limit]).toEqual(["findings/", "7", "1"]);
    asked.push(new URLSearchParams({ ...(severity === undefined ? {} : { severity }), ...filters }).toString());
    const wanted = Object.entries(filters).map(([field, value]) => {
      const row = VERDICTS.find((each) => each.field === field);
      if (row === undefined) throw new Error(`no filter of DefectDojo: ${field}`);
      return [row.attribute, value === "true"] as const;
    });
    const found = findings.filter(
      (one) =>
        (severity === undefined || one.severity === severity) &&
        wanted.every(([attribute, value]) => one[attribute] === value),
    );
    return [200, { count: found.length, results: [] }];
  });
  return { api: dojoApi(transport), asked };
}

const anyFinding = fc
  .record({
    severity: fc.constantFrom("Critical", "High", "Medium", "Low", "Info"),
    ...Object.fromEntries(VERDICTS.map(({ attribute }) => [attribute, fc.boolean()])),
  })
  .map((fields) => aDojoFinding(fields as Partial<DojoFinding>));

/** What a reading of all findings counts. */
function read(findings: readonly DojoFinding[], originals: readonly (DojoFinding | undefined)[] = []) {
  const counts = tally();
  for (const [index, finding] of findings.entries())
    counts.add(verdictsOf(finding, originals[index]), { category: "", severity: "LOW" });
  return countsIn(counts.counts());
}

describe("row 17: counts without reading", () => {
  it("ask for nothing that the import has counted", async () => {
    const { api, asked } = counted([]);
    const { verdicts, markedDuplicate, ...sizes } = await countFindings(api, 7, KNOWN);
    expect(sizes).toEqual({ total: 10, severities: KNOWN.severities });
    expect([verdicts.new, verdicts.duplicates, markedDuplicate]).toEqual([6, 4, 4]);
    expect(asked).toEqual([]);
  });

  it.each(["mitigated", "inactive", "falsePositives"] as const)(
    "ask where findings are %s, which may overlap",
    async (name) => {
      const findings = [aDojoFinding({ active: false }), aDojoFinding({ active: false, mitigated: true })];
      const { api, asked } = counted(findings);
      const { verdicts } = await countFindings(api, 7, { ...KNOWN, total: 2, [name]: 2 });
      expect(verdicts).toMatchObject({ inactive: 1, mitigated: 1, new: 0 });
      expect(asked).toHaveLength(VERDICTS.length);
    },
  );

  it("agree with a full reading on any mix of verdicts, in at most twelve requests", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyFinding, { maxLength: 30 }), async (findings) => {
        const { api, asked } = counted(findings);
        const found = countsOf(await countFindings(api, 7));
        expect(countsIn(found)).toEqual(read(findings));
        expect(found.findings.count).toBe(findings.length);
        expect(asked.length).toBeLessThanOrEqual(12);
        const duplicates = findings.filter(({ duplicate }) => duplicate).length;
        if (found.markedDuplicate !== undefined) expect(found.markedDuplicate).toBe(duplicates);
      }),
    );
  });

  it("count a duplicate as one where a reading sees its original's verdict, and everything else alike", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(anyFinding, anyFinding), { maxLength: 20 }), async (pairs) => {
        const findings = pairs.map(([finding]) => finding);
        const originals = pairs.map(([finding, original]) => (finding.duplicate ? original : undefined));
        const { new: fresh, duplicates, mitigated, inactive, ...decided } = read(findings, originals);
        const counts = countsIn(countsOf(await countFindings(counted(findings).api, 7)));
        expect([counts.new, counts.mitigated, counts.inactive]).toEqual([fresh, mitigated, inactive]);
        const sum = Object.values(decided).reduce((all, one) => all + one, duplicates);
        const { underReview, riskAccepted, outOfScope, falsePositives } = counts;
        expect(counts.duplicates + underReview + riskAccepted + outOfScope + falsePositives).toBe(sum);
        expect(counts.duplicates).toBeGreaterThanOrEqual(duplicates);
      }),
    );
  });
});

describe("an import's statistics", () => {
  const row = { active: 0, verified: 0, duplicate: 0, false_p: 0, out_of_scope: 0, is_mitigated: 0, risk_accepted: 0 };
  const after = {
    info: { ...row, total: 1 },
    low: { ...row, total: 2 },
    medium: { ...row, total: 3 },
    high: { ...row, total: 4 },
    critical: { ...row, total: 5 },
    total: { ...row, total: 15, active: 7, duplicate: 6, is_mitigated: 1 },
  };

  it("are read as DefectDojo sends them", () => {
    expect(toStatistics(after)).toEqual({
      total: 15,
      severities: { Critical: 5, High: 4, Medium: 3, Low: 2, Info: 1 },
      ...{ duplicates: 6, falsePositives: 0, riskAccepted: 0, outOfScope: 0, mitigated: 1, inactive: 2 },
    });
  });

  it.each([undefined, null, {}, { total: { total: 3 } }, { ...after, low: null }])(
    "of another form are none: %j",
    (other) => {
      expect(toStatistics(other)).toBeUndefined();
    },
  );
});
