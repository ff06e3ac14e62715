import type { Call, Reply } from "../http.ts";
import type { Finding, ImportAction, Test } from "../model.ts";
import { parserFor } from "../parsers/index.ts";
import type { ReportItem } from "../parsers/report.ts";
import type { State } from "../state.ts";
import { matchingOf } from "../test-types.ts";
import { importAnswer, rememberImport } from "./answer.ts";
import { buildColumns, checkForm, type ImportForm, scanTime } from "./form.ts";
import {
  close,
  findingsOf,
  importInto,
  parserContext,
  requireEnvironment,
  settleDuplicates,
  updateEngagementEnd,
} from "./import-scan.ts";
import { rememberPlaces } from "./places.ts";
import { statistics } from "./statistics.ts";
import { hashOf, sifted, storeFindings } from "./store.ts";
import { madeEngagement, testToReimportInto } from "./target.ts";

type Outcome = { created: Finding[]; closed: Finding[]; reactivated: Finding[]; untouched: Finding[] };

/** Merges a report into a test: matching findings become one, and findings no longer reported are closed. */
export async function reimportScan(state: State, call: Call): Promise<Reply> {
  const test = testToReimportInto(state, call);
  const form = checkForm(state, call, true);
  if (test === undefined) {
    const closeOldFindings = form.closeOldFindings && state.settings.profile.firstReimportCloses;
    const made = await importInto(state, call, { ...form, closeOldFindings }, madeEngagement(state, call));
    return {
      ...made,
      body: { do_not_reactivate: false, ...(made.body as object), close_old_findings: form.closeOldFindings },
    };
  }
  requireEnvironment(state, form);
  const before = statistics(findingsOf(state, test));
  const report = await parserFor(form.scanType).parse(form.file, parserContext(state));
  const outcome = await merge(state, call, form, test, sifted(report, form));
  Object.assign(test, buildColumns(state, form), form.tags.length > 0 ? { tags: form.tags } : {});
  const closed = state.settings.profile.tagsClosed ? outcome.closed : [];
  if (form.applyTagsToFindings) tagAll(form, [...outcome.reactivated, ...outcome.untouched, ...closed]);
  const time = scanTime(state, form);
  if (test.target_end < time) test.target_end = time;
  updateEngagementEnd(state, form, test);
  const actions: Record<ImportAction["action"], Finding[]> = {
    N: outcome.created,
    C: outcome.closed,
    R: outcome.reactivated,
    U: outcome.untouched,
  };
  rememberImport(state, "reimport", form, test, actions);
  const complete = await settleDuplicates(state, form, test, outcome.created);
  const { untouched } = state.settings.profile;
  Object.assign(test, { percent_complete: 100, updated: state.timestamp() });
  const counted = Object.entries(outcome).map(([name, findings]) => [name, statistics(findings)] as const);
  const delta = Object.fromEntries(counted.map(([name, row]) => [name === "untouched" ? untouched : name, row]));
  const answer = importAnswer(state, form, test, complete, {
    before,
    delta,
    after: statistics(findingsOf(state, test)),
  });
  const { engagement: _, ...body } = { engagement: null, ...answer };
  return { status: 201, body: { ...body, do_not_reactivate: form.given.do_not_reactivate === true } };
}

function tagAll({ tags }: ImportForm, findings: readonly Finding[]): void {
  for (const finding of findings) finding.tags = [...new Set([...finding.tags, ...tags])].sort();
}

async function merge(state: State, call: Call, form: ImportForm, test: Test, items: ReportItem[]): Promise<Outcome> {
  const old = [...findingsOf(state, test)];
  const unseen = new Set(old.filter((f) => (f.service ?? "") === (form.service ?? "")));
  const byHash = new Map<string, Finding>();
  const key = keyOf(state, test);
  for (const finding of old) if (!byHash.has(key(finding))) byHash.set(key(finding), finding);
  const outcome: Outcome = { created: [], closed: [], reactivated: [], untouched: [] };
  const sortable = items.map((item) => ({ item, hash: hashOf(state, test, item) }));
  sortable.sort((a, b) => (a.hash === b.hash ? 0 : a.hash < b.hash ? -1 : 1));
  for (const { item, hash } of sortable) {
    const known = byHash.get(key({ ...item.finding, hash_code: hash }));
    if (known === undefined) {
      const [finding] = await storeFindings(state, test, [item], form, call.user.id);
      if (finding === undefined) continue;
      byHash.set(key(finding), finding);
      outcome.created.push(finding);
      continue;
    }
    rememberPlaces(state, known, item.places, state.engagements.get(test.engagement)?.product ?? 0);
    if (isJudged(known) && !staysAccepted(state, known)) continue;
    if (!unseen.delete(known)) continue;
    if (!known.is_mitigated || isJudged(known)) outcome.untouched.push(known);
    else if (form.given.do_not_reactivate !== true) {
      Object.assign(known, { active: form.active ?? true, is_mitigated: false, mitigated: null, mitigated_by: null });
      outcome.reactivated.push(known);
    }
  }
  if (form.closeOldFindings) {
    for (const finding of unseen) {
      if (finding.is_mitigated) continue;
      close(state, finding, scanTime(state, form), call.user.id);
      outcome.closed.push(finding);
    }
  }
  return outcome;
}

const isJudged = ({ false_p, out_of_scope, risk_accepted }: Finding): boolean =>
  false_p || out_of_scope || risk_accepted;

/**
 * A finding with a verdict that differs from the report is neither untouched nor reactivated: it counts as no longer reported and is closed.
 * Only an inactive accepted risk stays unchanged, except on 2.34 (`process_matched_special_status_finding` of its `default_reimporter.py`).
 */
function staysAccepted({ settings }: State, { risk_accepted, active }: Finding): boolean {
  return risk_accepted && !active && settings.profile.sparesAccepted;
}

/** Matches by hash, or by title and severity for the scan types with legacy matching. */
function keyOf(state: State, test: Test): (finding: Pick<Finding, "hash_code" | "title" | "severity">) => string {
  const legacy = matchingOf(state.testTypes.get(test.test_type)?.name ?? "", test.scan_type).algorithm === "legacy";
  return (finding) => (legacy ? `${finding.title.toLowerCase()} ${finding.severity}` : finding.hash_code);
}
