import type { Receipt } from "../model/receipt.ts";
import type { DojoFinding, TestCounts } from "../ports/defectdojo.ts";
import { IMPORTED_CATEGORY } from "./to-synced-finding.ts";

export type Counts = Pick<
  Receipt,
  "findings" | "new" | "duplicates" | "falsePositives" | "riskAccepted" | "outOfScope" | "mitigated"
>;

const SEVERITIES: Readonly<Record<string, keyof Counts["findings"]["severities"]>> = {
  INFORMATIONAL: "informational",
  LOW: "low",
  MEDIUM: "medium",
  HIGH: "high",
};

/** Which of a receipt's counts a finding goes into. */
export type Verdicts = Readonly<
  Record<"duplicates" | "falsePositives" | "riskAccepted" | "outOfScope" | "mitigated", boolean>
>;

/** DefectDojo's verdicts on a finding. They stand on the original of a duplicate. */
export function verdictsOf(finding: DojoFinding, original: DojoFinding | undefined): Verdicts {
  const either = (verdict: "falsePositive" | "riskAccepted" | "outOfScope" | "mitigated") =>
    finding[verdict] || original?.[verdict] === true;
  return {
    duplicates: finding.duplicate,
    falsePositives: either("falsePositive"),
    riskAccepted: either("riskAccepted"),
    outOfScope: either("outOfScope"),
    mitigated: either("mitigated"),
  };
}

/** Counts findings as they pass, for the receipt. */
export interface Tally {
  /**
   * @param verdicts undefined for a finding that DefectDojo does not have: it is not new either
   * @param written category and severity as they stand in the written finding
   */
  add(verdicts: Verdicts | undefined, written: { category: string; severity: string }): void;
  counts(): Counts;
}

export function tally(): Tally {
  const severities = { informational: 0, low: 0, medium: 0, high: 0 };
  const categories = new Map<string, number>();
  const seen = { all: 0, new: 0, duplicates: 0, falsePositives: 0, riskAccepted: 0, outOfScope: 0, mitigated: 0 };
  return {
    add: (verdicts, written) => {
      seen.all++;
      if (verdicts !== undefined) {
        if (!Object.values(verdicts).includes(true)) seen.new++;
        for (const name of Object.keys(verdicts) as (keyof Verdicts)[]) if (verdicts[name]) seen[name]++;
      }
      severities[SEVERITIES[written.severity] ?? "informational"]++;
      categories.set(written.category, (categories.get(written.category) ?? 0) + 1);
    },
    counts: () => {
      const { all, ...verdicts } = seen;
      return {
        findings: { count: all, severities: { ...severities }, categories: Object.fromEntries(categories) },
        ...verdicts,
      };
    },
  };
}

/**
 * A receipt's counts out of DefectDojo's own, for findings that nobody reads. The verdict on the original of a duplicate is not among them: it counts
 * as a duplicate alone.
 */
export function countsOf({ total, severities, ...verdicts }: TestCounts): Counts {
  const { Critical, High, Medium, Low, Info } = severities;
  return {
    findings: {
      count: total,
      severities: { informational: Info, low: Low, medium: Medium, high: High + Critical },
      categories: total === 0 ? {} : { [IMPORTED_CATEGORY]: total },
    },
    ...verdicts,
  };
}
