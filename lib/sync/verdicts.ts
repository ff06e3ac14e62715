import { MISSING, VERDICTS } from "../model/verdicts.ts";

type Fields = Readonly<Record<string, unknown>>;

/** What a finding of findings.json says of DefectDojo's verdict. */
export interface Verdict {
  /** DefectDojo's id. */
  readonly findingId: number;
  /** The finding's severity, then `active` or `inactive`, then its verdicts: words with a space between them. */
  readonly words: string;
}

/** Whether a finding of findings.json is one that DefectDojo no longer has. */
export const isMissing = (finding: Fields): boolean => fieldsOf(finding["attributes"])[MISSING.attribute] === true;

/** Ids of DefectDojo's findings that a finding of findings.json stands for; first the one that it takes its state from. */
export function idsOf(finding: Fields): number[] {
  const attributes = fieldsOf(finding["attributes"]);
  const { "defectdojo.org/finding-id": first, "defectdojo.org/findings": all } = attributes;
  const others = Array.isArray(all) ? all.map((each) => fieldsOf(each)["finding-id"]) : [];
  return [...new Set([first, ...others].filter((id) => typeof id === "number"))];
}

/** @returns undefined for a finding that DefectDojo does not have */
export function verdictOf(finding: Fields): Verdict | undefined {
  const attributes = fieldsOf(finding["attributes"]);
  const findingId = attributes["defectdojo.org/finding-id"];
  if (typeof findingId !== "number" || isMissing(finding)) return undefined;
  const original = fieldsOf(fieldsOf(attributes["defectdojo.org/original-finding"])["attributes"]);
  const words = [String(finding["severity"]), attributes["active"] === true ? "active" : "inactive"];
  for (const { attribute, ofOriginal, ...row } of VERDICTS) {
    const holds = attributes[attribute] === true || (ofOriginal && original[attribute] === true);
    if (holds && !("unless" in row)) words.push(attribute);
  }
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
