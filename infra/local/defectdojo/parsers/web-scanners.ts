import { importError } from "../http.ts";
import type { Severity } from "../model.ts";
import { array, object, optionalArray, parseJson, readJson, readText, string, stringOrNull } from "./read.ts";
import {
  countAgain,
  item,
  merged,
  type Parser,
  type ParserContext,
  placeOfParts,
  placesOfUrl,
  type ReportItem,
  reported,
} from "./report.ts";

/** `dojo/tools/nikto`. */
export const niktoParser: Parser = {
  parse: async (file, context) => {
    if (!file.name.toLowerCase().endsWith(".json")) throw importError("Unknown File Format");
    const read = await readJson(file);
    const report = object(Array.isArray(read) && read.length === 1 ? read[0] : read);
    const entries = optionalArray(report.vulnerabilities).map((entry) => {
      const given = object(entry);
      const osvdb = stringOrNull(given.OSVDB);
      const rated = osvdb !== null && osvdb !== "0";
      const lines = [`**id:** \`${given.id}\``, `**msg:** \`${given.msg}\``, `**HTTP Method:** \`${given.method}\``];
      if (osvdb !== null) lines.push(`**OSVDB:** \`${osvdb}\``);
      if (rated) lines.push("*This finding is marked as medium as there is a link to OSVDB*");
      const finding = reported({
        title: string(given.msg),
        severity: rated ? "Medium" : "Info",
        description: lines.join("\n"),
        vuln_id_from_tool: stringOrNull(given.id),
        unique_id_from_tool: rated ? `OSVDB-${osvdb}` : null,
        nb_occurences: 1,
        references: stringOrNull(given.references),
      });
      const port = report.port === undefined ? null : Number(report.port);
      const place = placeOfParts({ host: string(report.host), port, path: string(given.url) }, context);
      return [finding.severity + finding.title, item(finding, [place])] as const;
    });
    return {
      findings: merged(entries, (known, next) => {
        countAgain(known);
        known.finding.description += `\n-----\n${next.finding.description}`;
        known.places.push(...next.places);
        Object.assign(known.finding, { unique_id_from_tool: null, vuln_id_from_tool: null });
      }),
    };
  },
};

/** `dojo/tools/nuclei`: a JSON list, or one object per line. */
export const nucleiParser: Parser = {
  parse: async (file, context) => {
    const text = await readText(file);
    const lines = text.startsWith("{") ? text.split("\n").filter((line) => line !== "") : [];
    const entries = text.startsWith("[") ? array(parseJson(text)) : lines.map((line) => parseJson(line));
    return {
      findings: merged(
        entries.map((entry) => nucleiFinding(object(entry), context)),
        (known, next) => {
          countAgain(known);
          known.places.push(...next.places);
        },
      ),
    };
  },
};

function nucleiFinding(given: Record<string, unknown>, context: ParserContext): readonly [string, ReportItem] {
  const info = object(given.info);
  const classification = object(info.classification ?? {});
  const rated = string(info.severity);
  const severity = rated.charAt(0).toUpperCase() + rated.slice(1).toLowerCase();
  const matched = string(given.matched ?? given["matched-at"]);
  const matcher = string(given["matcher-name"] ?? given.matcher_name);
  const results = optionalArray(given["extracted-results"]);
  const cwes = optionalArray(classification["cwe-id"]).map((cwe) => Number(string(cwe).slice(4)) || 0);
  const id = string(given.templateID ?? given["template-id"]);
  const reference = info.reference;
  const finding = reported({
    title: string(info.name),
    severity: (["Info", "Low", "Medium", "High", "Critical"].includes(severity) ? severity : "Low") as Severity,
    description: string(info.description) + (results.length > 0 ? `\n**Results:**\n${results.join("\n")}` : ""),
    nb_occurences: 1,
    vuln_id_from_tool: id,
    date: given.timestamp === undefined ? null : string(given.timestamp).slice(0, 10),
    tags: optionalArray(info.tags).map(String).sort(),
    references: Array.isArray(reference) ? reference.join("\n") : stringOrNull(reference),
    vulnerability_ids: optionalArray(classification["cve-id"]).map((cve) => string(cve).toUpperCase()),
    cwe: cwes[0] ?? 0,
    cwes,
    cvssv3: stringOrNull(classification["cvss-metrics"]),
    cvssv3_score: typeof classification["cvss-score"] === "number" ? classification["cvss-score"] : null,
    component_name: matcher === "" ? null : matcher,
    mitigation: stringOrNull(info.remediation),
    steps_to_reproduce:
      given["curl-command"] === undefined
        ? null
        : `curl command to reproduce the request:\n\`${given["curl-command"]}\``,
  });
  const places = matched === "" ? [] : placesOfUrl(matched, context);
  const exchange = { request: string(given.request), response: string(given.response) };
  const requestResponses = exchange.request !== "" && exchange.response !== "" ? [exchange] : [];
  const key = [id, string(given.type), matcher, places[0]?.host ?? ""].join("\n");
  return [key, { ...item(finding, places), requestResponses }];
}

