import { describe, expect, it } from "vitest";
import { dojoApi } from "../../../lib/defectdojo/api.ts";
import { countFindings, toStatistics } from "../../../lib/defectdojo/counts.ts";
import type { ImportStatistics } from "../../../lib/ports/defectdojo.ts";
import { fakeTransport } from "../../helpers/fake-transport.ts";

const KNOWN: ImportStatistics = {
  total: 10,
  severities: { Critical: 1, High: 2, Medium: 3, Low: 4, Info: 0 },
  duplicates: 4,
  falsePositives: 0,
  riskAccepted: 0,
  outOfScope: 0,
  mitigated: 0,
};

/** A test of which `counts` findings match a query, by the query without test and limit. */
function counted(counts: Readonly<Record<string, number>>) {
  const asked: string[] = [];
  const transport = fakeTransport(({ path, query }) => {
    const { test, limit, ...filters } = query;
    expect([path, test, limit]).toEqual(["findings/", "7", "1"]);
    const filter = new URLSearchParams(filters).toString();
    asked.push(filter);
    return [200, { count: counts[filter] ?? 0, results: [] }];
  });
  return { api: dojoApi(transport), asked };
}

const NEW = "duplicate=false&false_p=false&risk_accepted=false&out_of_scope=false&is_mitigated=false";

describe("counts without reading", () => {
  it("ask for nothing that the import has counted", async () => {
    const { api, asked } = counted({});
    expect(await countFindings(api, 7, KNOWN)).toEqual({ ...KNOWN, new: 6 });
    expect(asked).toEqual([]);
  });

  it("ask what is new where verdicts may overlap", async () => {
    const { api, asked } = counted({ [NEW]: 5 });
    expect(await countFindings(api, 7, { ...KNOWN, mitigated: 3 })).toMatchObject({ mitigated: 3, new: 5 });
    expect(asked).toEqual([NEW]);
  });

  it("ask for everything where the import's answer was lost", async () => {
    const { api, asked } = counted({
      ...{ "": 10, "severity=Critical": 1, "severity=High": 2, "severity=Medium": 3, "severity=Low": 1 },
      ...{
        "duplicate=true": 4,
        "false_p=true": 3,
        "risk_accepted=true": 2,
        "out_of_scope=true": 1,
        "is_mitigated=true": 5,
      },
      [NEW]: 2,
    });
    expect(await countFindings(api, 7)).toEqual({
      total: 10,
      severities: { Critical: 1, High: 2, Medium: 3, Low: 1, Info: 3 },
      ...{ duplicates: 4, falsePositives: 3, riskAccepted: 2, outOfScope: 1, mitigated: 5, new: 2 },
    });
    expect(asked).toHaveLength(11);
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
    total: { ...row, total: 15, duplicate: 6, is_mitigated: 1 },
  };

  it("are read as DefectDojo sends them", () => {
    expect(toStatistics(after)).toEqual({
      total: 15,
      severities: { Critical: 5, High: 4, Medium: 3, Low: 2, Info: 1 },
      ...{ duplicates: 6, falsePositives: 0, riskAccepted: 0, outOfScope: 0, mitigated: 1 },
    });
  });

  it.each([undefined, null, {}, { total: { total: 3 } }, { ...after, low: null }])(
    "of another form are none: %j",
    (other) => {
      expect(toStatistics(other)).toBeUndefined();
    },
  );
});
