import type { Finding } from "../model.ts";
import type { State } from "../state.ts";

/** Days to fix by severity, from the default SLA configuration. */
const SLA_DAYS: Partial<Record<Finding["severity"], number>> = { Critical: 7, High: 30, Medium: 90, Low: 120 };
const NUMERICAL: Record<Finding["severity"], string> = {
  Critical: "S0",
  High: "S1",
  Medium: "S2",
  Low: "S3",
  Info: "S4",
};
const DAY = 86_400_000;

/** A finding as `findings/` returns it. */
export function serializeFinding(state: State, finding: Finding): Record<string, unknown> {
  const { test, cwes, requestResponses, group, ...columns } = finding;
  const until = finding.mitigated?.slice(0, 10) ?? state.today();
  const slaDays = SLA_DAYS[finding.severity];
  const expiration = slaDays === undefined ? null : addDays(finding.date, slaDays);
  const cweIds = [...new Set([finding.cwe, ...cwes])].filter((cwe) => cwe > 0);
  return {
    ...columns,
    test: test.id,
    vulnerability_ids: finding.vulnerability_ids.map((id) => ({ vulnerability_id: id })),
    cwes: cweIds.map((cwe) => ({ cwe: `CWE-${cwe}` })),
    request_response: { req_resp: requestResponses },
    accepted_risks: [],
    push_to_jira: false,
    age: Math.max(0, daysBetween(finding.date, until)),
    sla_days_remaining: expiration === null ? null : daysBetween(until, expiration),
    finding_meta: [],
    related_fields: null,
    jira_creation: null,
    jira_change: null,
    display_status: displayStatus(finding),
    finding_groups: group === null ? [] : [group],
    sla_start_date: null,
    sla_expiration_date: expiration,
    under_defect_review: false,
    numerical_severity: NUMERICAL[finding.severity],
    review_requested_by: null,
    defect_review_requested_by: null,
    sonarqube_issue: null,
    reviewers: [],
    notes: [],
    files: [],
  };
}

export function numericalSeverity(finding: Finding): string {
  return NUMERICAL[finding.severity];
}

function displayStatus(finding: Finding): string {
  const words: [boolean, string][] = [
    [finding.under_review, "Under Review"],
    [true, finding.active ? "Active" : "Inactive"],
    [finding.verified, "Verified"],
    [finding.mitigated !== null || finding.is_mitigated, "Mitigated"],
    [finding.false_p, "False Positive"],
    [finding.out_of_scope, "Out Of Scope"],
    [finding.duplicate, "Duplicate"],
    [finding.risk_accepted, "Risk Accepted"],
  ];
  return words.flatMap(([holds, word]) => (holds ? [word] : [])).join(", ");
}

function daysBetween(from: string, to: string): number {
  return Math.round((Date.parse(to) - Date.parse(from)) / DAY);
}

function addDays(date: string, days: number): string {
  return new Date(Date.parse(date) + days * DAY).toISOString().slice(0, 10);
}
