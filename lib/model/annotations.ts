import { RelayError } from "../errors.ts";
import { nearest } from "../util/nearest.ts";
import { webUrl } from "../util/web-url.ts";
import { IMPORT_MODES, type ImportMode, livingTitle, runlessName } from "./import-mode.ts";
import { ANNOTATION_PREFIX, dropUndefined, type Scan } from "./scan.ts";

/** DefectDojo's severities, worst first. */
export const DOJO_SEVERITIES = ["Critical", "High", "Medium", "Low", "Info"] as const;
export type DojoSeverity = (typeof DOJO_SEVERITIES)[number];

/** The options of a scan's import into DefectDojo. */
export interface ImportOptions {
  readonly importMode: ImportMode;
  readonly productTypeName?: string;
  readonly productName: string;
  readonly productDescription: string;
  readonly productTags: readonly string[];
  readonly engagementName: string;
  readonly engagementVersion: string;
  readonly deduplicateOnEngagement: boolean;
  readonly engagementTags: readonly string[];
  readonly testTitle: string;
  readonly testTags: readonly string[];
  /** DefectDojo's scan type for the report, case-insensitive; default: by the scan type. */
  readonly importAs?: string;
  readonly minimumSeverity: DojoSeverity;
  readonly closeOldFindings: boolean;
  readonly service?: string;
  readonly environment?: string;
  readonly branchTag?: string;
  readonly commitHash?: string;
  readonly groupBy?: string;
  readonly active?: boolean;
  readonly verified?: boolean;
  readonly closeOldFindingsProductScope?: boolean;
  readonly doNotReactivate?: boolean;
  readonly pushToJira?: boolean;
  readonly applyTagsToFindings?: boolean;
  readonly applyTagsToEndpoints?: boolean;
  readonly createFindingGroups?: boolean;
  /** yyyy-mm-dd */
  readonly scanDate?: string;
  /** yyyy-mm-dd, for a new engagement. */
  readonly engagementEndDate?: string;
  /** For a new engagement, from its start. */
  readonly engagementDays?: number;
  readonly sourceCodeManagementUri?: string;
  readonly productBusinessCriticality?: string;
  readonly doNotImport: boolean;
}

/** Defaults that an operator sets for all Scans (`DEFAULT_…`). */
export type OptionDefaults = Pick<ImportOptions, "productTypeName"> &
  Partial<Pick<ImportOptions, "engagementName" | "importMode">>;

/** Values of import-scan's `group_by` (DefectDojo's `Finding_Group.GROUP_BY_OPTIONS`). */
const GROUP_BY = [
  "component_name",
  "component_name+component_version",
  "file_path",
  "finding_title",
  "vuln_id_from_tool",
];

/** Choices of a product's `business_criticality` (DefectDojo's `Product.BUSINESS_CRITICALITY_CHOICES`). */
const CRITICALITIES = ["very high", "high", "medium", "low", "very low", "none"];

/** Days that an engagement may last. */
const LONGEST_ENGAGEMENT = 3_650;

/** DefectDojo's column; what does not fit into it is answered with 500, however often it is tried. */
const LONGEST_TAG = 255;

type Parse = (value: string, annotation: string) => Partial<Record<keyof ImportOptions, unknown>>;

const text =
  (field: keyof ImportOptions, longest: number): Parse =>
  (value, annotation) => {
    if (value.trim().length > longest) invalid(annotation, `longer than ${longest} characters`);
    return value.trim() === "" ? {} : { [field]: value.trim() };
  };
const tags =
  (field: keyof ImportOptions): Parse =>
  (value, annotation) => {
    const list = splitTags(value);
    if (list.some((tag) => tag.length > LONGEST_TAG))
      invalid(annotation, `a list with a tag longer than ${LONGEST_TAG} characters`);
    return { [field]: list };
  };
const flag =
  (field: keyof ImportOptions): Parse =>
  (value, annotation) => {
    const lower = value.trim().toLowerCase();
    if (lower !== "true" && lower !== "false") invalid(annotation, 'neither "true" nor "false"');
    return { [field]: lower === "true" };
  };
const oneOf =
  (field: keyof ImportOptions, choices: readonly string[]): Parse =>
  (value, annotation) => {
    const chosen = choices.find((choice) => choice.toLowerCase() === value.trim().toLowerCase());
    if (chosen === undefined) invalid(annotation, `not one of ${choices.join(", ")}`);
    return { [field]: chosen };
  };

