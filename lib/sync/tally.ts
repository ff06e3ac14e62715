import type { Receipt } from "../model/receipt.ts";
import { dropUndefined } from "../model/scan.ts";
import {
  type Counted,
  countedAs,
  eachVerdict,
  type RunStatus,
  type VerdictCounts,
  type Verdicts,
} from "../model/verdicts.ts";
import type { TestCounts } from "../ports/defectdojo.ts";
import type { DojoFinding } from "../ports/dojo-finding.ts";
import { IMPORTED_CATEGORY } from "./to-synced-finding.ts";

export type Counts = VerdictCounts &
  Pick<Receipt, "findings" | "markedDuplicate" | "missing" | "known" | "reactivated">;

const SEVERITIES: Readonly<Record<string, keyof Counts["findings"]["severities"]>> = {
  INFORMATIONAL: "informational",
  LOW: "low",
  MEDIUM: "medium",
  HIGH: "high",
};

/** DefectDojo's verdicts on a finding. They stand on the original of a duplicate. */
export function verdictsOf(finding: DojoFinding, original: DojoFinding | undefined): Verdicts {
  return eachVerdict(({ attribute, ofOriginal, ...row }) => {
    const holds = (one: DojoFinding | undefined) => one !== undefined && one[attribute] !== "unless" in row;
    return holds(finding) || (ofOriginal && holds(original));
  });
}

/** Counts findings as they pass, for the receipt. */
export interface Tally {
  /**
   * @param verdicts undefined for a finding that DefectDojo does not have: it is not new either; `missing` where it had it
   * @param written category and severity as they stand in the written finding
   */
  add(verdicts: Verdicts | "missing" | undefined, written: { category: string; severity: string }): void;
  counts(): Counts;
}

/** @param living whether the findings are those of a run in a living test */
export function tally(living = false): Tally {
  const severities = { informational: 0, low: 0, medium: 0, high: 0 };
  const categories = new Map<string, number>();
  const counted: Record<Counted | RunStatus, number> = { new: 0, ...eachVerdict(() => 0), known: 0, reactivated: 0 };
  let all = 0;
  let missing = 0;
  return {
    add: (verdicts, written) => {
      all++;
      if (verdicts === "missing") missing++;
      else if (verdicts !== undefined) counted[countedAs(verdicts)]++;
      severities[SEVERITIES[written.severity] ?? "informational"]++;
      categories.set(written.category, (categories.get(written.category) ?? 0) + 1);
    },
    counts: () => ({
      findings: { count: all, severities: { ...severities }, categories: Object.fromEntries(categories) },
      ...(living ? counted : withoutRun(counted)),
      ...(missing === 0 ? {} : { missing }),
    }),
  };
}

function withoutRun({ known: _, reactivated: __, ...counted }: Record<Counted | RunStatus, number>) {
  return counted;
}

/**
 * A receipt's counts out of DefectDojo's own, for findings that nobody reads. The verdict on the original of a duplicate is not among them: it counts
 * as a duplicate alone.
 */
export function countsOf({ total, severities, verdicts, markedDuplicate }: TestCounts): Counts {
  const { Critical, High, Medium, Low, Info } = severities;
  return {
    findings: {
      count: total,
      severities: { informational: Info, low: Low, medium: Medium, high: High + Critical },
      categories: total === 0 ? {} : { [IMPORTED_CATEGORY]: total },
    },
    ...verdicts,
    ...dropUndefined({ markedDuplicate }),
  };
}
