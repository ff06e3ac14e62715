import type { DojoSeverity } from "../model/annotations.ts";
import { eachVerdict, VERDICTS, type Verdict } from "../model/verdicts.ts";
import type { ImportStatistics, TestCounts } from "../ports/defectdojo.ts";
import type { DojoApi, Query } from "./api.ts";
import { importStatistics } from "./schemas.ts";

/** One row per verdict: the filters for the findings that have it and for those that do not. */
const FILTERS = eachVerdict(({ field, ...row }) => {
  const holds = !("unless" in row);
  return { holds: { [field]: holds }, not: { [field]: !holds } };
});

/** Filters findings that count as this verdict: it holds, and none before it does. */
function countedAs(verdict: Verdict): Query {
  const before = VERDICTS.slice(
    0,
    VERDICTS.findIndex(({ count }) => count === verdict),
  );
  return Object.assign({}, ...before.map(({ count }) => FILTERS[count].not), FILTERS[verdict].holds);
}

/** The severities to count; `Info` is the rest of the total. */
const ASKED_SEVERITIES: readonly Exclude<DojoSeverity, "Info">[] = ["Critical", "High", "Medium", "Low"];

/**
 * Counts a test's findings by parallel `limit=1` queries: twelve if nothing is known, none if the import's own statistics leave no doubt.
 * @param known trusted unchecked: its duplicates must be counted after deduplication
 */
export async function countFindings(api: DojoApi, testId: number, known?: ImportStatistics): Promise<TestCounts> {
  const count = (query: Query) => api.count("findings/", { test: testId, ...query });
  const certain = known !== undefined && hasDuplicatesAlone(known) ? known : undefined;
  const [{ total, severities }, verdicts] = await Promise.all([
    known ?? countSeverities(count),
    certain === undefined ? countVerdicts(count) : { ...eachVerdict(() => 0), duplicates: certain.duplicates },
  ]);
  const judged = Object.values(verdicts).reduce((sum, one) => sum + one, 0);
  const decided = verdicts.underReview + verdicts.riskAccepted + verdicts.outOfScope + verdicts.falsePositives;
  const markedDuplicate = known?.duplicates ?? (decided === 0 ? verdicts.duplicates : undefined);
  return { total, severities, verdicts: { new: Math.max(0, total - judged), ...verdicts }, markedDuplicate };
}

/** Other verdicts may hold for one finding together, and an inactive one may have become a duplicate since. */
function hasDuplicatesAlone({
  total: _total,
  severities: _severities,
  duplicates: _duplicates,
  ...others
}: ImportStatistics) {
  return Object.values(others).every((count) => count === 0);
}

type Count = (query: Query) => Promise<number>;

async function countSeverities(count: Count): Promise<Pick<TestCounts, "total" | "severities">> {
  const [total, severities] = await Promise.all([
    count({}),
    Promise.all(ASKED_SEVERITIES.map((severity) => count({ severity }))),
  ]);
  const [Critical = 0, High = 0, Medium = 0, Low = 0] = severities;
  const Info = total - severities.reduce((sum, one) => sum + one, 0);
  return { total, severities: { Critical, High, Medium, Low, Info } };
}

async function countVerdicts(count: Count): Promise<Record<Verdict, number>> {
  const counts = await Promise.all(VERDICTS.map((row) => count(countedAs(row.count))));
  return eachVerdict((row) => counts[VERDICTS.indexOf(row)] ?? 0);
}

/** @returns undefined if the response differs from that of 2.34 to 3.2: everything is then counted */
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
    inactive: Math.max(0, total.total - total.active - total.duplicate),
  };
}
