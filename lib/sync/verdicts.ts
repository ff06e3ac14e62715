/** Verdicts that stand on the original of a duplicate hold for the duplicate too. */
const VERDICTS = ["falsePositive", "riskAccepted", "outOfScope", "mitigated", "underReview"] as const;

type Fields = Readonly<Record<string, unknown>>;

/** What a finding of findings.json says of DefectDojo's verdict. */
export interface Verdict {
  /** DefectDojo's id. */
  readonly findingId: number;
  /** The finding's severity, then `active` or `inactive`, then its verdicts: words with a space between them. */
  readonly words: string;
}

/** @returns undefined for a finding that DefectDojo does not have */
export function verdictOf(finding: Fields): Verdict | undefined {
  const attributes = fieldsOf(finding["attributes"]);
  const findingId = attributes["defectdojo.org/finding-id"];
  if (typeof findingId !== "number") return undefined;
  const original = fieldsOf(fieldsOf(attributes["defectdojo.org/original-finding"])["attributes"]);
  const words = [String(finding["severity"]), attributes["active"] === true ? "active" : "inactive"];
  if (attributes["duplicate"] === true) words.push("duplicate");
  for (const name of VERDICTS) if (attributes[name] === true || original[name] === true) words.push(name);
  return { findingId, words: words.join(" ") };
}

/** The two verdicts as lists of words; the severity is among them where it differs. */
export function wordsOf(from: string, to: string): { readonly from: string[]; readonly to: string[] } {
  const [before, after] = [split(from), split(to)];
  const rest = before[0] === after[0] || before.length === 0 || after.length === 0 ? 1 : 0;
  return { from: before.slice(rest), to: after.slice(rest) };
}

const split = (words: string) => (words === "" ? [] : words.split(" "));

const fieldsOf = (value: unknown): Fields => (typeof value === "object" && value !== null ? (value as Fields) : {});
