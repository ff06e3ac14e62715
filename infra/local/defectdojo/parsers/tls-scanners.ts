import { importError, pythonRepr } from "../http.ts";
import type { Place } from "../model.ts";
import { type Element, element, parseXml } from "../xml.ts";
import { severityOf } from "./nmap.ts";
import { array, object, optionalArray, readText, string } from "./read.ts";
import { item, type Parser, type ParserContext, placeOfParts, type ReportItem, reported } from "./report.ts";

/** `dojo/tools/ssh_audit`: CVEs, and weak key exchanges, keys and MACs. A report without a target is a bare 500. */
export const sshAuditParser: Parser = {
  parse: async (file, context) => {
    const report = object(JSON.parse(await readText(file)));
    const [, host = "", port = ""] = /^([^:]*):(\d+)/.exec(string(report.target)) ?? [];
    if (host === "") throw new TypeError("the report has no target");
    const place = placeOfParts({ host, port: Number(port) }, context);
    const banner = string(object(report.banner).raw);
    const cves = array(report.cves).map((entry) => sshCve(object(entry), banner, place));
    const weak = ["kex", "key", "mac"].flatMap((kind) =>
      array(report[kind]).flatMap((entry) => sshAlgorithm(object(entry), kind, banner, place)),
    );
    return { findings: [...cves, ...weak] };
  },
};

function sshCve(given: Record<string, unknown>, banner: string, place: Place): ReportItem {
  const name = string(given.name);
  const finding = reported({
    title: `${banner}_${name}`,
    severity: severityOf(Number(given.cvssv2)),
    description: `**CVE**: ${name}\n**Description**: ${given.description}\n**Banner**: ${banner}`,
    vulnerability_ids: [name],
  });
  return item(finding, [place]);
}

function sshAlgorithm(given: Record<string, unknown>, kind: string, banner: string, place: Place): ReportItem[] {
  const { fail, warn, info } = object(given.notes);
  if (fail === undefined && warn === undefined) return [];
  const notesList = (notes: unknown) =>
    `[${optionalArray(notes)
      .map((note) => pythonRepr(string(note)))
      .join(", ")}]`;
  const lines = [`**Algorithm**: ${given.algorithm}`];
  if (fail !== undefined) lines.push(`**Description Failure**: ${notesList(fail)}`);
  if (warn !== undefined) lines.push(`**Description Warning**: ${notesList(warn)}`);
  if (kind === "key" && given.keysize !== undefined) lines.push(`**KeySize**: ${given.keysize}`);
  if (info !== undefined) lines.push(`**Info**: ${notesList(info)}`);
  const finding = reported({
    title: `${banner}_${given.algorithm}`,
    severity: fail === undefined ? "Medium" : "High",
    description: lines.join("\n"),
  });
  return [item(finding, [place])];
}

const PROTOCOLS: Record<string, string> = {
  ssl_2_0_cipher_suites: "SSL 2.0",
  ssl_3_0_cipher_suites: "SSL 3.0",
  tls_1_0_cipher_suites: "TLS 1.0",
  tls_1_1_cipher_suites: "TLS 1.1",
  tls_1_2_cipher_suites: "TLS 1.2",
  tls_1_3_cipher_suites: "TLS 1.3",
};
const REFERENCES =
  "TLS recommendations of German BSI: https://www.bsi.bund.de/SharedDocs/Downloads/EN/BSI/Publications/TechGuidelines/TG02102/BSI-TR-02102-2.pdf?__blob=publicationFile&v=10";
/** Close to the list of the German BSI that DefectDojo uses. */
const RECOMMENDED: Record<string, RegExp> = {
  "TLS 1.2":
    /^TLS_(?:EC)?DHE?_(?:ECDSA|RSA|DSS|PSK)_WITH_AES_(?:128|256)_(?:CBC_SHA(?:256|384)|GCM_SHA(?:256|384)|CCM(?:_SHA256)?)$|^TLS_RSA_PSK_WITH_AES_(?:128|256)_(?:CBC|GCM)_SHA(?:256|384)$/,
  "TLS 1.3": /^TLS_AES_(?:128_GCM_SHA256|256_GCM_SHA384|128_CCM_SHA256)$/,
};

/** `dojo/tools/sslyze`: XML or JSON by file name, whatever the scan type; one finding per weakness of a server. */
export const sslyzeParser: Parser = {
  parse: async (file, context) => {
    const name = file.name.toLowerCase();
    if (name.endsWith(".xml")) return { findings: xmlFindings(parseXml(await readText(file))) };
    if (!name.endsWith(".json")) throw importError("Unknown File Format");
    const report: unknown = JSON.parse(await readText(file));
    // A falsy value in Python counts as no report and yields no findings.
    if (report === null || Object.keys(Object(report)).length === 0) return { findings: [] };
    return {
      findings: array(object(report).server_scan_results).flatMap((server) => tlsFindings(object(server), context)),
    };
  },
};

