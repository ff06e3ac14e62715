import { importError } from "../http.ts";
import type { Place, ReportedFinding, Severity } from "../model.ts";
import { type Element, element, elements, parseXml } from "../xml.ts";
import { readText } from "./read.ts";
import { type Parser, type ParserContext, placeOfParts, type ReportItem, reported } from "./report.ts";

/** Nmap's XML (`dojo/tools/nmap/parser.py`): one finding per port number for all hosts, and one per finding of `vulners`. */
export const nmapParser: Parser = {
  parse: async (file, context) => {
    const root = parseXml(await readText(file));
    if (!root.name.includes("nmaprun")) throw importError("This doesn't seem to be a valid Nmap xml file.");
    const start = required(root.attributes.start);
    const date = /^\d+$/.test(start) ? new Date(Number(start) * 1000).toISOString().slice(0, 10) : null;
    const found = new Map<string, ReportItem>();
    for (const host of elements(root, "host")) parseHost(host, found, date, context);
    return { findings: [...found.values()] };
  },
};

function parseHost(host: Element, found: Map<string, ReportItem>, date: string | null, context: ParserContext): void {
  const address = elements(host, "address").find((a) => a.attributes.addrtype === "ipv4");
  // DefectDojo crashes on a host with only an IPv6 address.
  const ip = required(address?.attributes.addr);
  const names = required(element(host, "hostnames")).children;
  const fqdn = names.find((name) => name.attributes.type === "PTR")?.attributes.name;
  let about = `### Host\n\n**IP Address:** ${ip}\n`;
  for (const { attributes } of names) about += `**${attributes.type}:** ${attributes.name}\n`;
  about += "\n\n";
  for (const os of elements(host, "os")) {
    for (const { attributes } of elements(os, "osmatch")) {
      if (attributes.name !== undefined) about += `**Host OS:** ${attributes.name}\n`;
      if (attributes.accuracy !== undefined) about += `**Accuracy:** ${attributes.accuracy}%\n`;
    }
    about += "\n\n";
  }
  for (const port of elements(host, "ports/port")) {
    if (required(element(port, "state")).attributes.state !== "open") continue;
    parsePort(port, fqdn ?? ip, about, found, date, context);
  }
}

function parsePort(
  port: Element,
  host: string,
  about: string,
  found: Map<string, ReportItem>,
  date: string | null,
  context: ParserContext,
): void {
  const protocol = required(port.attributes.protocol);
  const number = /^\d+$/.test(port.attributes.portid ?? "") ? Number(port.attributes.portid) : null;
  const place = placeOfParts({ protocol, host, port: number }, context);
  const script = element(port, "script")?.attributes;
  const description = `${about}**Port/Protocol:** ${number}/${protocol}\n${serviceInfo(port)}${scriptInfo(script)}\n\n`;
  for (const vulners of elements(port, "script").filter((s) => s.attributes.id === "vulners")) {
    for (const finding of vulnersFindings(vulners, date)) {
      add(found, finding.title, finding, place, `\n-----\n\n${finding.description}`);
    }
  }
  const finding = reported({
    title: `Open port: ${number}/${protocol}`,
    severity: "Info",
    description,
    mitigation: "N/A",
    impact: "No impact provided",
    vuln_id_from_tool: script?.id ?? null,
    date,
  });
  add(found, `nmap:${number}`, finding, place, description);
}

function add(found: Map<string, ReportItem>, key: string, finding: ReportedFinding, place: Place, more: string): void {
  const known = found.get(key);
  if (known === undefined) {
    found.set(key, { finding, places: [place], anyPlace: true, requestResponses: [] });
    return;
  }
  known.finding.description += more;
  known.places.push(place);
  if (known.finding.nb_occurences !== null) known.finding.nb_occurences += 1;
}

function serviceInfo(port: Element): string {
  const service = element(port, "service")?.attributes;
  if (service === undefined) return "";
  const rows: [string, string | undefined][] = [
    ["Product", service.product],
    ["Version", service.version],
    ["Extra Info", service.extrainfo],
  ];
  return `\n\n${rows.map(([label, value]) => (value === undefined ? "" : `**${label}:** ${value}\n`)).join("")}`;
}

function scriptInfo(script: Record<string, string> | undefined): string {
  const id = script?.id ? `**Script ID:** ${script.id}\n` : "";
  return id + (script?.output ? `**Script Output:** ${script.output}\n` : "");
}

function vulnersFindings(vulners: Element, date: string | null): ReportedFinding[] {
  return elements(vulners, "table").flatMap((component) => {
    const cpe = required(component.attributes.key);
    const [, , , product = "", version = ""] = cpe.replace(/^cpe:\//, "cpe:/").split(":");
    return elements(component, "table").map((vulnerability) => {
      const facts = elements(vulnerability, "elem").map(
        (e) => [(e.attributes.key ?? "").toLowerCase(), e.text] as const,
      );
      const fact = Object.fromEntries(facts);
      const id = required(fact.id);
      const list = facts.map(([key, value]) => `**${key}**: \`${value}\`\n`).join("");
      return reported({
        title: id,
        severity: severityOf(Number(required(fact.cvss))),
        description: `### Vulnerability\n\n**ID**: \`${id}\`\n**CPE**: CPE v2.2: ${cpe}\n${list}`,
        component_name: product,
        component_version: version,
        vuln_id_from_tool: id,
        nb_occurences: 1,
        vulnerability_ids: fact.type === "cve" ? [id] : [],
        date,
      });
    });
  });
}

export function severityOf(cvss: number): Severity {
  if (cvss === 0) return "Info";
  if (cvss < 4) return "Low";
  if (cvss < 7) return "Medium";
  return cvss < 9 ? "High" : "Critical";
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError("the report lacks something that its reader needs");
  return value;
}
