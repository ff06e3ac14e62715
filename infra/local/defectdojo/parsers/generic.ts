import { importError, internalError } from "../http.ts";
import type { Place, ReportedFinding, Severity } from "../model.ts";
import { parseCsv } from "./csv.ts";
import { array, object, readJson, readText, string } from "./read.ts";
import {
  item,
  type Parser,
  type ParserContext,
  placeOfParts,
  placesOfUrl,
  type Report,
  type ReportItem,
  reported,
} from "./report.ts";

const REQUIRED = ["description", "severity", "title"];
const NUMBERS: Record<string, (value: number) => number> = {
  cvssv3_score: Number,
  cvssv4_score: Number,
  cwe: Math.trunc,
  epss_percentile: Number,
  epss_score: Number,
  line: Math.trunc,
  nb_occurences: Math.trunc,
  sast_source_line: Math.trunc,
  scanner_confidence: Math.trunc,
  thread_id: Math.trunc,
};
const ALLOWED = new Set([
  ...REQUIRED,
  ...Object.keys(NUMBERS),
  ...[
    "date",
    "cve",
    "cvssv3",
    "cvssv4",
    "mitigation",
    "impact",
    "steps_to_reproduce",
    "severity_justification",
    "references",
  ],
  ...["active", "verified", "false_p", "out_of_scope", "risk_accepted", "under_review", "is_mitigated", "mitigated"],
  ...["numerical_severity", "param", "payload", "file_path", "component_name", "component_version", "static_finding"],
  ...["dynamic_finding", "unique_id_from_tool", "vuln_id_from_tool", "sast_source_object", "sast_sink_object"],
  ...["sast_source_file_path", "publish_date", "service", "planned_remediation_date", "planned_remediation_version"],
  ...["effort_for_fixing", "kev_date", "known_exploited", "ransomware_used", "fix_available", "fix_version"],
  // Removed before validation.
  ...["endpoints", "files", "tags", "vulnerability_ids", "cwes"],
]);
/** Columns of limited length: the database rejects longer text, and the response is a bare 500. */
const MOST: Record<string, number> = {
  unique_id_from_tool: 500,
  vuln_id_from_tool: 500,
  component_name: 500,
  component_version: 100,
  service: 200,
};

/** Generic Findings Import, JSON or CSV (`dojo/tools/generic`). */
export const genericParser: Parser = {
  namesItsTest: true,
  parse: async (file, context): Promise<Report> => {
    if (file.name.toLowerCase().endsWith(".csv")) return { findings: parseCsv(await readText(file), context) };
    const report = object(await readJson(file));
    const findings = report.findings === undefined ? [] : array(report.findings);
    const type = report.type;
    return {
      findings: findings.map((finding) => parseFinding(object(finding), context)),
      testType: testTypeName(type === undefined ? undefined : string(type), context.generic?.genericTestType ?? NAME),
      testColumns: {
        ...(report.description === undefined ? {} : { description: string(report.description) }),
      },
    };
  },
};

const NAME = "Generic Findings Import";

function testTypeName(type: string | undefined, own: string): string {
  if (type === undefined || type === "" || type === NAME) return own;
  return type.endsWith(` (${NAME})`) ? type : `${type} Scan (${NAME})`;
}

function parseFinding(given: Record<string, unknown>, context: ParserContext): ReportItem {
  const date = given.date === undefined ? null : findingDate(given.date, context);
  const mitigated = given.mitigated === undefined ? null : parseDate(given.mitigated);
  complain(
    "Required fields are missing",
    REQUIRED.filter((name) => given[name] === undefined),
  );
  complain(
    "Not allowed fields are present",
    Object.keys(given)
      .filter((name) => !ALLOWED.has(name) || context.generic?.unknownFindingFields.includes(name))
      .sort(),
  );
  for (const name of ["title", "description", "severity"]) {
    if (typeof given[name] !== "string") throw new TypeError(`${name} is no text`);
  }
  for (const [name, most] of Object.entries(MOST)) {
    if (string(given[name]).length > most) throw new RangeError(`${name} is too long`);
  }
  const { endpoints, tags, vulnerability_ids: ids, cwes, cve, files: _, numerical_severity: __, ...columns } = given;
  for (const [name, convert] of Object.entries(NUMBERS)) {
    if (columns[name] === undefined || columns[name] === null) continue;
    const number = typeof columns[name] === "boolean" ? Number.NaN : Number(columns[name]);
    if (Number.isFinite(number)) columns[name] = convert(number);
    else delete columns[name];
  }
  const cweNumbers = list(cwes).map(cweNumber);
  const finding = reported({
    ...(columns as Partial<ReportedFinding>),
    title: String(given.title),
    severity: given.severity as Severity,
    date,
    mitigated,
    cwes: cweNumbers,
    vulnerability_ids: [...new Set([...list(cve), ...list(ids)].filter((id) => id.trim() !== ""))],
    tags: list(tags)
      .map((tag) => tag.replaceAll(/[\s,'"]+/g, "_"))
      .sort(),
  });
  if (finding.cwe === 0) finding.cwe = cweNumbers[0] ?? 0;
  const places = (typeof endpoints === "string" ? [...endpoints] : array(endpoints ?? [])).flatMap((e) =>
    placesOf(e, context),
  );
  const ofSource = context.mode === "locations" && (finding.file_path !== null || finding.component_name !== null);
  return { ...item(finding, places), anyPlace: places.length > 0 || ofSource };
}

function placesOf(endpoint: unknown, context: ParserContext): Place[] {
  return typeof endpoint === "string"
    ? placesOfUrl(endpoint, context)
    : [placeOfParts(object(endpoint) as Partial<Place>, context)];
}

function complain(about: string, names: readonly string[]): void {
  if (names.length > 0) throw importError(`${about}: [${names.map((name) => `'${name}'`).join(", ")}]`);
}

function list(value: unknown): string[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value.map(String) : [String(value)];
}

function cweNumber(value: string): number {
  return Number(/\d+/.exec(value)?.[0] ?? 0);
}

function findingDate(given: unknown, { generic }: ParserContext): string {
  if (generic?.takesDateTimes === false && /\d[T ]\d/.test(String(given))) throw importError(DATE_WITH_TIME);
  if (generic?.badDate === 500 && Number.isNaN(Date.parse(String(given)))) throw internalError();
  return parseDate(given).slice(0, 10);
}

const DATE_WITH_TIME = "value has an invalid date format. It must be in YYYY-MM-DD format.";

function parseDate(value: unknown): string {
  if (typeof value !== "string") throw new TypeError("a date is no text");
  const time = Date.parse(/^\d{4}-\d{2}-\d{2}$/.test(value) ? `${value}T00:00:00Z` : value);
  if (Number.isNaN(time)) throw importError(`Unknown string format: ${value}`);
  return new Date(time).toISOString();
}
