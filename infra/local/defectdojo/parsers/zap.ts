import { importError } from "../http.ts";
import type { Severity } from "../model.ts";
import { type Element, elements, parseXml, textOf } from "../xml.ts";
import { htmlToText } from "./html.ts";
import { readText } from "./read.ts";
import { type Parser, type ParserContext, placesOfUrl, type ReportItem, reported } from "./report.ts";

const SEVERITY: Record<string, Severity> = { "0": "Info", "1": "Low", "2": "Medium", "3": "High" };
const CONFIDENCE: Record<string, number> = { "1": 7, "2": 4, "3": 1, "4": 1 };

/** ZAP's XML (`dojo/tools/zap/parser.py`): one finding per alert, with the location of each instance. */
export const zapParser: Parser = {
  parse: async (file, context) => {
    if (!file.name.endsWith(".xml")) throw importError("Internal error: Wrong file format, please use xml.");
    const root = parseXml(await readText(file));
    const alerts = elements(root, "site").flatMap((site) => elements(site, "alerts/alertitem"));
    return { findings: alerts.map((alert) => parseAlert(alert, context)) };
  },
};

function parseAlert(alert: Element, context: ParserContext): ReportItem {
  const risk = textOf(alert, "riskcode") ?? "";
  const cwe = textOf(alert, "cweid") ?? "";
  const finding = reported({
    title: textOf(alert, "alert") ?? "",
    severity: SEVERITY[risk] as Severity,
    description: plain(alert, "desc"),
    mitigation: plain(alert, "solution"),
    references: plain(alert, "reference"),
    scanner_confidence: CONFIDENCE[risk] ?? null,
    vuln_id_from_tool: textOf(alert, "pluginid") ?? null,
    cwe: /^\d+$/.test(cwe) ? Number(cwe) : 0,
  });
  const instances = elements(alert, "instances/instance");
  const places = instances.flatMap((instance) => placesOfUrl(withoutQuery(textOf(instance, "uri") ?? ""), context));
  return { finding, places, anyPlace: true, requestResponses: instances.map(requestResponse) };
}

function withoutQuery(uri: string): string {
  return uri.replace(/[?#].*$/s, "");
}

function requestResponse(instance: Element): { request: string; response: string } {
  const text = (name: string) => textOf(instance, name) ?? "None";
  if (textOf(instance, "requestheader") !== undefined) {
    return {
      request: text("requestheader") + text("requestbody"),
      response: text("responseheader") + text("responsebody"),
    };
  }
  const [, query = "", fragment = ""] = /^[^?#]*(?:\?([^#]*))?(?:#(.*))?$/s.exec(textOf(instance, "uri") ?? "") ?? [];
  const request = `Method:           ${text("method")} \nParam:            ${text("param")} \nAttack:           ${text("attack")} \nEndpointQuery:    ${query} \nEndpointFragment: ${fragment}`;
  return { request, response: text("evidence") };
}

function plain(alert: Element, name: string): string {
  const html = textOf(alert, name);
  if (html === undefined) throw new TypeError(`the alert has no ${name}`);
  return htmlToText(html);
}