/** `dojo/tools/ffuf`: one finding per hit. */
export const ffufParser: Parser = {
  parse: async (file, context) => {
    const report = object(await readJson(file));
    return {
      findings: optionalArray(report.results).map((entry) => ffufFinding(object(entry), report.commandline, context)),
    };
  },
};

function ffufFinding(given: Record<string, unknown>, command: unknown, context: ParserContext): ReportItem {
  const url = string(given.url);
  const status = given.status;
  const path = /^[^:]*:\/\/[^/?#]*([^?#]*)/.exec(url)?.[1] || "/";
  const inputs = Object.entries(object(given.input ?? {}))
    .filter(([key]) => key !== "FFUFHASH")
    .sort()
    .map(([key, value]): [string, unknown] => [key === "FUZZ" ? "Payload" : `Payload (${key})`, value]);
  const facts: [string, unknown][] = [
    ["URL", url],
    ["Status", status],
    ...inputs,
    ["Response length", given.length],
    ["Response words", given.words],
    ["Response lines", given.lines],
    ["Content type", given["content-type"]],
    ["Redirects to", given.redirectlocation],
    ["Command", command === undefined ? undefined : `\`${command}\``],
  ];
  const finding = reported({
    title: status === undefined ? `Discovered: ${path}` : `HTTP ${status}: ${path}`,
    severity: "Info",
    description: facts
      .filter(([, value]) => value !== undefined && value !== null && value !== "")
      .map(([label, value]) => `**${label}:** ${value}`)
      .join("\n"),
  });
  return item(finding, url === "" ? [] : placesOfUrl(url, context));
}

const NETWORK = ["IP", "Country"];
const DETAILS = ["version", "string", "module", "account", "filepath", "model", "firmware"];

/** `dojo/tools/whatweb`: one finding per target. */
export const whatWebParser: Parser = {
  parse: async (file, context) => ({
    findings: array(await readJson(file)).map((entry) => whatWebFinding(object(entry), context)),
  }),
};

function whatWebFinding(given: Record<string, unknown>, context: ParserContext): ReportItem {
  const target = string(given.target);
  const plugins = Object.entries(object(given.plugins ?? {})).sort(([a], [b]) => (a < b ? -1 : 1));
  const technologies = plugins.filter(([name]) => !NETWORK.includes(name));
  const network = plugins.filter(([name]) => NETWORK.includes(name));
  const row = ([name, detail]: [string, unknown]) => `- ${name}${pluginDetail(object(detail))}`;
  const agent = object(object(given.request_config ?? {}).headers ?? {})["User-Agent"];
  const lines = [
    ...(target === "" ? [] : [`**URL:** ${target}`]),
    ...(given.http_status === undefined ? [] : [`**Status:** ${given.http_status}`]),
    ...(technologies.length === 0 ? [] : [`**Technologies (${technologies.length}):**`, ...technologies.map(row)]),
    ...(network.length === 0 ? [] : ["**Network:**", ...network.map(row)]),
    ...(agent ? [`**User agent:** ${agent}`] : []),
  ];
  const title = target === "" ? "Technologies identified" : `Technologies identified: ${target}`;
  const finding = reported({ title, severity: "Info", description: lines.join("\n") });
  return item(finding, target === "" ? [] : placesOfUrl(target, context));
}

function pluginDetail(detail: Record<string, unknown>): string {
  const parts = DETAILS.flatMap((name) => {
    const value = detail[name];
    return value && String(value) !== "" ? [`${name} ${[value].flat().join(", ")}`] : [];
  });
  return parts.length > 0 ? `: ${parts.join("; ")}` : "";
}
