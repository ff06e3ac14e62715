import { InvalidArgumentError } from "commander";
import { DOJO_SEVERITIES, type DojoSeverity } from "../../lib/model/annotations.ts";
import { byWorst, isAsBad, severityIn } from "../../lib/model/severity.ts";
import { countedAs, MISSING, originalIn, verdictsIn } from "../../lib/model/verdicts.ts";
import { printableLine } from "../terminal/printable.ts";

type Attributes = Readonly<Record<string, unknown>>;

/** A finding in findings.json after the sync. */
export interface GatedFinding {
  readonly name: string;
  readonly severity?: string | null | undefined;
  readonly attributes?: Attributes | null | undefined;
}

/** One row per word after the colon: which findings of that severity count. */
const WHICH = {
  /** Neither known before nor judged, as the receipt counts them. */
  new: (attributes: Attributes) => isInDojo(attributes) && countedAs(verdictsIn(attributes)) === "new",
  /** Open, known or not. */
  active: (attributes: Attributes) => isInDojo(attributes) && isOpen(attributes),
  any: () => true,
} as const;

type Which = keyof typeof WHICH;

/** One condition that a pipeline fails on. */
export interface GateRule {
  readonly text: string;
  readonly severity: DojoSeverity;
  readonly which: Which;
}

const isInDojo = (attributes: Attributes) =>
  attributes["defectdojo.org/finding-id"] !== undefined && attributes[MISSING.attribute] !== true;

/** A duplicate counts as its original. */
function isOpen(attributes: Attributes): boolean {
  const { riskAccepted, outOfScope, falsePositives, duplicates, mitigated, inactive } = verdictsIn(attributes);
  const closed = duplicates ? originalIn(attributes)?.["active"] === false : inactive;
  return !(riskAccepted || outOfScope || falsePositives || mitigated || closed);
}

/**
 * `SEVERITY[:WHICH][,…]`: fails on findings of that severity or worse.
 * @throws InvalidArgumentError
 */
export function parseGate(text: string, earlier: readonly GateRule[] = []): GateRule[] {
  const rules = text.split(",").map((part): GateRule => {
    const [severityWord = "", whichWord = "new", ...rest] = part.trim().toLowerCase().split(":");
    const wanted = severityWord === "informational" ? "info" : severityWord;
    const severity = DOJO_SEVERITIES.find((one) => one.toLowerCase() === wanted);
    if (severity === undefined || !Object.hasOwn(WHICH, whichWord) || rest.length > 0) {
      const which = Object.keys(WHICH).join(", ");
      throw new InvalidArgumentError(
        `It must be SEVERITY[:WHICH], with a severity of ${DOJO_SEVERITIES.join(", ").toLowerCase()} and one of ${which}.`,
      );
    }
    return { text: `${severity.toLowerCase()}:${whichWord}`, severity, which: whichWord as Which };
  });
  return [...earlier, ...rules];
}

export interface GateResult {
  readonly passed: boolean;
  readonly rules: readonly { readonly rule: string; readonly findings: number }[];
  /** Findings that the gate fails on, worst first as far as they are kept. */
  readonly examples: readonly { readonly severity: DojoSeverity; readonly name: string; readonly url: string }[];
}

export interface Gated {
  /** All findings, by DefectDojo's severity. */
  readonly bySeverity: Readonly<Record<Lowercase<DojoSeverity>, number>>;
  readonly gate: GateResult | undefined;
}

const MOST_EXAMPLES = 10;

/** Counts findings as they stream by and checks them against the rules; only a few examples are kept. */
export async function passGate(findings: AsyncIterable<GatedFinding>, rules: readonly GateRule[]): Promise<Gated> {
  const bySeverity = { critical: 0, high: 0, medium: 0, low: 0, info: 0 };
  const counts = rules.map(() => 0);
  const examples: { severity: DojoSeverity; name: string; url: string }[] = [];
  for await (const finding of findings) {
    const severity = severityIn(finding);
    bySeverity[severity.toLowerCase() as Lowercase<DojoSeverity>]++;
    let fails = false;
    for (const [index, rule] of rules.entries()) {
      if (!isAsBad(severity, rule.severity) || !WHICH[rule.which](finding.attributes ?? {})) continue;
      counts[index] = (counts[index] ?? 0) + 1;
      fails = true;
    }
    if (!fails) continue;
    const url = String(finding.attributes?.["defectdojo.org/finding-url"] ?? "");
    examples.push({ severity, name: printableLine(finding.name), url });
    examples.sort(byWorst);
    examples.length = Math.min(examples.length, MOST_EXAMPLES);
  }
  if (rules.length === 0) return { bySeverity, gate: undefined };
  const results = rules.map(({ text }, index) => ({ rule: text, findings: counts[index] ?? 0 }));
  return { bySeverity, gate: { passed: results.every((one) => one.findings === 0), rules: results, examples } };
}
