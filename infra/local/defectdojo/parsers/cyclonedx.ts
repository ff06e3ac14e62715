import type { ReportedFinding, Severity } from "../model.ts";
import { object, optionalArray, readJson, string, stringOrNull } from "./read.ts";
import { item, type Parser, type ReportItem, reported } from "./report.ts";

type Component = { name: string | null; version: string | null };

/** Maps the analysis of a vulnerability to the status of its finding. */
const STATES: Readonly<Record<string, Partial<ReportedFinding>>> = {
  resolved: { is_mitigated: true, active: false },
  resolved_with_pedigree: { is_mitigated: true, active: false },
  not_affected: { is_mitigated: true, active: false },
  false_positive: { false_p: true, active: false },
};

/** CycloneDX, JSON (`dojo/tools/cyclonedx`): one finding for each component that a vulnerability affects. XML is not supported here. */
export const cycloneDxParser: Parser = {
  parse: async (file) => {
    const bom = object(await readJson(file));
    const components = new Map<string, Component>();
    collectComponents(optionalArray(bom.components), components);
    const date = stringOrNull(object(bom.metadata ?? {}).timestamp)?.slice(0, 10) ?? null;
    return {
      findings: optionalArray(bom.vulnerabilities).flatMap((entry) => {
        const vulnerability = object(entry);
        return optionalArray(vulnerability.affects).map((affected) =>
          affectedFinding(vulnerability, components.get(string(object(affected).ref)), date),
        );
      }),
    };
  },
};

function collectComponents(given: readonly unknown[], into: Map<string, Component>): void {
  for (const entry of given) {
    const component = object(entry);
    collectComponents(optionalArray(component.components), into);
    if (component["bom-ref"] === undefined) continue;
    into.set(string(component["bom-ref"]), { name: string(component.name), version: stringOrNull(component.version) });
  }
}

function affectedFinding(given: Record<string, unknown>, of: Component | undefined, date: string | null): ReportItem {
  const { name, version } = of ?? { name: null, version: null };
  const id = string(given.id, "None");
  const cwes = optionalArray(given.cwes).map(Number);
  const finding = reported({
    title: `${name ?? "None"}:${version ?? "None"} | ${id}`,
    severity: severityOf(given),
    description:
      [stringOrNull(given.description), given.detail ? `\n${given.detail}` : null].join("") || NO_DESCRIPTION,
    mitigation: string(given.recommendation),
    references: optionalArray(given.advisories).map(advisory).join(""),
    component_name: name,
    component_version: version,
    static_finding: true,
    dynamic_finding: false,
    vuln_id_from_tool: stringOrNull(given.id),
    vulnerability_ids: [given, ...optionalArray(given.references).map(object)].flatMap((r) => stringOrNull(r.id) ?? []),
    cwe: cwes[0] ?? 0,
    cwes,
    date,
    ...STATES[string(object(given.analysis ?? {}).state)],
  });
  return { ...item(finding), anyPlace: true };
}

const NO_DESCRIPTION = "Description was not provided.";

/** The severity of the first rating, unless a CVSS 3 rating has another. */
function severityOf(given: Record<string, unknown>): Severity {
  const ratings = optionalArray(given.ratings).map(object);
  const byVector = ratings.findLast((r) => ["CVSSv3", "CVSSv31"].includes(string(r.method)) && r.severity);
  const rated = string((byVector ?? ratings[0])?.severity, "medium");
  const severity = rated.charAt(0).toUpperCase() + rated.slice(1).toLowerCase();
  return (["Unknown", "None"].includes(severity) ? "Info" : severity) as Severity;
}

function advisory(entry: unknown): string {
  const { title, url } = object(entry);
  return `${title ? `**Title:** ${title}\n` : ""}${url ? `**URL:** ${url}\n` : ""}\n`;
}