const date =
  (field: keyof ImportOptions): Parse =>
  (value, annotation) => {
    const text = value.trim();
    const time = /^\d{4}-\d{2}-\d{2}$/.test(text) ? new Date(`${text}T00:00:00Z`) : new Date(Number.NaN);
    if (Number.isNaN(time.getTime()) || time.toISOString().slice(0, 10) !== text)
      invalid(annotation, "not a date (yyyy-mm-dd)");
    return { [field]: text };
  };
const days =
  (field: keyof ImportOptions, most: number): Parse =>
  (value, annotation) => {
    const count = /^\d+$/.test(value.trim()) ? Number(value) : 0;
    if (count < 1 || count > most) invalid(annotation, `not a number of days from 1 to ${most}`);
    return { [field]: count };
  };
const httpUrl =
  (field: keyof ImportOptions, longest: number): Parse =>
  (value, annotation) => {
    if (webUrl(value.trim()) === undefined) invalid(annotation, "not an http(s) URL");
    return text(field, longest)(value, annotation);
  };

/**
 * One row per annotation, without the prefix: what it means. Lengths are those of DefectDojo's columns.
 * The first eleven are the reference hook's (https://www.securecodebox.io/docs/hooks/defectdojo).
 */
export const ANNOTATIONS: Readonly<Record<string, Parse>> = {
  "product-type-name": text("productTypeName", 255),
  "product-name": text("productName", 255),
  "product-description": text("productDescription", 4000),
  "product-tags": tags("productTags"),
  "engagement-name": text("engagementName", 300),
  "engagement-version": text("engagementVersion", 100),
  "engagement-deduplicate-on-engagement": flag("deduplicateOnEngagement"),
  "engagement-tags": tags("engagementTags"),
  "test-title": text("testTitle", 255),
  "minimum-severity": oneOf("minimumSeverity", DOJO_SEVERITIES),
  minimum_severity: oneOf("minimumSeverity", DOJO_SEVERITIES),
  "close-old-findings": flag("closeOldFindings"),
  service: text("service", 200),
  environment: text("environment", 200),
  "branch-tag": text("branchTag", 150),
  "commit-hash": text("commitHash", 150),
  "test-tags": tags("testTags"),
  "import-as": text("importAs", 200),
  "group-by": oneOf("groupBy", GROUP_BY),
  active: flag("active"),
  verified: flag("verified"),
  "close-old-findings-product-scope": flag("closeOldFindingsProductScope"),
  "do-not-reactivate": flag("doNotReactivate"),
  "push-to-jira": flag("pushToJira"),
  "apply-tags-to-findings": flag("applyTagsToFindings"),
  "apply-tags-to-endpoints": flag("applyTagsToEndpoints"),
  "create-finding-groups": flag("createFindingGroups"),
  "scan-date": date("scanDate"),
  "engagement-end-date": date("engagementEndDate"),
  "engagement-days": days("engagementDays", LONGEST_ENGAGEMENT),
  "source-code-management-uri": httpUrl("sourceCodeManagementUri", 600),
  "product-business-criticality": oneOf("productBusinessCriticality", CRITICALITIES),
  "do-not-import": flag("doNotImport"),
  "import-mode": oneOf("importMode", IMPORT_MODES),
};

/** One row per flag of import-scan that only comes from its annotation: the API's field. */
const FORM_FLAGS: readonly (readonly [keyof ImportOptions, string])[] = [
  ["closeOldFindingsProductScope", "close_old_findings_product_scope"],
  ["doNotReactivate", "do_not_reactivate"],
  ["pushToJira", "push_to_jira"],
  ["applyTagsToFindings", "apply_tags_to_findings"],
  ["applyTagsToEndpoints", "apply_tags_to_endpoints"],
  ["createFindingGroups", "create_finding_groups_for_all_findings"],
];

/** The fields of import-scan for the annotated flags, by the API's names. */
export function importFlags(options: ImportOptions): Readonly<Record<string, boolean>> {
  return Object.fromEntries(
    FORM_FLAGS.flatMap(([option, field]) => (typeof options[option] === "boolean" ? [[field, options[option]]] : [])),
  );
}