/** The older XML; only a report without targets is supported here. */
function xmlFindings(root: Element): ReportItem[] {
  const results = element(root, "results");
  if (!root.name.includes("document") || results === undefined) throw new TypeError("no sslyze report");
  if (results.children.length > 0) throw new TypeError("targets are not read here");
  return [];
}

function tlsFindings(server: Record<string, unknown>, context: ParserContext): ReportItem[] {
  const at = object(object(server.server_info ?? {}).server_location ?? server.server_location ?? {});
  const host = string(at.hostname);
  const url = `${host}:${at.port}`;
  const place = placeOfParts({ host, port: Number(at.port) }, context);
  // Unreachable servers have null instead of results here, and DefectDojo crashes.
  const commands = server.scan_commands_results ?? server.scan_result;
  if (commands === undefined) return [];
  const results = object(commands);
  const result = (name: string): Record<string, unknown> => {
    const node = object(results[name] ?? {});
    if (node.status === "NOT_SCHEDULED") return {};
    // A failed command has null as its result, and DefectDojo crashes on that too.
    return object("result" in node ? node.result : node);
  };
  const weaknesses: Weakness[] = [
    ...(result("heartbleed").is_vulnerable_to_heartbleed === true
      ? [{ title: "Heartbleed", description: `${url} is vulnerable to heartbleed`, cve: "CVE-2014-0160" }]
      : []),
    ...(result("openssl_ccs_injection").is_vulnerable_to_ccs_injection === true
      ? [{ title: "CCS injection", description: `${url} is vulnerable to OpenSSL CCS injection`, cve: "CVE-2014-0224" }]
      : []),
    ...renegotiationWeakness(result("session_renegotiation"), url),
    ...Object.entries(PROTOCOLS).flatMap(([command, protocol]) => cipherWeakness(result(command), protocol, url)),
    ...certificateWeakness(result("certificate_info"), url),
  ];
  return weaknesses.map(({ title, description, cve, references }) => {
    const finding = reported({
      title: `${title} (${url})`,
      severity: "Medium",
      description,
      references: references ?? null,
      vulnerability_ids: cve === undefined ? [] : [cve],
      static_finding: true,
      dynamic_finding: false,
    });
    return item(finding, [place]);
  });
}

type Weakness = { title: string; description: string; cve?: string; references?: string };

function renegotiationWeakness(result: Record<string, unknown>, url: string): Weakness[] {
  const description = `${url} has problems with session renegotiation:`;
  if (result.is_vulnerable_to_client_renegotiation_dos === true) {
    return [{ title: "Is vulnerable to client negotiation DoS", description }];
  }
  return result.supports_secure_renegotiation === false
    ? [{ title: "Does not support secure negotiations", description }]
    : [];
}

function cipherWeakness(result: Record<string, unknown>, protocol: string, url: string): Weakness[] {
  const names = optionalArray(result.accepted_cipher_suites).map((suite) =>
    string(object(object(suite).cipher_suite).name),
  );
  const recommended = RECOMMENDED[protocol];
  if (recommended === undefined) {
    const description = `${url} accepts ${protocol} connections`;
    return names.length > 0 ? [{ title: `${protocol} not recommended`, description, references: REFERENCES }] : [];
  }
  const weak = names.filter((name) => !recommended.test(name));
  if (weak.length === 0) return [];
  const description = `${url} accepts unrecommended cipher suites for ${protocol}:${list(weak)}`;
  return [{ title: `Unrecommended cipher suites for ${protocol}`, description, references: REFERENCES }];
}

function certificateWeakness(result: Record<string, unknown>, url: string): Weakness[] {
  for (const deployment of optionalArray(result.certificate_deployments).map(object)) {
    const errors: string[] = [];
    if (deployment.leaf_certificate_subject_matches_hostname === false)
      errors.push("Certificate subject does not match hostname");
    for (const validation of array(deployment.path_validation_results).map(object)) {
      const error = validation.openssl_error_string;
      if (error === undefined || error === null) continue;
      const store = object(validation.trust_store ?? {});
      errors.push(`${error} for trust store ${store.name}, version ${store.version}`);
    }
    if (errors.length === 0) continue;
    const description = `${url} has problems in certificate deployments:${list(errors)}`;
    return [{ title: "Problems in certificate deployments", description }];
  }
  return [];
}

function list(rows: readonly string[]): string {
  return rows.map((row) => `\n - ${row}`).join("");
}
