import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { chooseKind } from "../../../cli/report/choose-kind.ts";
import { guessKinds, REPORT_KINDS } from "../../../cli/report/report-kinds.ts";
import { reportShape } from "../../../cli/report/report-shape.ts";

/** The beginning of a report of each tool, of our own making: what every report of it has. */
const STARTS: Readonly<Record<string, string>> = {
  sarif: '{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}}}]}',
  trivy: '{"SchemaVersion":2,"ArtifactName":"shop","ArtifactType":"container_image"',
  semgrep: '{"version":"1.1","results":[],"errors":[],"paths":{"scanned":[]}}',
  zap: '<?xml version="1.0"?><OWASPZAPReport programName="ZAP" version="2.15.0">',
  "zap (JSON)": '{"@programName":"ZAP","@version":"2.15","site":[]}',
  nmap: '<?xml version="1.0"?>\n<!DOCTYPE nmaprun>\n<?xml-stylesheet href="x"?>\n<!-- Nmap <7> -->\n<nmaprun scanner="nmap" args="nmap">',
  masscan: '<nmaprun scanner="masscan" start="1">',
  nuclei: '{"template-id":"tls-version","info":{}}\n{"template-id":"x","info":{}}\n',
  nikto: '[{"host":"shop","vulnerabilities":[{"id":"1","msg":"x"}]}]',
  sslyze: '{"invalid_server_strings":[],"server_scan_results":[]}',
  "sslyze (XML)": '<document title="SSLyze Scan Results" SSLyzeVersion="3">',
  "ssh-audit": '{"banner":{"raw":"SSH-2.0"},"kex":[],"key":[]}',
  wpscan: '{"banner":{"version":"3.8"},"target_url":"http://shop"}',
  ffuf: '{"commandline":"ffuf","time":"x","results":[]}',
  whatweb: '[{"target":"http://shop","http_status":200,"plugins":{}}]',
  "kube-hunter": '{"nodes":[],"services":[],"vulnerabilities":[]}',
  gitleaks: '[{"Description":"x","Secret":"y","RuleID":"z"}]',
  trufflehog: '{"SourceMetadata":{"Data":{}},"DetectorName":"AWS"}',
  "detect-secrets": '{"version":"1","plugins_used":[],"results":{}}',
  cyclonedx: '{"bomFormat":"CycloneDX","specVersion":"1.5"}',
  "dependency-check": '<analysis xmlns="https://jeremylong.github.io/DependencyCheck/dependency-check.2.5.xsd">',
  "dependency-check (JSON)": '{"reportSchema":"1.1","scanInfo":{},"projectInfo":{}}',
  snyk: '{"vulnerabilities":[],"ok":true,"packageManager":"npm"}',
  grype: '{"matches":[],"source":{},"descriptor":{"name":"grype"}}',
  "osv-scanner": '{"results":[{"source":{"path":"x"},"packages":[{"package":{"name":"y"}}]}]}',
  "npm-audit": '{"auditReportVersion":2,"vulnerabilities":{}}',
  "pip-audit": '{"dependencies":[{"name":"x","vulns":[]}]}',
  "cargo-audit": '{"database":{},"lockfile":{},"vulnerabilities":{}}',
  bandit: '{"errors":[],"generated_at":"x","metrics":{},"results":[]}',
  gosec: '{"Golang errors":{},"Issues":[],"Stats":{}}',
  brakeman: '{"scan_info":{},"warnings":[]}',
  eslint: '[{"filePath":"x","messages":[],"errorCount":0}]',
  spotbugs: '<BugCollection version="4.8">',
  checkov: '{"check_type":"terraform","results":{}}',
  tfsec: '{"results":[{"rule_id":"x","long_id":"y"}]}',
  kics: '{"kics_version":"v2","files_scanned":1}',
  hadolint: '[{"code":"DL3008","level":"warning","file":"Dockerfile"}]',
  burp: '<issues burpVersion="2023.1" exportTime="x">',
  nessus: '<?xml version="1.0" ?>\n<NessusClientData_v2>',
  "gitlab-sast": '{"version":"15","vulnerabilities":[],"scan":{"type":"sast"}}',
  "gitlab-dependency-scanning": '{"vulnerabilities":[],"scan":{"type":"dependency_scanning"}}',
  "gitlab-container-scanning": '{"vulnerabilities":[],"scan":{"type":"container_scanning"}}',
  "gitlab-secret-detection": '{"vulnerabilities":[],"scan":{"type":"secret_detection"}}',
  "gitlab-dast": '{"vulnerabilities":[],"scan":{"type":"dast"}}',
};
/** These two write the same. */
const ALIKE = ["npm-audit (before 7)", "yarn-audit"];

