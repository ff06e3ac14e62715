import type { DojoSeverity } from "../model/annotations.ts";
import type { ImportStatistics, TestCounts } from "../ports/defectdojo.ts";
import type { DojoApi, Query } from "./api.ts";
import { importStatistics } from "./schemas.ts";

type Verdict = "duplicates" | "falsePositives" | "riskAccepted" | "outOfScope" | "mitigated";

/** One row a verdict: the filter of `findings/` (`ApiFindingFilter`, 2.34 to 3.2) that finds it. */
const FILTERS: Readonly<Record<Verdict, string>> = {
  duplicates: "duplicate",
  falsePositives: "false_p",
  riskAccepted: "risk_accepted",
  outOfScope: "out_of_scope",
  mitigated: "is_mitigated",
};
const VERDICTS = Object.keys(FILTERS) as Verdict[];
const NO_VERDICT: Query = Object.fromEntries(Object.values(FILTERS).map((filter) => [filter, false]));

/** The severities to count; `Info` is the rest of the total. */
const ASKED_SEVERITIES: readonly Exclude<DojoSeverity, "Info">[] = ["Critical", "High", "Medium", "Low"];

/**
 * Counts a test's findings by `limit=1` queries side by side: eleven where nothing is known, one at most beside an import's own statistics.
 * @param known trusted as it is: its duplicates must be counted after deduplication
 */
export async function countFindings(api: DojoApi, testId: number, known?: ImportStatistics): Promise<TestCounts> {
  const count = (query: Query) => api.count("findings/", { test: testId, ...query });
  if (known === undefined) return await countAll(count);
  // Verdicts other than duplicates can stand on one finding together; duplicates alone cannot overlap with anything.
  const onlyDuplicates = VERDICTS.every((verdict) => verdict === "duplicates" || known[verdict] === 0);
  return { ...known, new: onlyDuplicates ? known.total - known.duplicates : await count(NO_VERDICT) };
}

async function countAll(count: (query: Query) => Promise<number>): Promise<TestCounts> {
  const [total, fresh, severities, verdicts] = await Promise.all([
    count({}),
    count(NO_VERDICT),
    Promise.all(ASKED_SEVERITIES.map((severity) => count({ severity }))),
    Promise.all(VERDICTS.map((verdict) => count({ [FILTERS[verdict]]: true }))),
  ]);
  const [Critical = 0, High = 0, Medium = 0, Low = 0] = severities;
  const Info = total - severities.reduce((sum, one) => sum + one, 0);
  const [duplicates = 0, falsePositives = 0, riskAccepted = 0, outOfScope = 0, mitigated = 0] = verdicts;
  return {
    total,
    severities: { Critical, High, Medium, Low, Info },
    ...{ duplicates, falsePositives, riskAccepted, outOfScope, mitigated },
    new: fresh,
  };
}

/** @returns undefined when the answer differs from that of 2.34 to 3.2: everything is counted then */
export function toStatistics(after: unknown): ImportStatistics | undefined {
  const parsed = importStatistics.safeParse(after);
  if (!parsed.success) return undefined;
  const { info, low, medium, high, critical, total } = parsed.data;
  return {
    total: total.total,
    severities: {
      Critical: critical.total,
      High: high.total,
      Medium: medium.total,
      Low: low.total,
      Info: info.total,
    },
    duplicates: total.duplicate,
    falsePositives: total.false_p,
    riskAccepted: total.risk_accepted,
    outOfScope: total.out_of_scope,
    mitigated: total.is_mitigated,
  };
}
