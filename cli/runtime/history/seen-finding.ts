import { countedAs, eachVerdict, MISSING, VERDICTS } from "../../../lib/model/verdicts.ts";
import type { ScanFinding } from "../../../lib/report/findings-file.ts";

import { cutText } from "../../../lib/util/text.ts";

/** A finding of findings.json as people see it on the page. */
export interface SeenFinding {
  readonly name: string;
  readonly severity: string;
  readonly location: string;
  readonly category: string;
  /** The beginning of its description. */
  readonly description: string;
  /**
   * What it is counted as (`new`, the count's name of a verdict, `missing`), then which other verdicts hold; `unmatched` and why, where nothing in
   * DefectDojo stands for it; nothing where DefectDojo has not spoken. Words without a space.
   */
  readonly states: readonly string[];
  /** Its URL in DefectDojo. */
  readonly url?: string;
}

const isReason = (value: unknown): value is string => typeof value === "string" && /^[a-z-]{1,40}$/.test(value);

/** Characters. */
const LONGEST = 500;
const LONGEST_DESCRIPTION = 1_000;

export function seenFinding(finding: ScanFinding): SeenFinding {
  const { name, severity, location, category, description, attributes } = finding;
  const text = (value: unknown, longest = LONGEST) => (typeof value === "string" ? cutText(value, longest) : "");
  const url = attributes?.["defectdojo.org/finding-url"];
  return {
    name: text(name),
    severity: text(severity),
    location: text(location),
    category: text(category),
    description: text(description, LONGEST_DESCRIPTION),
    states: statesOf(finding),
    ...(typeof url === "string" ? { url: text(url) } : {}),
  };
}

/** The count it belongs to, and the other verdicts that hold. */
function statesOf(finding: ScanFinding): string[] {
  const attributes = finding.attributes ?? {};
  const { "defectdojo.org/matched": matched, "defectdojo.org/unmatched-reason": reason } = attributes;
  if (matched === false) return ["unmatched", ...(isReason(reason) ? [reason] : [])];
  if (attributes[MISSING.attribute] === true) return [MISSING.count];
  if (typeof attributes["defectdojo.org/finding-id"] !== "number") return [];
  const original = attributesOf(attributes["defectdojo.org/original-finding"]);
  const verdicts = eachVerdict(({ attribute, ofOriginal, ...row }) =>
    "unless" in row
      ? attributes[attribute] !== true
      : attributes[attribute] === true || (ofOriginal && original[attribute] === true),
  );
  const counted = countedAs(verdicts);
  // Judged findings are inactive too.
  const others = VERDICTS.filter((row) => verdicts[row.count] && row.count !== counted && !("unless" in row));
  return [counted, ...others.map(({ count }) => count)];
}

function attributesOf(finding: unknown): Readonly<Record<string, unknown>> {
  const { attributes } = (finding ?? {}) as { attributes?: Readonly<Record<string, unknown>> };
  return attributes ?? {};
}
