import type { Receipt } from "../../lib/model/receipt.ts";
import { countsIn, describeCounts } from "../../lib/model/verdicts.ts";
import { printableLine } from "../terminal/printable.ts";
import type { Ended } from "./exit-codes.ts";
import type { Gated } from "./gate.ts";
import { receiptNotes } from "./receipt-notes.ts";
import type { WaitEnd } from "./wait-for.ts";

/** The result of a wait, for people and `--json`. */
export interface WaitResult extends Partial<Gated> {
  /** `s3://bucket/key` of the findings. */
  readonly findings: string;
  readonly ended: Ended;
  readonly receipt?: Receipt;
  /** Why there is none, or none to go by. */
  readonly why?: string;
  readonly advice?: string;
}

/** @param gated missing if there is no receipt */
export function waitResult(findings: string, end: WaitEnd, gated: Gated | undefined): WaitResult {
  switch (end.state) {
    case "done":
      return {
        findings,
        ended: gated?.gate?.passed === false ? "gate failed" : "passed",
        receipt: end.receipt,
        ...gated,
      };
    case "dead-lettered":
      return {
        findings,
        ended: end.state,
        why: `${end.letter.reason}: ${end.letter.error}`,
        advice: `${end.letter.advice} (dojo-relay dlq show ${end.letter.id})`,
      };
    case "interrupted":
      return { findings, ended: end.state };
    case "outdated":
      return { findings, ended: end.state, receipt: end.receipt, why: end.why };
    default:
      return { findings, ended: end.state, why: end.why };
  }
}

export function describeResult({ findings, ended, receipt, why, advice, bySeverity, gate }: WaitResult): string {
  if (receipt === undefined || why !== undefined) {
    const reason = why === undefined ? [] : [`          ${printableLine(why)}`];
    return [`${ended}  ${printableLine(findings)}`, ...reason, ...(advice ? [`          ${advice}`] : [])].join("\n");
  }
  const severities = Object.entries(bySeverity ?? {}).map(([name, count]) => `${count} ${name}`);
  return [
    `${receipt.outcome}    ${printableLine(findings)}`,
    `findings  ${receipt.findings.count}: ${severities.join(", ")}`,
    `verdicts  ${describeCounts(countsIn(receipt))}`,
    `test      ${receipt.importedAs}, ${receipt.test.url}`,
    ...receiptNotes(receipt).map((note) => `note      ${printableLine(note)}`),
    ...(gate === undefined ? [] : describeGate(gate)),
  ].join("\n");
}

function describeGate({ passed, rules, examples }: NonNullable<Gated["gate"]>): string[] {
  const counts = rules.map(({ rule, findings }) => `${findings} of ${rule}`).join(", ");
  return [
    `gate      ${passed ? "passed" : "FAILED"}: ${counts}`,
    ...examples.map(({ severity, name, url }) => `          ${severity.padEnd(8)}  ${name}  ${url}`.trimEnd()),
  ];
}
