import { setTimeout as sleep } from "node:timers/promises";
import { importError, internalError } from "../http.ts";
import type { Finding, Place, Test } from "../model.ts";
import { SEVERITIES } from "../model.ts";
import { cvss3Score } from "../parsers/cvss.ts";
import type { Report, ReportItem } from "../parsers/report.ts";
import { productOfTest, type State } from "../state.ts";
import { matchingOf } from "../test-types.ts";
import type { ImportForm } from "./form.ts";
import { hashCode } from "./hash-code.ts";
import { rememberPlaces } from "./places.ts";
import { titlecase } from "./titlecase.ts";

/** The batch size in which DefectDojo links locations to findings and marks duplicates. */
const BATCH = 1000;

/** Database columns that a report can overflow, and their length in characters (`dojo_finding`). */
const COLUMNS = [
  ["service", 200],
  ["component_name", 500],
  ["component_version", 100],
] as const;

/** Rejects a report with an unknown severity; omits findings below the minimum severity. */
export function sifted(report: Report, form: ImportForm): ReportItem[] {
  const least = SEVERITIES.indexOf(form.minimumSeverity);
  for (const { finding } of report.findings) {
    const severity: string | null = finding.severity;
    if (typeof severity !== "string") throw internalError();
    if (severity.toLowerCase().startsWith("info") || severity.toLowerCase() === "none") finding.severity = "Info";
    if (!SEVERITIES.includes(finding.severity)) {
      const supported = `[${SEVERITIES.map((s) => `'${s}'`).join(", ")}]`;
      throw importError(
        `Finding severity "${severity}" is not supported. Any of the following are supported: ${supported}.`,
      );
    }
  }
  return report.findings.filter(({ finding }) => SEVERITIES.indexOf(finding.severity) >= least);
}

/** The hash of a reported finding in its test. */
export function hashOf(state: State, test: Test, item: ReportItem): string {
  const type = state.testTypes.get(test.test_type)?.name ?? "";
  return hashCode(item.finding, item.places, matchingOf(type, test.scan_type));
}

/** Stores the findings one by one at the configured pace; they can be read meanwhile. */
export async function storeFindings(
  state: State,
  test: Test,
  items: readonly ReportItem[],
  form: ImportForm,
  user: number,
): Promise<Finding[]> {
  const stored: Finding[] = [];
  const pace = state.settings.timing.importMsPerFinding;
  const start = performance.now();
  const reviewed = state.timestamp();
  let unlinked: { finding: Finding; places: readonly Place[] }[] = [];
  for (const item of items) {
    const ahead = stored.length * pace - (performance.now() - start);
    if (pace > 0 && ahead > 5) await sleep(ahead);
    else if (stored.length % BATCH === 0) await sleep(0);
    const finding = newFinding(state, test, item, form, user, reviewed);
    state.findings.set(finding.id, finding);
    state.findingsByTest.get(test.id)?.push(finding);
    stored.push(finding);
    unlinked.push({ finding, places: item.places });
    if (unlinked.length === BATCH || stored.length === items.length) {
      const product = productOfTest(state, test)?.id ?? 0;
      for (const { finding: f, places } of unlinked) rememberPlaces(state, f, places, product);
      unlinked = [];
    }
  }
  if (pace > 0) await sleep(Math.max(0, stored.length * pace - (performance.now() - start)));
  return stored;
}

function newFinding(
  state: State,
  test: Test,
  item: ReportItem,
  form: ImportForm,
  user: number,
  reviewed: string,
): Finding {
  const reported = item.finding;
  if (form.active !== null) reported.active = form.active;
  if (form.verified !== null) reported.verified = form.verified;
  if (form.scanDate !== null) reported.date = form.scanDate;
  if (form.service !== null) reported.service = form.service;
  // The response is a bare 500, and the findings stored before remain.
  for (const [column, room] of COLUMNS) if ((reported[column]?.length ?? 0) > room) throw internalError();
  if (form.applyTagsToFindings) reported.tags = [...new Set([...reported.tags, ...form.tags])].sort();
  const now = state.timestamp();
  const finding: Finding = {
    ...reported,
    id: state.nextId("finding"),
    test,
    hash_code: hashOf(state, test, item),
    title: titlecase(reported.title.slice(0, 511)),
    cvssv3_score:
      reported.cvssv3 === null ? reported.cvssv3_score : (cvss3Score(reported.cvssv3) ?? reported.cvssv3_score),
    component_name: reported.component_name?.trim() ? reported.component_name : null,
    component_version: reported.component_version?.trim() ? reported.component_version : null,
    date: reported.date ?? state.today(),
    created: now,
    updated: now,
    last_status_update: now,
    last_reviewed: reviewed,
    mitigated_by: null,
    reporter: user,
    last_reviewed_by: user,
    found_by: [test.test_type],
    duplicate: false,
    duplicate_finding: null,
    endpoints: [],
    requestResponses: item.requestResponses,
    group: null,
  };
  if (finding.file_path !== null) {
    finding.static_finding = true;
    if (!item.anyPlace) finding.dynamic_finding = false;
  }
  settleNew(finding, now, user);
  return finding;
}

/** An active finding is not closed; a false positive or one out of scope is. */
function settleNew(finding: Finding, now: string, user: number): void {
  if (finding.active || !finding.is_mitigated) finding.mitigated = null;
  if (finding.active) Object.assign(finding, { false_p: false, out_of_scope: false, is_mitigated: false });
  if (finding.false_p || finding.out_of_scope) Object.assign(finding, { is_mitigated: true, verified: false });
  if (finding.is_mitigated) Object.assign(finding, { mitigated: finding.mitigated ?? now, mitigated_by: user });
}
