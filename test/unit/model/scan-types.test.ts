import { describe, expect, it } from "vitest";
import type { Scan } from "../../../lib/model/scan.ts";
import { dojoScanType, GENERIC, reportFileName, wantedTestTypes } from "../../../lib/model/scan-types.ts";
import { aScan } from "../../helpers/factories.ts";

/** A scan whose raw result says nothing of its kind. */
const ofType = (scanType: string, changes: Partial<Scan> = {}) => {
  const { rawResultType: _, ...rest } = aScan({ scanType, rawResultFile: "result.bin" });
  return { ...rest, ...changes };
};

const NATIVE: readonly (readonly [string, string])[] = [
  ["nmap", "Nmap Scan"],
  ["nikto", "Nikto Scan"],
  ["zap-baseline-scan", "ZAP Scan"],
  ["zap-api-scan", "ZAP Scan"],
  ["zap-full-scan", "ZAP Scan"],
  ["zap-advanced-scan", "ZAP Scan"],
  ["zap-automation-framework", "ZAP Scan"],
  ["sslyze", "SSLyze Scan (JSON)"],
  ["trivy-image", "Trivy Scan"],
  ["trivy-image-autodiscovery", "Trivy Scan"],
  ["trivy-filesystem", "Trivy Scan"],
  ["trivy-repo", "Trivy Scan"],
  ["trivy-k8s", "Trivy Scan"],
  ["gitleaks", "Gitleaks Scan"],
  ["semgrep", "Semgrep JSON Report"],
  ["nuclei", "Nuclei Scan"],
  ["ssh-audit", "SSH Audit Importer"],
  ["wpscan", "Wpscan"],
  ["ffuf", "ffuf Scan"],
  ["whatweb", "WhatWeb Scan"],
  ["kube-hunter", "KubeHunter Scan"],
];

describe("scan types that DefectDojo reads natively", () => {
  it.each(NATIVE)("%s is %s", (scanType, expected) => {
    expect(dojoScanType(ofType(scanType))).toBe(expected);
  });

  it.each(NATIVE)("%s with the suffix of a renamed scan type is %s", (scanType, expected) => {
    expect(dojoScanType(ofType(`${scanType}-internal`))).toBe(expected);
  });

  it("match by the longest name that fits", () => {
    const overrides = { "trivy-image": "A", "trivy-image-autodiscovery": "B" };
    expect(dojoScanType(ofType("trivy-image-autodiscovery-x"), overrides)).toBe("B");
    expect(dojoScanType(ofType("trivy-image-x"), overrides)).toBe("A");
  });
});

describe("scan types by their raw results", () => {
  it.each([
    ["nmap-xml", "Nmap Scan"],
    ["nikto-json", "Nikto Scan"],
    ["zap-xml", "ZAP Scan"],
    ["sslyze-json", "SSLyze Scan (JSON)"],
    ["sslyze-xml", "Sslyze Scan"],
    ["trivy-json", "Trivy Scan"],
    ["trivy-k8s-json", "Trivy Scan"],
    ["gitleaks-json", "Gitleaks Scan"],
    ["semgrep-json", "Semgrep JSON Report"],
    ["nuclei-json", "Nuclei Scan"],
    ["ssh-audit-json", "SSH Audit Importer"],
    ["wpscan-json", "Wpscan"],
    ["ffuf-json", "ffuf Scan"],
    ["whatweb-json", "WhatWeb Scan"],
    ["kube-hunter-json", "KubeHunter Scan"],
  ])("%s is %s under a scan type that nobody knows", (rawResultType, expected) => {
    expect(dojoScanType(ofType("our-scanner", { rawResultType }))).toBe(expected);
  });
});

describe("sslyze", () => {
  it.each([
    ["JSON by its type", { rawResultType: "sslyze-json" }, "SSLyze Scan (JSON)"],
    ["XML by its type", { rawResultType: "sslyze-xml" }, "Sslyze Scan"],
    ["XML by its file", { rawResultFile: "sslyze-results.XML" }, "Sslyze Scan"],
    ["JSON by its file", { rawResultFile: "sslyze-results.json" }, "SSLyze Scan (JSON)"],
    ["neither: JSON, which its scan type writes", {}, "SSLyze Scan (JSON)"],
  ])("with %s", (_, changes, expected) => {
    expect(dojoScanType(ofType("sslyze", changes))).toBe(expected);
    expect(dojoScanType(ofType("sslyze-internal", changes))).toBe(expected);
  });
});

