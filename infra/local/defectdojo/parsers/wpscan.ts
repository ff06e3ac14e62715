import type { ReportedFinding } from "../model.ts";
import { array, object, optionalArray, readJson, string, stringOrNull } from "./read.ts";
import {
  countAgain,
  item,
  merged,
  type Parser,
  type ParserContext,
  placesOfUrl,
  type ReportItem,
  reported,
} from "./report.ts";

/** `dojo/tools/wpscan`: vulnerabilities of plugins and of WordPress, and interesting findings. */
export const wpscanParser: Parser = {
  parse: async (file, context) => {
    const report = object(await readJson(file));
    const started = report.start_time;
    const date = typeof started === "number" ? new Date(started * 1000).toISOString().slice(0, 10) : null;
    const entries: (readonly [string, ReportItem])[] = [];
    for (const [name, node] of Object.entries(object(report.plugins ?? {}))) {
      for (const found of optionalArray(object(node).vulnerabilities))
        entries.push(wpVulnerability(object(found), object(node), name, date));
    }
    const version = report.version ? object(report.version) : {};
    for (const found of optionalArray(version.vulnerabilities))
      entries.push(wpVulnerability(object(found), { confidence: version.confidence }, null, date));
    for (const found of optionalArray(report.interesting_findings))
      entries.push(wpInteresting(object(found), date, context));
    return { findings: merged(entries, countAgain) };
  },
};

function wpVulnerability(
  given: Record<string, unknown>,
  node: Record<string, unknown>,
  plugin: string | null,
  date: string | null,
): readonly [string, ReportItem] {
  const references = object(given.references);
  const lines = [`**Title:** \`${given.title}\`\n`];
  if (node.location !== undefined) lines.push(`**Location:** \`${node.location}\`\n`);
  if (plugin !== null) lines.push(`**Plugin:** \`${plugin}\`\n`);
  const id = string(array(references.wpvulndb)[0]);
  const finding = reported({
    title: string(given.title),
    severity: "Medium",
    description: lines.join(""),
    cwe: 1035,
    references: wpReferences(references),
    scanner_confidence: wpConfidence(node.confidence),
    unique_id_from_tool: id,
    nb_occurences: 1,
    component_name: plugin,
    component_version: stringOrNull(object(node.version ?? {}).number),
    date,
    fix_available: Boolean(given.fixed_in),
    mitigation: given.fixed_in ? `fixed in : ${given.fixed_in}` : null,
    vulnerability_ids: optionalArray(references.cve).map((cve) => `CVE-${cve}`),
  });
  return [id, item(finding)];
}

function wpInteresting(
  given: Record<string, unknown>,
  date: string | null,
  context: ParserContext,
): readonly [string, ReportItem] {
  const url = string(given.url);
  const entries = optionalArray(given.interesting_entries);
  const details = entries.length > 0 ? `**Details:** \`${entries.join(" ")}\`\n` : "";
  const finding: ReportedFinding = reported({
    title: `Interesting finding: ${given.to_s}`,
    severity: "Info",
    description: `**Type:** \`${given.type}\`\n\n**Url:** \`${url}\`\n${details}`,
    references: wpReferences(object(given.references)),
    scanner_confidence: wpConfidence(given.confidence),
    date,
  });
  const places = placesOfUrl(url, context);
  return [`interesting ${finding.title} ${url}`, item(finding, places)];
}

function wpReferences(references: Record<string, unknown>): string {
  const row = (kind: string, value: unknown) => {
    if (kind === "url") return `* [${value}](${value})\n`;
    return kind === "wpvulndb"
      ? `* [WPScan WPVDB](https://wpscan.com/vulnerability/${value})\n`
      : `* ${value} - ${kind}\n`;
  };
  return Object.entries(references)
    .flatMap(([kind, values]) => optionalArray(values).map((value) => row(kind, value)))
    .join("");
}

function wpConfidence(percent: unknown): number | null {
  return percent === undefined || percent === null ? null : 10 - Math.round(Number(percent) / 10);
}
