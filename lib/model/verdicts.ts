import type { Receipt } from "./receipt.ts";
import { dropUndefined } from "./scan.ts";

/**
 * DefectDojo's verdicts on a finding, one row each, in their precedence: a finding is counted once, under the first row that holds, else as new.
 * First people's decisions, then DefectDojo's, then that the finding is not open. A verdict `ofOriginal` holds for a duplicate too:
 * only the original has it.
 */
export const VERDICTS = [
  { count: "underReview", attribute: "underReview", field: "under_review", ofOriginal: true, label: "under review" },
  {
    count: "riskAccepted",
    attribute: "riskAccepted",
    field: "risk_accepted",
    ofOriginal: true,
    label: "risk accepted",
  },
  { count: "outOfScope", attribute: "outOfScope", field: "out_of_scope", ofOriginal: true, label: "out of scope" },
  { count: "falsePositives", attribute: "falsePositive", field: "false_p", ofOriginal: true, label: "false positives" },
  { count: "duplicates", attribute: "duplicate", field: "duplicate", ofOriginal: false, label: "duplicates" },
  { count: "mitigated", attribute: "mitigated", field: "is_mitigated", ofOriginal: true, label: "mitigated" },
  { count: "inactive", attribute: "active", field: "active", unless: true, ofOriginal: false, label: "inactive" },
] as const satisfies readonly VerdictRow[];

interface VerdictRow {
  /** Name of the count, in receipts and `--json`. */
  readonly count: string;
  /** The attribute in findings.json. */
  readonly attribute: string;
  /** DefectDojo's field, and the filter of `findings/` (2.34 to 3.2). */
  readonly field: string;
  /** The verdict holds if the attribute is false. */
  readonly unless?: true;
  readonly ofOriginal: boolean;
  /** For people. */
  readonly label: string;
}

export type Verdict = (typeof VERDICTS)[number]["count"];
/** The count that a finding belongs to. */
export type Counted = Verdict | "new";
export type VerdictCounts = Readonly<Record<Counted, number>>;
/** Whether a finding of a living test is new in a run, known, or reactivated. */
export type RunStatus = (typeof RUN_STATUSES)[number];
/** For findings of several parts: new if a part is new. */
const RUN_STATUSES = ["new", "reactivated", "known"] as const;
/** The attribute in findings.json with the run status of a finding in a living test. */
export const RUN_STATUS = "defectdojo.org/run-status";
/** Which verdicts hold for a finding; several may. In a living test, also its run status. */
export type Verdicts = Readonly<Record<Verdict, boolean>> & { readonly inRun?: RunStatus };

/** A finding that DefectDojo no longer has, as last known: no verdict, and not new. */
export const MISSING = {
  count: "missing",
  attribute: "defectdojo.org/missing",
  label: "missing in DefectDojo",
} as const;

type Attributes = Readonly<Record<string, unknown>>;

/** The verdicts of a finding in findings.json, including those of its original. */
export function verdictsIn(attributes: Attributes): Verdicts {
  const original = originalIn(attributes);
  const verdicts = eachVerdict(({ attribute, ofOriginal, ...row }) => {
    const holds = (one: Attributes) => (one[attribute] === true) !== "unless" in row;
    return holds(attributes) || (ofOriginal && original !== undefined && holds(original));
  });
  const inRun = RUN_STATUSES.find((status) => status === attributes[RUN_STATUS]);
  return { ...verdicts, ...dropUndefined({ inRun }) };
}

/** The embedded attributes of this duplicate's original. */
export function originalIn(attributes: Attributes): Attributes | undefined {
  const original = attributes["defectdojo.org/original-finding"] as { attributes?: Attributes } | null | undefined;
  return original?.attributes;
}

/** The count for a finding with these verdicts. */
export function countedAs(verdicts: Verdicts): Counted | RunStatus {
  return VERDICTS.find(({ count }) => verdicts[count])?.count ?? verdicts.inRun ?? "new";
}

/** The run status of a finding with several counterparts: new if a part is new. */
export function statusOfAll(all: readonly RunStatus[]): RunStatus | undefined {
  return RUN_STATUSES.find((status) => all.includes(status));
}

/** A value for each verdict. */
export function eachVerdict<T>(value: (row: (typeof VERDICTS)[number]) => T): Record<Verdict, T> {
  return Object.fromEntries(VERDICTS.map((row) => [row.count, value(row)])) as Record<Verdict, T>;
}

/** Findings without a verdict in a living test that are not new. */
const IN_RUN = [
  { count: "known", label: "known" },
  { count: "reactivated", label: "back" },
] as const;

export type FindingCounts = VerdictCounts &
  Readonly<Record<typeof MISSING.count, number>> &
  // Of living tests.
  Readonly<Partial<Record<(typeof IN_RUN)[number]["count"], number>>>;

/** A receipt's counts. Earlier versions count neither `underReview` nor `inactive`, and a finding under each of its other verdicts. */
export function countsIn(receipt: Pick<Receipt, keyof FindingCounts>): FindingCounts {
  const { known, reactivated } = receipt;
  const counts = {
    new: receipt.new,
    ...eachVerdict(({ count }) => receipt[count] ?? 0),
    missing: receipt.missing ?? 0,
  };
  return { ...counts, ...dropUndefined({ known, reactivated }) };
}

export const NO_FINDINGS: FindingCounts = { new: 0, ...eachVerdict(() => 0), missing: 0 };

export function addCounts(one: FindingCounts, other: FindingCounts): FindingCounts {
  const sum = (name: keyof FindingCounts) => (one[name] ?? 0) + (other[name] ?? 0);
  const inRun = IN_RUN.filter(({ count }) => (one[count] ?? other[count]) !== undefined);
  return {
    ...{ new: sum("new"), ...eachVerdict(({ count }) => sum(count)), missing: sum("missing") },
    ...Object.fromEntries(inRun.map(({ count }) => [count, sum(count)])),
  };
}

/** The counts in words: new ones, then all that are not zero. */
export function describeCounts(counts: FindingCounts): string {
  const others = [...IN_RUN, ...VERDICTS, MISSING]
    .filter(({ count }) => (counts[count] ?? 0) > 0)
    .map(({ count, label }) => `${counts[count]} ${label}`);
  return [`${counts.new} new`, ...others].join(", ");
}
