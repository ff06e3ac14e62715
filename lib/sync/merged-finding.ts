import type { DojoSeverity } from "../model/annotations.ts";
import { eachVerdict, MISSING, RUN_STATUS, statusOfAll, VERDICTS, type Verdicts } from "../model/verdicts.ts";
import type { DojoFinding } from "../ports/dojo-finding.ts";
import type { ScanFinding } from "../report/findings-file.ts";
import { dojoSeverity } from "../report/to-generic-finding.ts";
import { cutText } from "../util/text.ts";
import type { UnmatchedReason } from "./match/match.ts";
import {
  IMPORTED_CATEGORY,
  type MappingContext,
  SCAN_SEVERITIES,
  type ScanSeverity,
  type SyncedFinding,
  scanOf,
  stableUuid,
} from "./to-synced-finding.ts";
import { dateTime, scanField } from "./valid-fields.ts";

/** A finding to write. */
export interface Written {
  readonly written: { readonly category: string; readonly severity: string; readonly [field: string]: unknown };
  /** DefectDojo's verdicts on it; undefined if DefectDojo does not have it, `missing` if it had it. */
  readonly verdicts: Verdicts | "missing" | undefined;
  /** DefectDojo's findings that it was made from, which tell who changed a verdict on it or its original. */
  readonly judged: readonly Judged[];
}

/** Who closed or reviewed a finding of DefectDojo, if known. */
export type Judged = Pick<DojoFinding, "mitigatedBy" | "lastReviewedAt" | "lastReviewedBy">;

/** A finding of DefectDojo as replace mode writes it, plus what merging needs. */
export interface DojoWritten extends Written {
  readonly written: SyncedFinding;
  readonly verdicts: Verdicts;
  readonly severity: DojoSeverity;
}

export interface MergeContext extends MappingContext {
  readonly testId: number;
  /** Whether the report was made from the findings themselves: then a different severity was changed by somebody. */
  readonly generic: boolean;
}

/** How many characters of an original's description are written if it is written many times. */
const SHARED_DESCRIPTION = 1_000;

type Attributes = Readonly<Record<string, unknown>>;

/**
 * The scanner's uploaded finding with DefectDojo's state.
 * @param index its position in the upload
 * @param stands its counterparts in DefectDojo, at least one, and whether one of them matches others too
 */
export function mergedFinding(
  uploaded: ScanFinding,
  index: number,
  { matches, shared }: { readonly matches: readonly [DojoWritten, ...DojoWritten[]]; readonly shared: boolean },
  context: MergeContext,
): Written {
  const [first] = matches;
  const state = matches.length === 1 ? first.written.attributes : combined(matches);
  const severity = severityOf(uploaded);
  const changed = context.generic && dojoSeverity(uploaded.severity) !== first.severity;
  return {
    written: {
      ...asUploaded(uploaded, index, context),
      ...(uploaded.id || shared ? {} : { id: first.written.id }),
      category: uploaded.category || IMPORTED_CATEGORY,
      severity: changed || severity === undefined ? first.written.severity : severity,
      parsed_at: dateTime(uploaded.parsed_at) ?? first.written["parsed_at"],
      attributes: {
        ...ownAttributes(uploaded),
        ...(shared ? shortened(state) : state),
      },
    },
    verdicts: everyVerdict(matches.map(({ verdicts }) => verdicts)),
    judged: matches.flatMap(({ judged }) => judged),
  };
}

/**
 * The scanner's uploaded finding without a counterpart in DefectDojo.
 * @param why and whether DefectDojo had a counterpart before
 */
export function unmatchedFinding(
  uploaded: ScanFinding,
  index: number,
  { reason, missing }: { readonly reason: UnmatchedReason; readonly missing: boolean },
  context: MergeContext,
): Written {
  return {
    written: {
      ...asUploaded(uploaded, index, context),
      attributes: {
        ...ownAttributes(uploaded),
        "defectdojo.org/matched": false,
        "defectdojo.org/unmatched-reason": reason,
        ...(missing ? { [MISSING.attribute]: true } : {}),
      },
    },
    verdicts: missing ? "missing" : undefined,
    judged: [],
  };
}

/** A finding of the last findings.json that DefectDojo no longer has: unchanged and marked. */
export function missingFinding(last: ScanFinding): Written {
  const written = { ...last, attributes: { ...last.attributes, [MISSING.attribute]: true } };
  return {
    written: { ...written, category: last.category ?? "", severity: last.severity ?? "INFORMATIONAL" },
    verdicts: "missing",
    judged: [],
  };
}