const PRODUCT_DESCRIPTION = "Product was automatically created by the secureCodeBox DefectDojo integration";

/** The product's name: the annotation, else the ScheduledScan's name, else the scan's. */
export function productName(scan: Scan): string {
  return scan.annotations["product-name"]?.trim() || scan.scheduledBy || scan.name;
}

/** An import mode's own defaults: what all runs of a scan share must not bear the name of one of them. */
const MODE_DEFAULTS: Readonly<Record<ImportMode, (scan: Scan) => Partial<ImportOptions>>> = {
  import: () => ({}),
  reimport: (scan) => ({
    productName: scan.annotations["product-name"]?.trim() || runlessName(scan),
    engagementName: runlessName(scan),
    testTitle: livingTitle(scan),
    closeOldFindings: true,
  }),
};

/**
 * Reads the scan's annotations over their defaults.
 * @returns the import options, and a warning for each unknown annotation
 * @throws RelayError `sidecar-invalid`, naming each annotation with an invalid value
 */
export function readAnnotations(
  scan: Scan,
  object: string,
  byOperator: OptionDefaults = {},
): { options: ImportOptions; warnings: string[] } {
  const values: Partial<Record<keyof ImportOptions, unknown>> = {};
  const errors: string[] = [];
  const warnings: string[] = [];
  for (const [name, value] of Object.entries(scan.annotations)) {
    const parse = Object.hasOwn(ANNOTATIONS, name) ? ANNOTATIONS[name] : undefined;
    if (parse === undefined) {
      warnings.push(unknownAnnotation(name));
      continue;
    }
    try {
      Object.assign(values, parse(value, name));
    } catch (error) {
      errors.push(error instanceof Error ? error.message : String(error));
    }
  }
  if (errors.length > 0) {
    throw new RelayError("sidecar-invalid", `${object}: ${errors.join("; ")}`, { object });
  }
  const given = { ...dropUndefined(byOperator), ...(values as Partial<ImportOptions>) };
  const importMode = given.importMode ?? "import";
  const defaults: ImportOptions = {
    importMode,
    productName: productName(scan),
    productDescription: PRODUCT_DESCRIPTION,
    productTags: [],
    engagementName: scan.name,
    engagementVersion: "",
    deduplicateOnEngagement: false,
    engagementTags: [],
    testTitle: scan.name,
    testTags: [],
    minimumSeverity: "Info",
    closeOldFindings: false,
    doNotImport: false,
    ...MODE_DEFAULTS[importMode](scan),
  };
  const options: { -readonly [K in keyof ImportOptions]: ImportOptions[K] } = { ...defaults, ...given };
  if (importMode === "reimport" && options.closeOldFindingsProductScope !== undefined) {
    const annotation = `annotation ${ANNOTATION_PREFIX}close-old-findings-product-scope`;
    warnings.push(`${annotation} is ignored: a living test closes only its own findings`);
    delete options.closeOldFindingsProductScope;
  }
  // Closing in the whole product is closing.
  const closeOldFindings = options.closeOldFindings || options.closeOldFindingsProductScope === true;
  return { options: { ...options, closeOldFindings }, warnings };
}

/** DefectDojo responds with 400 to a tag with a space or quote; in reports it replaces them with `_` (tested on 3.2), and so do we. */
function splitTags(value: string): string[] {
  return value
    .split(",")
    .map((tag) => tag.trim().replace(/[\s'"]+/g, "_"))
    .filter((tag) => tag !== "");
}

function invalid(annotation: string, why: string): never {
  throw new Error(`annotation ${ANNOTATION_PREFIX}${annotation} is ${why}`);
}

/** Whether a warning (also in a receipt) is about an unknown annotation. */
export const isOfUnknownAnnotation = (warning: string) =>
  warning.startsWith(`annotation ${ANNOTATION_PREFIX}`) && warning.includes(" is not known");

function unknownAnnotation(name: string): string {
  if (name === "build-id") {
    return `annotation ${ANNOTATION_PREFIX}build-id is ignored: the build id is the job's key, by which retries find their test`;
  }
  const meant = nearest(name, Object.keys(ANNOTATIONS), 3);
  return `annotation ${ANNOTATION_PREFIX}${name} is not known${meant ? `; did you mean ${meant}?` : ""}`;
}
