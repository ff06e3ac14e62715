import { setTimeout as sleep } from "node:timers/promises";
import { type Call, conflict, importError, internalError, type Reply } from "../http.ts";
import type { Engagement, Finding, Test } from "../model.ts";
import { parserFor } from "../parsers/index.ts";
import type { ParserContext, Report } from "../parsers/report.ts";
import { addTest } from "../resources/tests.ts";
import { findingsOfProduct, type ImportFault, type State } from "../state.ts";
import { importAnswer, rememberImport } from "./answer.ts";
import { deduplicate } from "./deduplicate.ts";
import { buildColumns, checkForm, type ImportForm, scanTime, text } from "./form.ts";
import { groupFindings } from "./groups.ts";
import { statistics } from "./statistics.ts";
import { sifted, storeFindings } from "./store.ts";
import { engagementToImportInto, madeEngagement } from "./target.ts";

export async function importScan(state: State, call: Call): Promise<Reply> {
  const engagement = engagementToImportInto(state, call);
  const form = checkForm(state, call, false);
  return importInto(state, call, form, engagement ?? madeEngagement(state, call));
}

export async function importInto(state: State, call: Call, form: ImportForm, engagement: Engagement): Promise<Reply> {
  requireEnvironment(state, form);
  requireColumnLengths(form);
  const { test, report } = await parsed(state, form, engagement);
  state.importing.add(test.id);
  try {
    return await importReport(state, call, form, test, report);
  } finally {
    state.importing.delete(test.id);
  }
}

async function importReport(state: State, call: Call, form: ImportForm, test: Test, report: Report): Promise<Reply> {
  failAsTold(call, "parsed");
  const findings = await storeFindings(state, test, sifted(report, form), form, call.user.id);
  failAsTold(call, "stored");
  groupFindings(
    state,
    test,
    findings,
    form.given.group_by,
    form.given.create_finding_groups_for_all_findings !== false,
  );
  const closed =
    form.closeOldFindings || form.closeOldFindingsInProduct ? closeOld(state, form, test, call.user.id) : [];
  rememberImport(state, "import", form, test, { N: findings, C: closed });
  updateEngagementEnd(state, form, test);
  const complete = await settleDuplicates(state, form, test, findings);
  Object.assign(test, { percent_complete: 100, updated: state.timestamp() });
  return {
    status: 201,
    body: importAnswer(state, form, test, complete, { after: statistics(findingsOf(state, test)) }),
  };
}

function failAsTold({ importFault }: Call, point: ImportFault["once"]): void {
  if (importFault?.once === point) throw importFault.importFails === 409 ? conflict() : internalError();
}

/** The test is created before the report is parsed, so an unreadable report leaves a test behind, at 50 %. */
async function parsed(state: State, form: ImportForm, engagement: Engagement): Promise<{ test: Test; report: Report }> {
  const parser = parserFor(form.scanType);
  const makeTest = (typeName: string) =>
    addTest(state, {
      engagement: engagement.id,
      test_type: testTypeNamed(state, typeName),
      scan_type: form.scanType,
      title: textOrNull(form, "test_title"),
      target_start: scanTime(state, form),
      target_end: scanTime(state, form),
      percent_complete: state.settings.profile.percentAtStart,
      ...buildColumns(state, form),
      lead: form.lead,
      environment: state.environments.indexOf(form.environment) + 1,
      tags: form.tags,
    });
  const read = () => parser.parse(form.file, parserContext(state));
  if (!parser.namesItsTest) {
    const test = makeTest(form.scanType);
    return { test, report: await read() };
  }
  const report = await read();
  return { test: Object.assign(makeTest(report.testType ?? form.scanType), report.testColumns), report };
}

export function parserContext({ settings }: State): ParserContext {
  return { mode: settings.mode, now: settings.now, generic: settings.profile };
}

/** Waits for deduplication if requested; otherwise it runs some time after the response. */
export async function settleDuplicates(
  state: State,
  form: ImportForm,
  test: Test,
  findings: readonly Finding[],
): Promise<boolean> {
  const { asyncWait, blockExecution, deduplicationDelayMs, timing } = state.settings;
  if (asyncWait && (form.mode === "async_wait" || form.mode === "sync")) {
    const marked = deduplicate(state, test, findings);
    if (timing.duplicateMsPerFinding > 0) await sleep(marked * timing.duplicateMsPerFinding);
    return true;
  }
  if (blockExecution) {
    deduplicate(state, test, findings);
    return false;
  }
  const later = sleep(deduplicationDelayMs).then(async () => {
    await state.celery.free();
    if (state.tests.has(test.id)) deduplicate(state, test, findings);
    state.running.delete(later);
  });
  state.running.add(later);
  return false;
}

/** Closes findings no longer reported, from earlier tests of this type in the engagement or product. */
function closeOld(state: State, form: ImportForm, test: Test, user: number): Finding[] {
  const reported = new Set(findingsOf(state, test).map((f) => f.hash_code));
  const product = state.engagements.get(test.engagement)?.product ?? 0;
  const old = findingsOfProduct(state, product).filter(
    (f) =>
      f.test !== test &&
      f.test.test_type === test.test_type &&
      (form.closeOldFindingsInProduct || f.test.engagement === test.engagement) &&
      (f.active || f.risk_accepted) &&
      (f.service ?? "") === (form.service ?? "") &&
      !reported.has(f.hash_code),
  );
  for (const finding of old) close(state, finding, scanTime(state, form), user);
  return old;
}

export function close(state: State, finding: Finding, at: string, user: number): void {
  const now = state.timestamp();
  Object.assign(finding, { active: false, is_mitigated: true, mitigated: finding.mitigated ?? at, mitigated_by: user });
  Object.assign(finding, { last_status_update: now, updated: now });
}

export function updateEngagementEnd(state: State, form: ImportForm, test: Test): void {
  const engagement = state.engagements.get(test.engagement);
  if (engagement === undefined) return;
  const day = scanTime(state, form).slice(0, 10);
  if (engagement.engagement_type === "CI/CD" && engagement.target_end < day) engagement.target_end = day;
}

export function requireEnvironment(state: State, form: ImportForm): void {
  if (state.environments.includes(form.environment)) return;
  if (form.given.auto_create_context === true) state.environments.push(form.environment);
  else if (state.settings.profile.unknownEnvironment === 500) throw internalError();
  else throw importError(`Environment named ${form.environment} does not exist.`);
}

/** DefectDojo 3.2 does not validate these lengths: the database does, and the response is a bare 500. */
function requireColumnLengths(form: ImportForm): void {
  const most: Record<string, number> = {
    test_title: 255,
    version: 100,
    build_id: 150,
    commit_hash: 150,
    branch_tag: 150,
  };
  for (const [name, length] of Object.entries(most)) if (text(form, name).length > length) throw internalError();
  if (form.tags.some((tag) => tag.length > 255)) throw internalError();
}

function testTypeNamed(state: State, name: string): number {
  for (const type of state.testTypes.values()) if (type.name === name) return type.id;
  const id = state.nextId("testType");
  state.testTypes.set(id, { id, name, static_tool: false, dynamic_tool: false, active: true });
  return id;
}

export function findingsOf(state: State, test: Test): Finding[] {
  return state.findingsByTest.get(test.id) ?? [];
}

function textOrNull(form: ImportForm, name: string): string | null {
  return (form.given[name] as string | undefined) ?? null;
}
