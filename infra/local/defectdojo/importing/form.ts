import { BOOLEANS, formatDatetime, isDate, tagList } from "../fields.ts";
import { type Call, type FieldError, fieldErrors } from "../http.ts";
import { SEVERITIES, type Severity } from "../model.ts";
import type { UploadedFile } from "../multipart.ts";
import type { State } from "../state.ts";
import { isScanType } from "../test-types.ts";

/** The validated fields of `import-scan` and `reimport-scan`. */
export type ImportForm = {
  /** As sent, for the response. */
  given: Record<string, unknown>;
  file: UploadedFile;
  scanType: string;
  minimumSeverity: Severity;
  /** null: use the report's value. */
  active: boolean | null;
  verified: boolean | null;
  scanDate: string | null;
  environment: string;
  tags: string[];
  lead: number | null;
  service: string | null;
  mode: string | null;
  closeOldFindings: boolean;
  closeOldFindingsInProduct: boolean;
  applyTagsToFindings: boolean;
};

const EXTENSIONS = "xml, csv, nessus, json, jsonl, html, js, zip, xlsx, txt, sarif, fpr, md, log, fvdl";
const MODES = ["async", "async_wait", "sync"];
const TEXTS = [
  "product_type_name",
  "product_name",
  "engagement_name",
  "test_title",
  "environment",
  "build_id",
  "branch_tag",
  "commit_hash",
  "service",
  "version",
];
const FLAGS = [
  "active",
  "verified",
  "auto_create_context",
  "deduplication_on_engagement",
  "push_to_jira",
  "create_finding_groups_for_all_findings",
  "apply_tags_to_findings",
  "apply_tags_to_endpoints",
  "close_old_findings",
  "close_old_findings_product_scope",
  "do_not_reactivate",
];

export function field(call: Call, name: string): string | undefined {
  return call.form?.fields.get(name)?.at(-1);
}

/** Validates all fields at once, with DefectDojo's messages. */
export function checkForm(state: State, call: Call, closeOldByDefault: boolean): ImportForm {
  const errors: Record<string, FieldError[]> = {};
  const given: Record<string, unknown> = {};
  const fail = (name: string, text: string, code = "invalid") => {
    errors[name] = [{ text, code }];
  };
  const value = (name: string) => field(call, name);
  const choice = (name: string, choices: readonly string[]) => {
    const text = value(name);
    if (text === undefined) return;
    if (choices.includes(text)) given[name] = text;
    else fail(name, `"${text}" is not a valid choice.`, "invalid_choice");
  };
  const scanDate = value("scan_date");
  if (scanDate !== undefined && scanDate !== "") {
    if (!isDate(scanDate)) fail("scan_date", "Date has wrong format. Use one of these formats instead: YYYY-MM-DD.");
    else if (scanDate > state.today()) fail("scan_date", "The scan_date cannot be in the future!");
    else given.scan_date = scanDate;
  }
  choice("minimum_severity", SEVERITIES);
  for (const name of FLAGS) {
    const text = value(name);
    if (text === undefined || text === "") continue;
    const flag = BOOLEANS[text];
    if (flag === undefined) fail(name, "Must be a valid boolean.");
    else given[name] = flag;
  }
  const file = call.form?.files.get("file");
  const extension = file?.name.includes(".") ? file.name.slice(file.name.lastIndexOf(".") + 1).toLowerCase() : "";
  if (file !== undefined && !EXTENSIONS.split(", ").includes(extension)) {
    fail(
      "file",
      `File extension “${extension}” is not allowed. Allowed extensions are: ${EXTENSIONS}.`,
      "invalid_extension",
    );
  }
  for (const name of TEXTS) {
    const text = value(name)?.trim();
    if (text !== undefined && text !== "") given[name] = text;
  }
  const lead = value("lead");
  if (lead !== undefined && lead !== "") {
    if (state.users.some((u) => u.id === Number(lead))) given.lead = Number(lead);
    else fail("lead", `Invalid pk "${lead}" - object does not exist.`, "does_not_exist");
  }
  // Older servers ignore this unknown field.
  if (state.settings.asyncWait) choice("deduplication_execution_mode", MODES);
  choice("group_by", state.settings.profile.groupings);
  const scanType = value("scan_type");
  if (scanType === undefined) fail("scan_type", "This field is required.", "required");
  else if (!isScanType(scanType, state.settings.missingScanTypes))
    fail("scan_type", `"${scanType}" is not a valid choice.`, "invalid_choice");
  const tags = tagList(
    (call.form?.fields.get("tags") ?? []).flatMap((text) => text.split(",")).filter((tag) => tag !== ""),
  );
  if ("error" in tags) errors.tags = [tags.error];
  if (Object.keys(errors).length > 0) throw fieldErrors(errors);
  const report = usableFile(state, file, scanType ?? "");
  return {
    given,
    file: report,
    scanType: scanType ?? "",
    minimumSeverity: (given.minimum_severity as Severity | undefined) ?? "Info",
    active: (given.active as boolean | undefined) ?? null,
    verified: (given.verified as boolean | undefined) ?? null,
    scanDate: (given.scan_date as string | undefined) ?? null,
    environment: String(given.environment ?? "Development"),
    tags: "value" in tags ? (tags.value as string[]) : [],
    lead: (given.lead as number | undefined) ?? null,
    service: (given.service as string | undefined) ?? null,
    mode: (given.deduplication_execution_mode as string | undefined) ?? null,
    closeOldFindings: (given.close_old_findings as boolean | undefined) ?? closeOldByDefault,
    closeOldFindingsInProduct: given.close_old_findings_product_scope === true,
    applyTagsToFindings: given.apply_tags_to_findings === true,
  };
}

function usableFile(state: State, file: UploadedFile | undefined, scanType: string): UploadedFile {
  const refuse = (text: string) => fieldErrors({ non_field_errors: [{ text, code: "invalid" }] });
  if (file === undefined) throw refuse(`Uploading a Report File is required for ${scanType}`);
  const most = state.settings.maxReportBytes;
  if (file.bytes > most) {
    throw refuse(`Report file is too large. Maximum supported size is ${Math.floor(most / 1024 / 1024)} MB`);
  }
  return file;
}

/** The start of the day of a scan, or now. */
export function scanTime(state: State, form: ImportForm): string {
  return form.scanDate === null ? state.timestamp() : formatDatetime(new Date(`${form.scanDate}T00:00:00Z`));
}

/** An optional field. */
export function text(form: ImportForm, name: string): string {
  return String(form.given[name] ?? "");
}

/** The columns of a test that every import overwrites. */
export function buildColumns({ settings }: State, form: ImportForm) {
  const column = (name: string) => text(form, name) || settings.profile.noText;
  return {
    version: column("version"),
    build_id: column("build_id"),
    commit_hash: column("commit_hash"),
    branch_tag: column("branch_tag"),
  };
}
