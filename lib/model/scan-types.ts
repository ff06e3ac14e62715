import * as z from "zod";
import type { Scan } from "./scan.ts";

/** DefectDojo's parser for findings that no other parser reads. */
export const GENERIC = "Generic Findings Import";

/**
 * One row per scan type of secureCodeBox that DefectDojo reads natively. A scan type may carry a suffix
 * (`nmap-internal`, as renamed scan types do); the longest row that fits wins.
 * Names are DefectDojo's own (`get_scan_types` of its parsers). `trivy-sbom` has none: DefectDojo finds nothing in a bill of materials without vulnerabilities.
 */
const BY_SCAN_TYPE: Readonly<Record<string, string>> = {
  nmap: "Nmap Scan",
  nikto: "Nikto Scan",
  "zap-baseline-scan": "ZAP Scan",
  "zap-api-scan": "ZAP Scan",
  "zap-full-scan": "ZAP Scan",
  "zap-advanced-scan": "ZAP Scan",
  "zap-automation-framework": "ZAP Scan",
  sslyze: "SSLyze Scan (JSON)",
  "trivy-image": "Trivy Scan",
  "trivy-image-autodiscovery": "Trivy Scan",
  "trivy-filesystem": "Trivy Scan",
  "trivy-repo": "Trivy Scan",
  "trivy-k8s": "Trivy Scan",
  gitleaks: "Gitleaks Scan",
  semgrep: "Semgrep JSON Report",
  nuclei: "Nuclei Scan",
  "ssh-audit": "SSH Audit Importer",
  wpscan: "Wpscan",
  ffuf: "ffuf Scan",
  whatweb: "WhatWeb Scan",
  "kube-hunter": "KubeHunter Scan",
};

/**
 * If the scan type is unknown (a scanner under another name), the kind of raw result decides.
 * The types are those of secureCodeBox's scan type definitions (`extractResults.type`).
 */
const BY_RAW_RESULT_TYPE: Readonly<Record<string, string>> = {
  "nmap-xml": "Nmap Scan",
  "nikto-json": "Nikto Scan",
  "zap-xml": "ZAP Scan",
  "sslyze-json": "SSLyze Scan (JSON)",
  "sslyze-xml": "Sslyze Scan",
  "trivy-json": "Trivy Scan",
  "trivy-k8s-json": "Trivy Scan",
  "gitleaks-json": "Gitleaks Scan",
  "semgrep-json": "Semgrep JSON Report",
  "nuclei-json": "Nuclei Scan",
  "ssh-audit-json": "SSH Audit Importer",
  "wpscan-json": "Wpscan",
  "ffuf-json": "ffuf Scan",
  "whatweb-json": "WhatWeb Scan",
  "kube-hunter-json": "KubeHunter Scan",
};

/**
 * Scan types of which DefectDojo reads the report before it creates the test (`get_tests` of their parsers, 2.58.4 and 3.2.0; tried with reports that they
 * cannot read): a report on which such a parser fails leaves no test behind.
 */
const READ_FIRST = new Set([
  "AWS Security Hub Scan",
  "GitLab SAST Report",
  "Horusec Scan",
  "PTART Report",
  "Rusty Hog Scan",
  "SARIF",
  "Scout Suite Scan",
  "n0s1 Scanner",
]);

/** Whether DefectDojo creates the test of this scan type only once it has read the report. */
export const isReadFirst = (scanType: string): boolean => READ_FIRST.has(scanType);

/** `SCAN_TYPE_MAP`: scan type of secureCodeBox (or raw result type) to scan type of DefectDojo; takes precedence over the tables. */
export const scanTypeMapSchema = z.record(z.string().min(1), z.string().min(1));
export type ScanTypeMap = z.infer<typeof scanTypeMapSchema>;

/** Every scan type of DefectDojo that a report may be imported as. */
export function wantedTestTypes(overrides: ScanTypeMap = {}): string[] {
  const tables = [overrides, BY_SCAN_TYPE, BY_RAW_RESULT_TYPE].flatMap((table) => Object.values(table));
  return [...new Set([GENERIC, ...tables])].sort();
}

/** Extensions that DefectDojo accepts (recorded answer of 3.2, setting `DD_FILE_IMPORT_TYPES`). */
const EXTENSIONS = new Set("xml csv nessus json jsonl html js zip xlsx txt sarif fpr md log fvdl".split(" "));

/**
 * DefectDojo's scan type for the scan; {@link GENERIC} if no parser of DefectDojo reads its raw result.
 */
export function dojoScanType(scan: Scan, overrides: ScanTypeMap = {}): string {
  const { scanType, rawResultType, rawResultFile } = scan;
  if (rawResultFile === undefined) return GENERIC;
  return (
    longestPrefix(scanType, overrides) ??
    own(overrides, rawResultType) ??
    sslyzeByFormat(scan) ??
    longestPrefix(scanType, BY_SCAN_TYPE) ??
    own(BY_RAW_RESULT_TYPE, rawResultType) ??
    GENERIC
  );
}

/**
 * DefectDojo's scan type for a scan type of secureCodeBox, or for the family that several of them begin with: `trivy` of `trivy-image` and the like.
 * @returns undefined if no row fits, or those of the family differ
 */
export function scanTypeOfFamily(name: string): string | undefined {
  const scanType = name.trim().toLowerCase();
  const exact = longestPrefix(scanType, BY_SCAN_TYPE);
  if (exact !== undefined) return exact;
  const family = Object.entries(BY_SCAN_TYPE).filter(([row]) => row.startsWith(`${scanType}-`));
  const types = new Set(family.map(([, dojo]) => dojo));
  return types.size === 1 ? [...types][0] : undefined;
}

/**
 * The file name to send with a report: the raw result's own if DefectDojo accepts its extension, else with the extension
 * that its first byte suggests. Harmless as a header: quotes and control characters cannot occur in it.
 * @param firstBytes the start of the report as Latin-1, in which UTF-8's byte order mark is three characters
 */
export function reportFileName(rawResultFile: string, firstBytes: string): string {
  const safe = rawResultFile.replace(/[^\w.@+ -]/g, "_");
  const extension = safe.slice(safe.lastIndexOf(".") + 1).toLowerCase();
  if (safe.lastIndexOf(".") > 0 && EXTENSIONS.has(extension)) return safe;
  const start = firstBytes.replace(/^\u00ef\u00bb\u00bf/, "").trimStart()[0];
  return `${safe}.${start === "<" ? "xml" : start === "{" || start === "[" ? "json" : "txt"}`;
}

/** sslyze alone has a parser for each of its formats. */
function sslyzeByFormat({ scanType, rawResultType, rawResultFile }: Scan): string | undefined {
  const xml = rawResultType === "sslyze-xml" || rawResultFile?.toLowerCase().endsWith(".xml");
  return xml && (scanType === "sslyze" || scanType.startsWith("sslyze-")) ? "Sslyze Scan" : undefined;
}

function longestPrefix(scanType: string, table: Readonly<Record<string, string>>): string | undefined {
  const [best] = Object.keys(table)
    .filter((name) => scanType === name || scanType.startsWith(`${name}-`))
    .sort((a, b) => b.length - a.length);
  return best === undefined ? undefined : table[best];
}

function own(table: Readonly<Record<string, string>>, name: string | undefined): string | undefined {
  return name !== undefined && Object.hasOwn(table, name) ? table[name] : undefined;
}
