import { importError } from "../http.ts";
import type { ReportedFinding, Severity } from "../model.ts";
import { severityOf } from "./nmap.ts";
import { object, optionalArray, readJson, string, stringOrNull } from "./read.ts";
import { item, type Parser, type ReportItem, reported } from "./report.ts";

const SEVERITY: Record<string, Severity> = {
  CRITICAL: "Critical",
  HIGH: "High",
  MEDIUM: "Medium",
  LOW: "Low",
  UNKNOWN: "Info",
};
/** The source whose CVSS counts if the report names none. */
const SOURCES = ["nvd", "ghsa", "redhat", "bitnami"];

const STATUS: Record<string, Partial<ReportedFinding>> = {
  unknown: { verified: false },
  not_affected: { active: false, verified: true, is_mitigated: true },
  affected: { verified: true },
  fixed: { verified: true },
  under_investigation: { verified: false },
  will_not_fix: { verified: true },
  fix_deferred: { verified: true },
  end_of_life: { verified: true },
};

type Target = { target: string; class: string; type: string; service: string | null };

/** Trivy's JSON (`dojo/tools/trivy/parser.py`), including older formats and that of `trivy k8s`. */
export const trivyParser: Parser = {
  parse: async (file) => {
    const data = await readJson(file);
    if (data === null) return { findings: [] };
    if (Array.isArray(data)) return { findings: targets(data, null) };
    const report = object(data);
    if (report.SchemaVersion === 2) return { findings: targets(optionalArray(report.Results), null) };
    if (report.ClusterName === undefined) throw importError("Schema of Trivy json report is not supported");
    const resources = ["Vulnerabilities", "Misconfigurations", "Resources"].flatMap((key) =>
      optionalArray(report[key]),
    );
    return {
      findings: resources.flatMap((resource) => {
        const { Namespace, Kind, Name, Results } = object(resource);
        return targets(optionalArray(Results), [Namespace, Kind, Name].filter(Boolean).join(" / "));
      }),
    };
  },
};

function targets(results: readonly unknown[], service: string | null): ReportItem[] {
  return results.flatMap((result) => {
    const of = object(result);
    if (of.Target === undefined) return [];
    const target: Target = {
      target: string(of.Target),
      class: string(of.Class),
      type: string(of.Type),
      service,
    };
    return [
      ...optionalArray(of.Vulnerabilities).flatMap((v) => vulnerability(object(v), target)),
      ...optionalArray(of.Misconfigurations).map((m) => misconfiguration(object(m), target)),
      ...optionalArray(of.Secrets).map((s) => secret(object(s), target)),
      ...optionalArray(of.Licenses).map((l) => license(object(l), target)),
    ];
  });
}

function vulnerability(given: Record<string, unknown>, target: Target): ReportItem[] {
  const name = stringOrNull(given.PkgName);
  const rated = given.Severity ? SEVERITY[string(given.Severity)] : undefined;
  // A vulnerability without a package, or with another kind of rating, is skipped with a warning.
  if (name === null || (given.Severity && rated === undefined)) return [];
  const id = string(given.VulnerabilityID, "0");
  const version = string(given.InstalledVersion);
  const fixed = string(given.FixedVersion);
  const cwes = optionalArray(given.CweIDs).map((cwe) => Number(string(cwe).split("-")[1]));
  const packages = ["os-pkgs", "lang-pkgs"].includes(target.class);
  const scores = cvss(given);
  const finding = reported({
    ...sourceFinding(target),
    title: `${id} ${name} ${version}`,
    severity: rated ?? (scores.score === null ? "Info" : severityOf(scores.score)),
    description: `${string(given.Title)}\n**Target:** ${target.target}\n**Type:** ${target.type}\n**Fixed version:** ${fixed}\n\n${string(given.Description)}\n`,
    cwe: cwes[0] ?? 0,
    cwes,
    file_path: packages ? string(given.PkgPath, target.target) : target.class === "config" ? target.target : null,
    references: optionalArray(given.References).join("\n"),
    impact: string(given.Status),
    mitigation: fixed,
    component_name: name,
    component_version: version,
    ...scores.columns,
    fix_available: fixed !== "",
    vulnerability_ids: [id],
    ...STATUS[string(given.Status)],
  });
  return [{ ...item(finding), anyPlace: true }];
}

