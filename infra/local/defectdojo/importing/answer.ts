import type { Finding, ImportAction, Test, TestImport } from "../model.ts";
import type { State } from "../state.ts";
import { buildColumns, type ImportForm } from "./form.ts";

export function importAnswer(state: State, form: ImportForm, test: Test, complete: boolean, stats: object): object {
  const engagement = state.engagements.get(test.engagement);
  const product = state.products.get(engagement?.product ?? 0);
  return {
    minimum_severity: "Info",
    active: false,
    verified: false,
    endpoint_to_add: null,
    auto_create_context: false,
    deduplication_on_engagement: false,
    lead: null,
    push_to_jira: false,
    ...(state.settings.asyncWait ? { deduplication_execution_mode: null, deduplication_complete: complete } : {}),
    api_scan_configuration: null,
    create_finding_groups_for_all_findings: true,
    apply_tags_to_findings: false,
    apply_tags_to_endpoints: false,
    scan_type: form.scanType,
    close_old_findings: form.closeOldFindings,
    close_old_findings_product_scope: false,
    ...withoutMode(form.given, state.settings.asyncWait),
    ...(form.tags.length > 0 ? { tags: form.tags } : {}),
    test: test.id,
    test_id: test.id,
    ...(form.given.engagement_name === undefined && test.engagement ? { engagement: test.engagement } : {}),
    engagement_id: test.engagement,
    product_id: product?.id,
    product_type_id: product?.prod_type,
    statistics: stats,
  };
}

function withoutMode(given: Record<string, unknown>, keep: boolean): Record<string, unknown> {
  const { deduplication_execution_mode: _, ...others } = given;
  return keep ? given : others;
}

function recorded({ settings }: State, form: ImportForm): Record<string, unknown> {
  const all: Record<string, unknown> = {
    tags: form.tags.length === 0 ? (settings.profile.noText === null ? null : []) : form.tags,
    active: form.active,
    service: form.service,
    group_by: form.given.group_by ?? null,
    verified: form.verified,
    scan_date: form.scanDate === null ? null : `${form.scanDate}T00:00:00+00:00`,
    push_to_jira: false,
    minimum_severity: form.minimumSeverity,
    do_not_reactivate: form.given.do_not_reactivate === true,
    close_old_findings: form.closeOldFindings,
    apply_tags_to_findings: form.applyTagsToFindings,
    apply_tags_to_endpoints: form.given.apply_tags_to_endpoints === true,
    close_old_findings_product_scope: form.closeOldFindingsInProduct,
    create_finding_groups_for_all_findings: form.given.create_finding_groups_for_all_findings !== false,
  };
  const names = settings.profile.recordedSettings ?? Object.keys(all);
  return Object.fromEntries(names.map((name) => [name, all[name]]));
}

export function rememberImport(
  state: State,
  type: TestImport["type"],
  form: ImportForm,
  test: Test,
  actions: Partial<Record<ImportAction["action"], readonly Finding[]>>,
): void {
  const now = state.timestamp();
  const row: TestImport = {
    id: state.nextId("testImport"),
    created: now,
    modified: now,
    import_settings: recorded(state, form),
    type,
    ...buildColumns(state, form),
    test: test.id,
    actions: Object.entries(actions).flatMap(([action, findings]) =>
      findings.map((finding) => ({
        id: state.nextId("importAction"),
        created: now,
        modified: now,
        action: action as ImportAction["action"],
        finding: finding.id,
      })),
    ),
  };
  state.testImports.set(row.id, row);
}
