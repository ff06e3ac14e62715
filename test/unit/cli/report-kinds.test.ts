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
  masscan: '[{"ip":"10.0.0.5","timestamp":"1","ports":[{"port":80,"proto":"tcp"}]}]',
  "masscan (XML)": '<nmaprun scanner="masscan" start="1">',
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
  trufflehog3: '[{"rule":{"id":"x"},"path":"a","secret":"s","context":{}}]',
  noseyparker: '{"rule_name":"Key","groups":[],"matches":[]}\n{"rule_name":"Key","matches":[]}\n',
  ggshield: '{"id":"a","type":"commit-range","scans":[],"total_incidents":0}',
  secretlint: '[{"filePath":"a","sourceContent":"","messages":[]}]',
  talisman: '{"summary":{"types":{"filename":0}},"results":[]}',
  whispers: '[{"key":"password","value":"x","file":"a","rule_id":"password"}]',
  terrascan: '{"results":{"scan_errors":[],"violations":[],"scan_summary":{}}}',
  "cfn-nag": '[{"filename":"a.yaml","file_results":{}}]',
  kubescape: '{"generationTime":"x","customerGUID":"","clusterName":"","resources":[]}',
  kubeaudit: '{"AuditResultName":"x","level":"error"}\n{"AuditResultName":"y"}\n',
  "kube-linter": '{"Checks":[],"Reports":[],"Summary":{}}',
  "kube-bench": '{"Controls":[],"Totals":{}}',
  popeye: '{"popeye":{"score":75,"grade":"C"}}',
  "docker-bench": '{"dockerbenchsecurity":"1.3.6","tests":[]}',
  dockle: '{"summary":{"fatal":0,"warn":1},"details":[]}',
  clair: '{"image":"a","unapproved":[],"vulnerabilities":[]}',
  "trivy-operator": '{"apiVersion":"aquasecurity.github.io/v1alpha1","kind":"VulnerabilityReport"}',
  twistlock: '{"results":[{"id":"a","compliances":[],"complianceDistribution":{}}]}',
  prowler: '[{"message":"x","metadata":{"product":{"name":"Prowler"}}}]',
  cloudsploit: '[{"plugin":"x","category":"S3","resource":"y","status":"FAIL"}]',
  asff: '[{"ProductArn":"arn:x","GeneratorId":"y","AwsAccountId":"1"}]',
  "composer-audit": '{"advisories":[],"abandoned":[]}',
  auditjs: '[{"coordinates":"pkg:npm/a@1","vulnerabilities":[]}]',
  nancy: '{"audited":[],"num_audited":0,"num_vulnerable":0}',
  "mix-audit": '{"pass":true,"vulnerabilities":[]}',
  "retire.js": '{"version":"2","start":"x","data":[],"messages":[],"errors":[]}',
  govulncheck: '{"config":{"scanner_name":"govulncheck"}}\n{"progress":{}}\n',
  "dependency-track": '{"version":"1.2","meta":{"application":"Dependency-Track"},"findings":[]}',
  "jfrog-xray": '{"total_rows":0,"rows":[]}',
  rubocop: '{"metadata":{"rubocop_version":"1.13.0"},"files":[]}',
  horusec: '{"version":"v2","analysisVulnerabilities":[]}',
  njsscan: '{"errors":[],"njsscan_version":"0.4"}',
  mobsfscan: '{"errors":[],"mobsfscan_version":"0.0.6","results":{}}',
  mobsf: '{"version":"v3","file_name":"a.apk","app_name":"A","app_type":"apk"}',
  codechecker: '{"version":1,"reports":[{"checker_name":"x","report_hash":"y"}]}',
  dawnscanner: '{"status":"OK","dawn_version":"1.6.9"}',
  checkmarx: '<CxXMLResults InitiatorName="x" Owner="y">',
  veracode: '<detailedreport xmlns="https://www.veracode.com/schema/reports/export/1.0">',
  "burp-dastardly": '<testsuites failures="0" name="Dastardly scan results" tests="62">',
  nexpose: '<NexposeReport version="2.0">',
  openvas: '<report id="x" format_id="a994b278" extension="xml">',
  qualys: '<?xml version="1.0"?>\n<!DOCTYPE ASSET_DATA_REPORT SYSTEM "x">\n<ASSET_DATA_REPORT>',
  acunetix: '<ScanGroup ExportedOn="28/04/2020, 14:29:33">',
  arachni: '{"version":"1.5.1","seed":"x","options":{"browser_cluster":{}}}',
  wapiti: '<report type="security">',
  wfuzz: '[{"chars":1,"code":200,"payload":"a","lines":1,"words":2}]',
  dirsearch: '{"info":{"args":"x"},"results":[]}',
  gobuster: "admin                (Status: 301) [Size: 169] [--> http://shop/admin/]\n",
  naabu:
    '{"ip":"10.0.0.5","port":80,"protocol":"tcp","tls":false}\n{"ip":"10.0.0.5","port":81,"protocol":"tcp","tls":false}\n',
  hydra: '{"generator":{"software":"Hydra"},"results":[]}',
  testssl: '"id","fqdn/ip","port","severity","finding","cve","cwe"\n',
  sslscan: '<document title="SSLScan Results" version="1.11.13">',
};
/** Tools that write what others write too: nothing but `--as` tells them apart. */
const ALIKE = ["npm-audit (before 7)", "yarn-audit", "acunetix-360", "invicti", "netsparker", "checkmarx-one"];

