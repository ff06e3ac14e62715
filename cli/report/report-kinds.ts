import type { ReportShape } from "./report-shape.ts";

/** A kind of report that DefectDojo reads. */
export interface ReportKind {
  /** What people call the tool; `--as` takes it. */
  readonly tool: string;
  /** DefectDojo's scan type (`get_scan_types` of its parser). */
  readonly as: string;
  /** secureCodeBox's scan type, if the tool is one of its scanners. */
  readonly scanType?: string;
  /** Members of a JSON report; all of one line must exist. A member with a value: `scan.type=sast`. */
  readonly json?: readonly (readonly string[])[];
  /** Name and attributes of an XML report's root. */
  readonly xml?: RegExp;
  /** Which other form of the tool's report DefectDojo's parser needs. */
  readonly instead?: string;
}

/**
 * One row per kind of report, taken from `dojo/tools/<name>/parser.py` of 3.2.0 and in the tools' own documentation. Only what a tool writes in every
 * report identifies it: an empty list identifies none.
 */
export const REPORT_KINDS: readonly ReportKind[] = [
  { tool: "sarif", as: "SARIF", json: [["runs", "version"], ["runs", "$schema"], ["runs[].tool"]] },
  {
    tool: "trivy",
    as: "Trivy Scan",
    scanType: "trivy-image",
    json: [
      ["SchemaVersion", "ArtifactName"],
      ["SchemaVersion", "Results"],
      ["ClusterName", "Resources"],
      ["ClusterName", "Vulnerabilities"],
      ["[].Target", "[].Vulnerabilities"],
    ],
  },
  {
    tool: "semgrep",
    as: "Semgrep JSON Report",
    scanType: "semgrep",
    json: [["results", "paths"], ["results[].check_id"]],
  },
  { tool: "zap", as: "ZAP Scan", scanType: "zap-automation-framework", xml: /^OWASPZAPReport\b/ },
  {
    tool: "zap (JSON)",
    as: "ZAP Scan",
    json: [["@programName=ZAP", "site"]],
    instead: "DefectDojo reads ZAP's XML report: have ZAP write that (`-x report.xml`; template traditional-xml-plus)",
  },
  { tool: "nmap", as: "Nmap Scan", scanType: "nmap", xml: /^nmaprun\b(?!.*scanner="masscan")/ },
  { tool: "masscan", as: "Masscan Scan", xml: /^nmaprun\b.*scanner="masscan"/ },
  {
    tool: "nuclei",
    as: "Nuclei Scan",
    scanType: "nuclei",
    json: [["[].template-id"], ["template-id", "matched-at"], ["[].templateID"], ["templateID", "info"]],
  },
  {
    tool: "nikto",
    as: "Nikto Scan",
    scanType: "nikto",
    xml: /^niktoscan\b/,
    json: [["[].vulnerabilities[].msg"], ["host", "banner", "vulnerabilities"]],
  },
  { tool: "sslyze", as: "SSLyze Scan (JSON)", scanType: "sslyze", json: [["server_scan_results"]] },
  { tool: "sslyze (XML)", as: "Sslyze Scan", xml: /^document\b.*SSLyze/i },
  { tool: "ssh-audit", as: "SSH Audit Importer", scanType: "ssh-audit", json: [["banner", "kex", "key"]] },
  { tool: "wpscan", as: "Wpscan", scanType: "wpscan", json: [["banner", "target_url"], ["interesting_findings"]] },
  { tool: "ffuf", as: "ffuf Scan", scanType: "ffuf", json: [["commandline", "results"]] },
  { tool: "whatweb", as: "WhatWeb Scan", scanType: "whatweb", json: [["[].target", "[].http_status", "[].plugins"]] },
  {
    tool: "kube-hunter",
    as: "KubeHunter Scan",
    scanType: "kube-hunter",
    json: [["nodes", "services", "vulnerabilities"]],
  },
  { tool: "gitleaks", as: "Gitleaks Scan", scanType: "gitleaks", json: [["[].RuleID", "[].Secret"]] },
  { tool: "trufflehog", as: "Trufflehog Scan", json: [["[].SourceMetadata"], ["SourceMetadata"]] },
  { tool: "detect-secrets", as: "Detect-secrets Scan", json: [["plugins_used", "results"]] },
  { tool: "cyclonedx", as: "CycloneDX Scan", json: [["bomFormat=CycloneDX"]], xml: /^bom\b.*cyclonedx\.org/ },
  { tool: "dependency-check", as: "Dependency Check Scan", xml: /^analysis\b.*dependency-?check/i },
  {
    tool: "dependency-check (JSON)",
    as: "Dependency Check Scan",
    json: [["reportSchema", "scanInfo", "projectInfo"]],
    instead: "DefectDojo reads Dependency-Check's XML report: have it write that (`--format XML`)",
  },
  {
    tool: "snyk",
    as: "Snyk Scan",
    json: [
      ["vulnerabilities", "packageManager"],
      ["[].vulnerabilities", "[].packageManager"],
    ],
  },
  { tool: "grype", as: "Anchore Grype", json: [["descriptor.name=grype"], ["matches[].vulnerability.severity"]] },
  { tool: "osv-scanner", as: "OSV Scan", json: [["results[].source", "results[].packages[].package"]] },
  { tool: "npm-audit", as: "NPM Audit v7+ Scan", json: [["auditReportVersion"]] },
  { tool: "npm-audit (before 7)", as: "NPM Audit Scan", json: [["actions", "advisories", "muted"]] },
  // Yarn writes what npm wrote.
  { tool: "yarn-audit", as: "Yarn Audit Scan", json: [["actions", "advisories", "muted"]] },
  { tool: "pip-audit", as: "pip-audit Scan", json: [["dependencies[].vulns"], ["[].vulns"]] },
  { tool: "cargo-audit", as: "CargoAudit Scan", json: [["database", "lockfile", "vulnerabilities"]] },
  { tool: "bandit", as: "Bandit Scan", json: [["generated_at", "metrics", "results"]] },
  { tool: "gosec", as: "Gosec Scanner", json: [["Issues", "Stats"]] },
  { tool: "brakeman", as: "Brakeman Scan", json: [["scan_info", "warnings"]] },
  { tool: "eslint", as: "ESLint Scan", json: [["[].filePath", "[].messages", "[].errorCount"]] },
  { tool: "spotbugs", as: "SpotBugs Scan", xml: /^BugCollection\b/ },
  { tool: "checkov", as: "Checkov Scan", json: [["check_type", "results"], ["[].check_type"]] },
  { tool: "tfsec", as: "TFSec Scan", json: [["results[].long_id"], ["results[].rule_provider"]] },
  { tool: "kics", as: "KICS Scan", json: [["kics_version"]] },
  { tool: "hadolint", as: "Hadolint Dockerfile check", json: [["[].code", "[].level", "[].file"]] },
  { tool: "burp", as: "Burp Scan", xml: /^issues\b.*burpVersion/ },
  { tool: "nessus", as: "Tenable Scan", xml: /^NessusClientData_v2\b/ },
  { tool: "gitlab-sast", as: "GitLab SAST Report", json: [["vulnerabilities", "scan.type=sast"]] },
  {
    tool: "gitlab-dependency-scanning",
    as: "GitLab Dependency Scanning Report",
    json: [["vulnerabilities", "scan.type=dependency_scanning"]],
  },
  {
    tool: "gitlab-container-scanning",
    as: "GitLab Container Scan",
    json: [["vulnerabilities", "scan.type=container_scanning"]],
  },
  {
    tool: "gitlab-secret-detection",
    as: "GitLab Secret Detection Report",
    json: [["vulnerabilities", "scan.type=secret_detection"]],
  },
  { tool: "gitlab-dast", as: "GitLab DAST Report", json: [["vulnerabilities", "scan.type=dast"]] },
];

/** The kinds that a report may be; several if it is ambiguous. */
export function guessKinds(shape: ReportShape): ReportKind[] {
  return REPORT_KINDS.filter(({ json = [], xml }) => {
    if (shape.xml !== undefined) return xml?.test(shape.xml) === true;
    return json.some((members) => members.every((member) => has(shape, member)));
  });
}

function has({ json }: ReportShape, member: string): boolean {
  const [path = "", value] = member.split("=");
  return json.has(path) && (value === undefined || json.get(path) === value);
}