describe("a report tells its tool", () => {
  it("of every row", () => {
    expect([...Object.keys(STARTS), ...ALIKE].sort()).toEqual(REPORT_KINDS.map(({ tool }) => tool).sort());
  });

  it.each(Object.entries(STARTS))("%s", (tool, start) => {
    expect(guessKinds(reportShape(start)).map((kind) => kind.tool)).toEqual([tool]);
  });

  it.each([
    ["after a byte order mark", "\ufeff \n[1"],
    ["that is empty", ""],
    ["that is a list of nothing", "[]"],
    ["that is no JSON", '{"runs" "version"}'],
    ["that is a page", "<!doctype html><html>"],
    ["that is text", "Starting Nmap 7.94"],
    ["of a findings.json", '[{"name":"x","category":"y","severity":"HIGH"}]'],
  ])("but not one %s", (_, start) => {
    expect(guessKinds(reportShape(start))).toEqual([]);
  });

  it("by its first bytes alone, wherever they are cut", () => {
    const sarif = readFileSync(new URL("../../fixtures/reports/codeql.sarif", import.meta.url), "utf8");
    for (let length = 0; length < 400; length++) {
      const tools = guessKinds(reportShape(sarif.slice(0, length))).map(({ tool }) => tool);
      expect([[], ["sarif"]]).toContainEqual(tools);
    }
  });

  it("by members of the right depth only", () => {
    expect(guessKinds(reportShape('{"a":{"SchemaVersion":2,"Results":[]}}'))).toEqual([]);
    expect(reportShape('{"a":[{"b":"c"},{"b":"d","e":{}}]}').json).toEqual(
      new Map([
        ["a", undefined],
        ["a[].b", "c"],
        ["a[].e", undefined],
      ]),
    );
  });
});

describe("--as", () => {
  const SARIF = STARTS["sarif"] ?? "";
  it.each([
    ["trivy", "Trivy Scan", "trivy"],
    ["Trivy-Repo", "Trivy Scan", "trivy-repo"],
    ["nmap-internal", "Nmap Scan", "nmap-internal"],
    ["bandit", "Bandit Scan", "bandit"],
    ["sarif", "SARIF", "sarif"],
    ["anchore grype", "Anchore Grype", "grype"],
    ["Acunetix Scan", "Acunetix Scan", "acunetix-scan"],
  ])("%s is %s", (as, importAs, scanType) => {
    expect(chooseKind(as, "anything", "r.json")).toEqual({ importAs, scanType, guessed: false });
  });

  it("is believed, with a warning where the report looks like another's", () => {
    expect(chooseKind("SARIF", SARIF, "r.json").warning).toBeUndefined();
    expect(chooseKind("Bandit Scan", SARIF, "r.json").warning).toBe(
      'r.json looks like a report of sarif ("SARIF"), not "Bandit Scan"',
    );
  });

  it("is not needed where the report tells", () => {
    expect(chooseKind(undefined, SARIF, "r.json")).toEqual({ importAs: "SARIF", scanType: "sarif", guessed: true });
  });
});
