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
  /** First line of a report that is neither JSON nor XML, as of CSV. */
  readonly line?: RegExp;
  /** Which other form of the tool's report DefectDojo's parser needs. */
  readonly instead?: string;
  /** What found nothing is an empty report, which DefectDojo's parser accepts as such. */
  readonly emptyIfClean?: true;
}

/**
 * One row per kind of report, taken from `dojo/tools/<name>/parser.py` of 3.2.0 and the tools' own documentation. Only what a tool writes in every
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
  { tool: "masscan", as: "Masscan Scan", json: [["[].ip", "[].ports[].port"]], emptyIfClean: true },
  {
    tool: "masscan (XML)",
    as: "Masscan Scan",
    xml: /^nmaprun\b.*scanner="masscan"/,
    instead: "DefectDojo reads masscan's JSON report: have it write that (`-oJ`)",
  },
  {
    tool: "nuclei",
    as: "Nuclei Scan",
    scanType: "nuclei",
    json: [["[].template-id"], ["template-id", "matched-at"], ["[].templateID"], ["templateID", "info"]],
    emptyIfClean: true,
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
  {
    tool: "gitleaks",
    as: "Gitleaks Scan",
    scanType: "gitleaks",
    json: [
      ["[].RuleID", "[].Secret"],
      ["[].offender", "[].rule"],
    ],
  },
  { tool: "trufflehog", as: "Trufflehog Scan", json: [["[].SourceMetadata"], ["SourceMetadata"]], emptyIfClean: true },
  { tool: "trufflehog3", as: "Trufflehog3 Scan", json: [["[].rule", "[].secret", "[].context"]] },
  {
    tool: "noseyparker",
    as: "Nosey Parker Scan",
    json: [
      ["[].rule_name", "[].matches"],
      ["rule_name", "matches"],
    ],
  },
  { tool: "ggshield", as: "Ggshield Scan", json: [["scans", "total_incidents"]] },
  { tool: "secretlint", as: "Secretlint Scan", json: [["[].filePath", "[].messages", "[].sourceContent"]] },
  { tool: "talisman", as: "Talisman Scan", json: [["summary.types", "results"]] },
  { tool: "whispers", as: "Whispers Scan", json: [["[].key", "[].value", "[].rule_id"]] },
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
  { tool: "composer-audit", as: "Composer Audit Scan", json: [["advisories", "abandoned"]] },
  { tool: "auditjs", as: "AuditJS Scan", json: [["[].coordinates", "[].vulnerabilities"]] },
  { tool: "nancy", as: "Nancy Scan", json: [["audited", "num_vulnerable"]] },
  { tool: "mix-audit", as: "Mix Audit Scan", json: [["pass", "vulnerabilities"]] },
  { tool: "retire.js", as: "Retire.js Scan", json: [["start", "data", "errors"]] },
  { tool: "govulncheck", as: "Govulncheck Scanner", json: [["[].config.scanner_name=govulncheck"]] },
  {
    tool: "dependency-track",
    as: "Dependency Track Finding Packaging Format (FPF) Export",
    json: [["meta.application=Dependency-Track", "findings"]],
  },
  { tool: "jfrog-xray", as: "JFrog Xray Unified Scan", json: [["total_rows", "rows"]] },
  { tool: "bandit", as: "Bandit Scan", json: [["generated_at", "metrics", "results"]] },
  { tool: "gosec", as: "Gosec Scanner", json: [["Issues", "Stats"]] },
  { tool: "brakeman", as: "Brakeman Scan", json: [["scan_info", "warnings"]] },
  { tool: "rubocop", as: "Rubocop Scan", json: [["metadata.rubocop_version"]] },
  { tool: "horusec", as: "Horusec Scan", json: [["analysisVulnerabilities"]] },
  { tool: "njsscan", as: "njsscan Scan", json: [["njsscan_version"]] },
  { tool: "mobsfscan", as: "Mobsfscan Scan", json: [["mobsfscan_version"]] },
  { tool: "mobsf", as: "MobSF Scan", json: [["file_name", "app_name", "app_type"]] },
  { tool: "codechecker", as: "Codechecker Report native", json: [["reports[].checker_name", "reports[].report_hash"]] },
  { tool: "dawnscanner", as: "DawnScanner Scan", json: [["dawn_version"]] },
  { tool: "checkmarx", as: "Checkmarx Scan", xml: /^CxXMLResults\b/ },
  { tool: "checkmarx-one", as: "Checkmarx One Scan", json: [["scan.scanner.id=CxOne-SAST"]] },
  { tool: "veracode", as: "Veracode Scan", xml: /^detailedreport\b.*veracode/i },
  { tool: "eslint", as: "ESLint Scan", json: [["[].filePath", "[].messages", "[].errorCount"]] },
  { tool: "spotbugs", as: "SpotBugs Scan", xml: /^BugCollection\b/ },
  { tool: "checkov", as: "Checkov Scan", json: [["check_type", "results"], ["[].check_type"]] },
  { tool: "tfsec", as: "TFSec Scan", json: [["results[].long_id"], ["results[].rule_provider"]] },
  { tool: "kics", as: "KICS Scan", json: [["kics_version"], ["files_scanned", "queries_total"]] },
  { tool: "terrascan", as: "Terrascan Scan", json: [["results.violations", "results.scan_summary"]] },
  { tool: "cfn-nag", as: "cfn-nag Scan", json: [["[].filename", "[].file_results"]] },
  { tool: "kubescape", as: "Kubescape JSON Importer", json: [["customerGUID", "clusterName"]] },
  { tool: "kubeaudit", as: "Kubeaudit Scan", json: [["AuditResultName"], ["[].AuditResultName"]] },
  { tool: "kube-linter", as: "KubeLinter Scan", json: [["Checks", "Reports"]] },
  {
    tool: "kube-bench",
    as: "kube-bench Scan",
    json: [
      ["Controls", "Totals"],
      ["[].node_type", "[].tests"],
    ],
  },
  { tool: "popeye", as: "Popeye Scan", json: [["popeye.score"]] },
  { tool: "docker-bench", as: "docker-bench-security Scan", json: [["dockerbenchsecurity"]] },
  { tool: "dockle", as: "Dockle Scan", json: [["summary.fatal", "details"]] },
  { tool: "clair", as: "Clair Scan", json: [["image", "unapproved", "vulnerabilities"]] },
  { tool: "trivy-operator", as: "Trivy Operator Scan", json: [["apiVersion=aquasecurity.github.io/v1alpha1"]] },
  { tool: "twistlock", as: "Twistlock Image Scan", json: [["results[].complianceDistribution"]] },
  {
    tool: "prowler",
    as: "Prowler Scan",
    json: [["[].metadata.product.name=Prowler"]],
    line: /^AUTH_METHOD;TIMESTAMP;/,
  },
  { tool: "cloudsploit", as: "Cloudsploit Scan", json: [["[].plugin", "[].category", "[].resource", "[].status"]] },
  {
    tool: "asff",
    as: "AWS Security Finding Format (ASFF) Scan",
    json: [["[].ProductArn", "[].AwsAccountId", "[].GeneratorId"]],
  },
  { tool: "hadolint", as: "Hadolint Dockerfile check", json: [["[].code", "[].level", "[].file"]] },
  { tool: "burp", as: "Burp Scan", xml: /^issues\b.*burpVersion/ },
  { tool: "burp-dastardly", as: "Burp Dastardly Scan", xml: /^testsuites\b.*Dastardly/ },
  { tool: "nessus", as: "Tenable Scan", xml: /^NessusClientData_v2\b/, line: /^"?Plugin(?: ID)?"?,/ },
  { tool: "nexpose", as: "Nexpose Scan", xml: /^NexposeReport\b/ },
  { tool: "openvas", as: "OpenVAS Parser v2", xml: /^report\b.*format_id=/, line: /^IP,Hostname,Port,Port Protocol,/ },
  { tool: "qualys", as: "Qualys Scan", xml: /^ASSET_DATA_REPORT\b/ },
  { tool: "acunetix", as: "Acunetix Scan", xml: /^ScanGroup\b.*ExportedOn/ },
  // The three write the same.
  { tool: "acunetix-360", as: "Acunetix Scan", json: [["Generated", "Target", "Vulnerabilities"]] },
  { tool: "invicti", as: "Invicti Scan", json: [["Generated", "Target", "Vulnerabilities"]] },
  { tool: "netsparker", as: "Netsparker Scan", json: [["Generated", "Target", "Vulnerabilities"]] },
  { tool: "arachni", as: "Arachni Scan", json: [["seed", "options.browser_cluster"]] },
  { tool: "wapiti", as: "Wapiti Scan", xml: /^report\b.*type="security"/ },
  { tool: "wfuzz", as: "WFuzz JSON report", json: [["[].chars", "[].payload", "[].words"]] },
  { tool: "dirsearch", as: "Dirsearch Scan", json: [["info.args", "results"]] },
  {
    tool: "gobuster",
    as: "Gobuster Scan",
    line: /\(Status: \d{3}\) \[Size: \d+\]/,
    emptyIfClean: true,
  },
  {
    tool: "naabu",
    as: "Naabu Scan",
    json: [
      ["ip", "port", "protocol", "tls"],
      ["[].ip", "[].port", "[].protocol", "[].tls"],
    ],
    emptyIfClean: true,
  },
  { tool: "hydra", as: "Hydra Scan", json: [["generator.software=Hydra"]] },
  { tool: "testssl", as: "Testssl Scan", line: /^"id","fqdn\/ip","port","severity"/ },
  { tool: "sslscan", as: "Sslscan", xml: /^document\b.*SSLScan/ },
  { tool: "gitlab-sast", as: "GitLab SAST Report", json: gitlab("sast") },
  {
    tool: "gitlab-dependency-scanning",
    as: "GitLab Dependency Scanning Report",
    json: gitlab("dependency_scanning"),
  },
  {
    tool: "gitlab-container-scanning",
    as: "GitLab Container Scan",
    json: gitlab("container_scanning"),
  },
  {
    tool: "gitlab-secret-detection",
    as: "GitLab Secret Detection Report",
    json: gitlab("secret_detection"),
  },
  { tool: "gitlab-dast", as: "GitLab DAST Report", json: gitlab("dast") },
];

/** GitLab's reports name their kind beside the findings, before version 15 in each of them. */
function gitlab(kind: string): readonly (readonly string[])[] {
  return [["vulnerabilities", `scan.type=${kind}`], [`vulnerabilities[].category=${kind}`]];
}

/** The kinds that a report may be; several if it is ambiguous. */
export function guessKinds(shape: ReportShape): ReportKind[] {
  return REPORT_KINDS.filter(({ json = [], xml, line }) => {
    if (shape.xml !== undefined) return xml?.test(shape.xml) === true;
    if (shape.line !== undefined) return line?.test(shape.line) === true;
    return json.some((members) => members.every((member) => has(shape, member)));
  });
}

function has({ json }: ReportShape, member: string): boolean {
  const [path = "", value] = member.split("=");
  return json.has(path) && (value === undefined || json.get(path) === value);
}