/** Without what an earlier sync wrote into them, in case our own findings.json was uploaded again. */
const ownAttributes = ({ attributes }: ScanFinding): Attributes =>
  Object.fromEntries(Object.entries(attributes ?? {}).filter(([name]) => !name.startsWith("defectdojo.org/")));

/** The scanner's id, or one made from its position in the upload. */
export function idOf({ id }: ScanFinding, index: number, context: MergeContext): string {
  return id || stableUuid(`${context.url("test", context.testId)}#${index}`);
}

/** Fields that secureCodeBox's schema requires are added if the upload lacks them. */
function asUploaded(uploaded: ScanFinding, index: number, context: MergeContext) {
  return {
    ...uploaded,
    id: idOf(uploaded, index, context),
    category: uploaded.category ?? "",
    severity: severityOf(uploaded) ?? SCAN_SEVERITIES[dojoSeverity(uploaded.severity) ?? "Info"],
    parsed_at: dateTime(uploaded.parsed_at) ?? context.now,
    ...(uploaded.identified_at == null ? {} : { identified_at: dateTime(uploaded.identified_at) ?? null }),
    scan: scanField(uploaded["scan"], scanOf(context)),
  };
}

const STANDARD: ReadonlySet<string> = new Set(Object.values(SCAN_SEVERITIES));

/** The uploaded severity, if secureCodeBox's schema knows it. */
function severityOf({ severity }: ScanFinding): ScanSeverity | undefined {
  return severity != null && STANDARD.has(severity) ? (severity as ScanSeverity) : undefined;
}

/** Boolean attributes, and whether one true value is enough for a finding of several parts. */
const FLAGS = Object.fromEntries([
  ...VERDICTS.map(({ attribute, ...row }) => [attribute, "unless" in row] as const),
  ["verified", false] as const,
]);

/** The state of a finding with several counterparts: a verdict holds if it holds for all of them. */
function combined(matches: readonly [DojoWritten, ...DojoWritten[]]): Attributes {
  const states = matches.map(({ written }) => written.attributes);
  const status = statusOfAll(matches.flatMap(({ verdicts }) => verdicts.inRun ?? []));
  const partly: Record<string, unknown> = {};
  const flags: Record<string, boolean> = {};
  for (const [flag, one] of Object.entries(FLAGS)) {
    const yes = states.filter((state) => state[flag] === true);
    flags[flag] = one ? yes.length > 0 : yes.length === states.length;
    if (yes.length > 0 && yes.length < states.length)
      partly[flag] = yes.map((state) => state["defectdojo.org/finding-id"]);
  }
  const all = states.map((state) => ({
    "finding-id": state["defectdojo.org/finding-id"],
    "finding-url": state["defectdojo.org/finding-url"],
    ...Object.fromEntries(Object.keys(FLAGS).map((flag) => [flag, state[flag]])),
  }));
  return {
    ...matches[0].written.attributes,
    ...(status === undefined ? {} : { [RUN_STATUS]: status }),
    ...flags,
    "defectdojo.org/findings": all,
    ...(Object.keys(partly).length === 0 ? {} : { "defectdojo.org/partly": partly }),
  };
}

function everyVerdict(all: readonly Verdicts[]): Verdicts {
  const status = statusOfAll(all.flatMap(({ inRun }) => inRun ?? []));
  return {
    ...eachVerdict(({ count }) => all.every((verdicts) => verdicts[count])),
    ...(status === undefined ? {} : { inRun: status }),
  };
}

/**
 * State that is written with each of many findings: DefectDojo has all their locations and their whole text in one finding, and n times n of them
 * would be written.
 */
function shortened(state: Attributes): Attributes {
  const { "defectdojo.org/locations": _locations, "defectdojo.org/original-finding": original, ...rest } = state;
  if (original == null) return { ...rest, "defectdojo.org/original-finding": null };
  const { description, attributes, ...kept } = original as SyncedFinding;
  const { "defectdojo.org/locations": _places, ...inner } = attributes;
  const short = cutText(String(description ?? ""), SHARED_DESCRIPTION);
  return { ...rest, "defectdojo.org/original-finding": { ...kept, description: short, attributes: inner } };
}