describe("a report tells its tool", () => {
  it("of every row", () => {
    expect([...Object.keys(STARTS), ...ALIKE].sort()).toEqual(REPORT_KINDS.map(({ tool }) => tool).sort());
  });

  it.each(Object.entries(STARTS))("%s", (tool, start) => {
    expect(guessKinds(reportShape(start)).map((kind) => kind.tool)).toEqual([tool]);
  });

  it.each([
    ["openvas", "IP,Hostname,Port,Port Protocol,CVSS,Severity\n"],
    ["nessus", "\ufeffPlugin ID,CVE,CVSS,Risk,Host\n"],
    ["prowler", "AUTH_METHOD;TIMESTAMP;ACCOUNT_UID\n"],
    ["gitleaks", '[{"line":"x","offender":"y","rule":"z"}]'],
    ["gitlab-sast", '{"version":"2.3","vulnerabilities":[{"category":"sast"}]}'],
    ["kics", '{"files_scanned":1,"queries_total":834}'],
  ])("%s in its other format", (tool, start) => {
    expect(guessKinds(reportShape(start)).map((kind) => kind.tool)).toEqual([tool]);
  });

  it("but not which of those that write alike", () => {
    const acunetix = '{"Generated":"x","Target":{},"Vulnerabilities":[]}';
    expect(() => chooseKind(undefined, acunetix, "r.json")).toThrow(
      "r.json may be a report of acunetix-360 or invicti or netsparker",
    );
    expect(
      guessKinds(reportShape('{"vulnerabilities":[],"scan":{"type":"sast","scanner":{"id":"CxOne-SAST"}}}')),
    ).toHaveLength(2);
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
    ["Aqua Scan", "Aqua Scan", "aqua-scan"],
  ])("%s is %s", (as, importAs, scanType) => {
    expect(chooseKind(as, "anything", "r.json")).toEqual({ importAs, scanType, guessed: false });
  });

  it("is believed, with a warning where the report looks like another's", () => {
    expect(chooseKind("SARIF", SARIF, "r.json").warning).toBeUndefined();
    expect(chooseKind("Bandit Scan", SARIF, "r.json").warning).toBe(
      'r.json looks like a report of sarif ("SARIF"), not "Bandit Scan"',
    );
  });

  it.each([undefined, "nmap", "Bandit Scan"])("%s leaves an empty report a failed scanner's", (as) => {
    expect(() => chooseKind(as, " \n", "r.json")).toThrow("r.json is empty");
  });

  it.each([
    ["nuclei", "Nuclei Scan"],
    ["Trufflehog Scan", "Trufflehog Scan"],
    ["gobuster", "Gobuster Scan"],
  ])("%s takes an empty report for one that found nothing", (as, importAs) => {
    expect(chooseKind(as, "", "r.json")).toMatchObject({ importAs, guessed: false });
  });

  it("is not needed where the report tells", () => {
    expect(chooseKind(undefined, SARIF, "r.json")).toEqual({ importAs: "SARIF", scanType: "sarif", guessed: true });
  });
});
