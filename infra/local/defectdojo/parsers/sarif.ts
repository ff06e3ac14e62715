import { importError } from "../http.ts";
import type { ReportedFinding, Severity } from "../model.ts";
import { object, optionalArray, readJson, string, stringOrNull } from "./read.ts";
import { item, type Parser, type ReportItem, reported } from "./report.ts";
import {
  codeFlows,
  fingerprint,
  messageText,
  ruleCwes,
  shortened,
  snippetOf,
  tagsOf,
  taxaCwes,
} from "./sarif-parts.ts";

type Fields = Record<string, unknown>;

const LEVELS: Readonly<Record<string, Severity>> = { note: "Info", warning: "Medium", error: "High" };

/** SARIF 2.1.0 (`dojo/tools/sarif/parser.py`): the first run defines the test type; one finding per location of a result. */
export const sarifParser: Parser = {
  namesItsTest: true,
  parse: async (file) => {
    const runs = optionalArray(object(await readJson(file)).runs).map(object);
    const [first] = runs;
    const findings = runs.flatMap(findingsOf);
    if (first === undefined) return { findings };
    const { name, version } = driverOf(first);
    return {
      findings,
      testType: testTypeName(string(name)),
      testColumns: version === undefined ? {} : { version: string(version) },
    };
  },
};

const driverOf = (run: Fields) => object(object(run.tool).driver);

/** `resolve_dynamic_test_type_name` of the importer. */
function testTypeName(tool: string): string {
  if (tool === "" || tool === "SARIF" || tool.endsWith(" (SARIF)")) return tool || "SARIF";
  return `${tool} Scan (SARIF)`;
}

function findingsOf(run: Fields): ReportItem[] {
  const own = optionalArray(driverOf(run).rules);
  const extensions = optionalArray(object(run.tool).extensions).flatMap((one) => optionalArray(object(one).rules));
  const rules = new Map((own.length > 0 ? own : extensions).map(object).map((rule) => [string(rule.id), rule]));
  const last = optionalArray(run.invocations).at(-1);
  const date = last === undefined ? null : stringOrNull(object(last).endTimeUtc);
  return optionalArray(run.results).flatMap((each) => {
    const result = object(each);
    if (string(result.kind, "fail") !== "fail") return [];
    const rule = rules.get(string(result.ruleId));
    const locations = optionalArray(result.locations).map(object);
    return (locations.length > 0 ? locations : [undefined]).map((location) => findingOf(result, rule, location, date));
  });
}

function findingOf(
  result: Fields,
  rule: Fields | undefined,
  location: Fields | undefined,
  date: string | null,
): ReportItem {
  const suppressed = optionalArray(result.suppressions).length > 0;
  const ruleId = stringOrNull(result.ruleId);
  const cve = /CVE-\d+-\d+/i.exec(ruleId ?? "")?.[0].toUpperCase();
  const cwes = [...(rule === undefined ? [] : ruleCwes(rule)), ...resultCwes(result)];
  const fixes = optionalArray(result.fixes).map((fix) => string(object(object(fix).description).text));
  const finding = reported({
    title: titleOf(result, rule),
    description: descriptionOf(result, rule, location),
    ...rated(result, rule),
    ...placeOf(location),
    static_finding: true,
    dynamic_finding: false,
    false_p: suppressed,
    active: !suppressed,
    references: referencesOf(rule),
    vuln_id_from_tool: ruleId,
    vulnerability_ids: cve === undefined ? [] : [cve],
    cwe: cwes.at(-1) ?? 0,
    cwes: [...new Set(cwes)],
    mitigation: result.fixes === undefined ? null : fixes.join("\n"),
    tags: [...new Set([...tagsOf(rule), ...tagsOf(result)])].map((tag) => tag.replace(/^external\/cwe\//, "")).sort(),
    unique_id_from_tool: fingerprint(result),
    ...(date === null ? {} : { date }),
  });
  return { ...item(finding), anyPlace: true };
}

const resultCwes = (result: Fields) => {
  const own = /cwe-(\d+)/i.exec(string(object(result.properties ?? {}).cwe))?.[1];
  return [...(own === undefined ? [] : [Number(own)]), ...taxaCwes(result)];
};

function placeOf(location: Fields | undefined): Partial<ReportedFinding> {
  if (location?.physicalLocation === undefined) return {};
  const { artifactLocation, region } = object(location.physicalLocation);
  const bytes = region === undefined || object(region).byteOffset !== undefined;
  return {
    file_path: stringOrNull(object(artifactLocation).uri),
    line: bytes ? null : Number(object(region).startLine),
  };
}

/** The level of the result, else of its rule; the rule's `security-severity` overrides both. */
function rated(result: Fields, rule: Fields | undefined): Partial<ReportedFinding> & { severity: Severity } {
  const level = result.level ?? object(rule?.defaultConfiguration ?? {}).level;
  const severity = LEVELS[string(level)] ?? "Medium";
  const given = object(rule?.properties ?? {})["security-severity"];
  if (given === undefined) return { severity };
  const score = Number(given);
  if (Number.isNaN(score)) {
    const word = string(given).charAt(0).toUpperCase() + string(given).slice(1).toLowerCase();
    return { severity: SEVERITIES.find((one) => one === word) ?? "Info" };
  }
  const [, scored] = SCORES.find(([least]) => score >= least) ?? [0, score > 0 ? ("Low" as const) : ("Info" as const)];
  return { severity: scored, cvssv3_score: score };
}

const SEVERITIES: readonly Severity[] = ["Info", "Low", "Medium", "High", "Critical"];
const SCORES: readonly (readonly [number, Severity])[] = [
  [9, "Critical"],
  [7, "High"],
  [4, "Medium"],
];

function titleOf(result: Fields, rule: Fields | undefined): string {
  const own = result.message === undefined ? undefined : messageText(object(result.message), rule);
  const title = own ?? (rule === undefined ? undefined : ruleTitle(rule));
  if (title === undefined) throw importError("No information found to create a title");
  return shortened(title, 150);
}

function ruleTitle(rule: Fields): string | undefined {
  for (const key of ["shortDescription", "fullDescription"])
    if (rule[key] !== undefined) return messageText(object(rule[key]), rule);
  return (rule.name ?? rule.id) === undefined ? undefined : string(rule.name ?? rule.id);
}

function descriptionOf(result: Fields, rule: Fields | undefined, location: Fields | undefined): string {
  const message = result.message === undefined ? "" : string(messageText(object(result.message), rule), "None");
  const lines = result.message === undefined ? [] : [`**Result message:** ${message}`];
  const snippet = snippetOf(location);
  if (snippet !== undefined) lines.push(`**Snippet:**\n\`\`\`\n${snippet}\n\`\`\``);
  if (rule !== undefined) {
    if (rule.name !== undefined) lines.push(`**Rule name:** ${rule.name}`);
    const short = rule.shortDescription === undefined ? "" : messageText(object(rule.shortDescription), rule);
    if (rule.shortDescription !== undefined && short !== message) lines.push(`**Rule short description:** ${short}`);
    const full = rule.fullDescription === undefined ? "" : messageText(object(rule.fullDescription), rule);
    if (rule.fullDescription !== undefined && full !== message && full !== short)
      lines.push(`**Rule full description:** ${full}`);
  }
  return [...lines, codeFlows(result)].join("\n").replace(/\n$/, "");
}

function referencesOf(rule: Fields | undefined): string | null {
  if (rule?.helpUri !== undefined) return string(rule.helpUri);
  const help = rule?.help === undefined ? undefined : messageText(object(rule.help), rule);
  return help?.startsWith("http") ? help : null;
}