/** DefectDojo computes the score from the vector, although the report contains both. */
function cvss(given: Record<string, unknown>): { score: number | null; columns: Partial<ReportedFinding> } {
  const all = object(given.CVSS ?? {});
  const source = [string(given.SeveritySource), ...SOURCES].find((name) => all[name] !== undefined);
  const rating = object(source === undefined ? {} : all[source]);
  const number = (key: string) => (typeof rating[key] === "number" ? rating[key] : null);
  if (rating.V40Vector !== undefined || number("V4Score") !== null) {
    return {
      score: number("V4Score"),
      columns: { cvssv4: stringOrNull(rating.V40Vector), cvssv4_score: number("V4Score") },
    };
  }
  if (rating.V3Vector !== undefined || number("V3Score") !== null) {
    return {
      score: number("V3Score"),
      columns: { cvssv3: stringOrNull(rating.V3Vector), cvssv3_score: number("V3Score") },
    };
  }
  return { score: number("V2Score"), columns: {} };
}

function misconfiguration(given: Record<string, unknown>, target: Target): ReportItem {
  const id = string(given.ID, "None");
  const about = string(given.Description);
  const url = stringOrNull(given.PrimaryURL);
  const references = [
    url,
    ...optionalArray(given.References)
      .map(String)
      .filter((r) => r !== url),
  ].filter(Boolean);
  const finding = reported({
    ...sourceFinding(target),
    title: `${id} - ${string(given.Title, "Unknown Misconfiguration")}`,
    severity: SEVERITY[string(given.Severity, "Low")] ?? "Info",
    description: `**Target:** ${target.target}\n**Type:** ${string(given.Type, "None")}\n\n${about}\n${string(given.Message)}${codeLines(given)}\n`,
    mitigation: stringOrNull(given.Resolution),
    references: references.length > 0 ? references.join("\n") : null,
    url,
    file_path: target.target,
    impact: about,
    fix_available: true,
    vulnerability_ids: [string(given.AVDID, id)],
  });
  return { ...item(finding), anyPlace: true };
}

function codeLines(given: Record<string, unknown>): string {
  const lines = object(object(given.CauseMetadata ?? {}).Code ?? {}).Lines;
  if (lines === null) return "";
  const rows = optionalArray(lines).map((line) => `${string(object(line).Number)}\t${string(object(line).Content)}\n`);
  return `\nNumber\tContent\n${rows.join("")}`;
}

function secret(given: Record<string, unknown>, target: Target): ReportItem {
  const title = string(given.Title, "None");
  const finding = reported({
    ...sourceFinding(target),
    title: `Secret detected in ${target.target} - ${title}`,
    severity: known(given),
    description: `${title}\n**Category:** ${string(given.Category, "None")}\n**Match:** ${string(given.Match, "None")}\n`,
    file_path: target.target,
    line: typeof given.StartLine === "number" ? given.StartLine : null,
    fix_available: true,
  });
  return { ...item(finding), anyPlace: true };
}

function license(given: Record<string, unknown>, target: Target): ReportItem {
  const name = string(given.Name, "None");
  const finding = reported({
    ...sourceFinding(target),
    title: `License detected in ${target.target} - ${name}`,
    severity: known(given),
    description: `${name}\n**Category:** ${string(given.Category, "None")}\n**Package:** ${string(given.PkgName, "None")}\n`,
    file_path: stringOrNull(given.FilePath),
    url: stringOrNull(given.Link),
    fix_available: true,
  });
  return item(finding);
}

function known(given: Record<string, unknown>): Severity {
  const severity = SEVERITY[string(given.Severity)];
  if (severity === undefined) throw new TypeError("unknown severity");
  return severity;
}

function sourceFinding(target: Target): Partial<ReportedFinding> {
  const tags = [target.type, target.class].filter((tag) => tag !== "").sort();
  return { static_finding: true, dynamic_finding: false, service: target.service, tags };
}