describe("Generic Findings Import", () => {
  it.each([
    "subfinder",
    "ncrack",
    "git-repo-scanner",
    "trivy-sbom",
    "trivy-sbom-image",
    "nmapping",
    "zap",
    "trivy",
    "NMAP",
    "",
    "constructor",
    "__proto__",
  ])("takes %j", (scanType) => {
    expect(dojoScanType(ofType(scanType))).toBe(GENERIC);
  });

  it.each(["subfinder-json", "sbom-cyclonedx", "constructor", ""])("takes the raw result type %j", (rawResultType) => {
    expect(dojoScanType(ofType("our-scanner", { rawResultType }))).toBe(GENERIC);
  });

  it("imports a scan of any type without a raw result", () => {
    const { rawResultFile: _, ...scan } = aScan();
    expect(dojoScanType(scan)).toBe(GENERIC);
    expect(dojoScanType(scan, { nmap: "Nmap Scan" })).toBe(GENERIC);
  });
});

describe("SCAN_TYPE_MAP", () => {
  it.each<[string, Record<string, string>, Scan, string]>([
    ["goes before the table", { nmap: GENERIC }, ofType("nmap"), GENERIC],
    ["names scan types that nobody knows", { subfinder: "Subfinder Scan" }, ofType("subfinder"), "Subfinder Scan"],
    ["holds for suffixes", { subfinder: "Subfinder Scan" }, ofType("subfinder-x"), "Subfinder Scan"],
    ["holds for its longest name", { nmap: "A", "nmap-deep": "B" }, ofType("nmap-deep-x"), "B"],
    ["may name a raw result type", { "x-json": "X Scan" }, ofType("our", { rawResultType: "x-json" }), "X Scan"],
    ["holds for sslyze's XML", { sslyze: "A" }, ofType("sslyze", { rawResultType: "sslyze-xml" }), "A"],
    ["changes nothing else", { nikto: "A" }, ofType("nmap"), "Nmap Scan"],
  ])("%s", (_, overrides, scan, expected) => {
    expect(dojoScanType(scan, overrides)).toBe(expected);
  });
});

describe("wantedTestTypes", () => {
  it("lists the test types of the tables and of SCAN_TYPE_MAP once each", () => {
    const wanted = wantedTestTypes({ nmap: "My Nmap", other: "ZAP Scan" });
    expect(wanted).toEqual([...new Set(wanted)].sort());
    for (const name of [GENERIC, "Nmap Scan", "Sslyze Scan", "My Nmap"]) expect(wanted).toContain(name);
    expect(wantedTestTypes()).not.toContain("My Nmap");
  });
});

describe("reportFileName", () => {
  it.each([
    ["nmap-results.xml", "<", "nmap-results.xml"],
    ["zap.XML", "<", "zap.XML"],
    ["nuclei.jsonl", "{", "nuclei.jsonl"],
    ["report", '{"a":1}', "report.json"],
    ["report", "  [1]", "report.json"],
    ["report", "<?xml", "report.xml"],
    ["report", "\u00ef\u00bb\u00bf<?xml", "report.xml"],
    ["report", "plain", "report.txt"],
    ["report", "", "report.txt"],
    ["report.exe", "{", "report.exe.json"],
    ["json", "{", "json.json"],
    [".xml", "<", ".xml.xml"],
    ["report.", "{", "report..json"],
    ["r\u00e9sultats (1).json", "{", "r_sultats _1_.json"],
    ['a"; filename="b.xml', "<", "a__ filename__b.xml"],
    ["a\r\nX: y.json", "{", "a__X_ y.json"],
  ])("sends %j that begins with %j as %s", (name, start, expected) => {
    expect(reportFileName(name, start)).toBe(expected);
  });
});
