import { importError } from "../http.ts";
import type { Severity } from "../model.ts";
import { array, object, optionalArray, readJson, string, stringOrNull } from "./read.ts";
import { item, type Parser, type ReportItem, reported } from "./report.ts";

const SEMGREP_SEVERITY: Record<string, Severity> = {
  CRITICAL: "Critical",
  ERROR: "High",
  HIGH: "High",
  WARNING: "Medium",
  MEDIUM: "Medium",
  LOW: "Low",
  INFO: "Low",
};

/** `dojo/tools/semgrep`: one finding per rule, file and line. */
export const semgrepParser: Parser = {
  parse: async (file) => {
    const found = new Map<string, ReportItem>();
    const report = await readJson(file);
    // Python evaluates `"results" in data`, which works on a list too.
    for (const entry of Array.isArray(report) ? [] : optionalArray(object(report).results)) {
      const next = semgrepFinding(object(entry));
      const { title, file_path, line } = next.finding;
      const key = `${title}${file_path}${line}`;
      const known = found.get(key);
      if (known === undefined) found.set(key, next);
      else known.finding.nb_occurences = (known.finding.nb_occurences ?? 0) + 1;
    }
    return { findings: [...found.values()] };
  },
};

function semgrepFinding(given: Record<string, unknown>): ReportItem {
  const extra = object(given.extra);
  const metadata = object(extra.metadata);
  const severity = SEMGREP_SEVERITY[string(extra.severity).toUpperCase()];
  if (severity === undefined) throw importError(`Unknown value for severity: ${extra.severity}`);
  const cwes = [metadata.cwe ?? []].flat().map((cwe) => Number(/-(\d+)/.exec(string(cwe))?.[1] ?? 0));
  const lines = extra.lines;
  const snippet = lines === undefined || lines === "requires login" ? "" : `**Snippet:**\n\`\`\`${lines}\`\`\`\n`;
  const fingerprint = stringOrNull(extra.fingerprint);
  const finding = reported({
    title: string(given.check_id),
    severity,
    description: `**Result message:** ${extra.message}\n${snippet}`,
    file_path: string(given.path),
    line: Number(object(given.start).line),
    static_finding: true,
    dynamic_finding: false,
    vuln_id_from_tool: string(given.check_id),
    unique_id_from_tool: fingerprint === "requires login" ? null : fingerprint,
    nb_occurences: 1,
    cwe: cwes[0] ?? 0,
    cwes,
    references: metadata.references === undefined ? null : array(metadata.references).join("\n"),
    mitigation: stringOrNull(extra.fix),
  });
  return { ...item(finding), anyPlace: true };
}

/** `dojo/tools/gitleaks`, reports of version 8. */
export const gitleaksParser: Parser = {
  parse: async (file) => {
    const found = new Map<string, ReportItem>();
    for (const entry of iterated(await readJson(file))) {
      const next = gitleaksFinding(object(entry));
      const key = `${next.finding.title}${string(object(entry).Secret)}${next.finding.line}`;
      const known = found.get(key);
      if (known === undefined) {
        found.set(key, next);
        continue;
      }
      known.finding.nb_occurences = (known.finding.nb_occurences ?? 0) + 1;
      known.finding.description += `\n\n***\n\n${next.finding.description}`;
    }
    return { findings: [...found.values()] };
  },
};

/** What Python's `for` iterates over: an object's keys, so nothing for an empty one. The caller has checked for `null`. */
function iterated(report: unknown): unknown[] {
  if (report === null || Array.isArray(report)) return optionalArray(report);
  return Object.keys(object(report));
}

function gitleaksFinding(given: Record<string, unknown>): ReportItem {
  if (!given.Description) throw importError("Format is not recognized for Gitleaks");
  const message = string(given.Message);
  const lines: [string, unknown][] = [
    ["Secret", given.Secret],
    ["Match", given.Match],
    ["Commit message", message.includes("\n") ? undefined : message],
    ["Commit hash", given.Commit],
    ["Commit date", given.Date],
    ["Rule Id", given.RuleID],
  ];
  const rows = lines.flatMap(([label, value]) => (value ? [`**${label}:** ${value}`] : []));
  if (message.includes("\n")) {
    const after = rows.findIndex((row) => row.startsWith("**Commit hash"));
    rows.splice(after < 0 ? rows.length : after, 0, `**Commit message:**\n\`\`\`\n${message}\n\`\`\``);
  }
  const file = string(given.File);
  const finding = reported({
    title: `Hard coded ${given.Description} found in ${file}`,
    severity: "High",
    description: rows.join("\n"),
    cwe: 798,
    file_path: file,
    line: Number(given.StartLine ?? 0),
    static_finding: true,
    dynamic_finding: false,
    nb_occurences: 1,
    tags: optionalArray(given.Tags)
      .map((tag) => string(tag).replaceAll(/[\s,]+/g, "_"))
      .sort(),
  });
  return { ...item(finding), anyPlace: true };
}

/** `dojo/tools/kubehunter`. */
export const kubeHunterParser: Parser = {
  parse: async (file) => {
    const needed = ["hunter", "category", "location", "description", "evidence", "avd_reference", "severity"];
    const entries = array(object(await readJson(file)).vulnerabilities).map(object);
    const missing = entries.flatMap((entry, index) => {
      const names = needed.filter((name) => entry[name] === undefined);
      return names.length > 0 ? [`Vulnerability ${index + 1}: Missing attributes: ${names.join(", ")}`] : [];
    });
    if (missing.length > 0) throw importError(missing.join("\n`"));
    return { findings: entries.map(kubeHunterFinding) };
  },
};

function kubeHunterFinding(given: Record<string, unknown>): ReportItem {
  const rated = string(given.severity).toLowerCase();
  const severity = ["low", "medium", "high", "critical"].includes(rated)
    ? rated.charAt(0).toUpperCase() + rated.slice(1)
    : "Info";
  const [reference, evidence] = [string(given.avd_reference), string(given.evidence)];
  const finding = reported({
    title: string(given.vulnerability),
    severity: severity as Severity,
    description: `**Hunter**: ${given.hunter}\n\n**Category**: ${given.category}\n\n**Location**: ${given.location}\n\n**Description**:\n${given.description}\n\n`,
    mitigation:
      reference === "" ? null : `Further details can be found in kube-hunter documentation available at : ${reference}`,
    references: reference === "" ? null : `**Kube-hunter AVD reference**: ${reference}`,
    vuln_id_from_tool: stringOrNull(given.vid),
    steps_to_reproduce: evidence === "" || evidence === "none" ? "" : `**Evidence**: ${evidence}`,
  });
  return item(finding);
}
