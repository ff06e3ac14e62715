import type { TestType } from "./model.ts";

/** How findings of a scan type are matched (`dojo/settings/settings.dist.py` of 3.2.0). */
export type Matching = {
  algorithm: "legacy" | "hash_code" | "unique_id_from_tool_or_hash_code";
  /** `HASHCODE_FIELDS_PER_SCANNER`; null: title, cwe, line, file path and description. */
  hashCodeFields: readonly string[] | null;
  /** False: a finding without CWE falls back to the default fields (`HASHCODE_ALLOWS_NULL_CWE`). */
  allowsNullCwe: boolean;
};

type Row = { id: number; name: string; parser: boolean; matching: Matching };

const DEFAULT: Matching = { algorithm: "legacy", hashCodeFields: null, allowsNullCwe: true };

function hashed(...fields: string[]): Matching {
  return { algorithm: "hash_code", hashCodeFields: fields.length > 0 ? fields : null, allowsNullCwe: true };
}

function row(id: number, name: string, matching: Matching = DEFAULT, parser = true): Row {
  return { id, name, parser, matching };
}

/** The test types that matter to secureCodeBox, with the ids of a fresh 3.2.0. */
const ROWS: readonly Row[] = [
  row(1, "API Test", DEFAULT, false),
  row(2, "Static Check", DEFAULT, false),
  row(3, "Pen Test", DEFAULT, false),
  row(26, "Trivy Operator Scan", hashed("title", "severity", "vulnerability_ids", "description")),
  row(28, "WhatWeb Scan", hashed("title", "endpoints")),
  row(34, "ffuf Scan", hashed("title", "endpoints")),
  row(57, "SARIF", { ...DEFAULT, algorithm: "unique_id_from_tool_or_hash_code" }),
  row(58, "ZAP Scan", { ...hashed("title", "cwe", "severity"), allowsNullCwe: false }),
  row(75, "SSLyze Scan (JSON)", hashed("title", "description")),
  row(76, "Sslyze Scan"),
  row(99, "Trivy Scan", hashed("title", "severity", "vulnerability_ids", "cwe", "description")),
  row(117, "Nikto Scan"),
  row(157, "Generic Findings Import", hashed()),
  row(167, "SSH Audit Importer"),
  row(170, "Semgrep JSON Report", { ...DEFAULT, algorithm: "unique_id_from_tool_or_hash_code" }),
  row(188, "KubeHunter Scan", hashed("title", "description")),
  row(202, "Nuclei Scan", hashed("title", "cwe", "severity", "component_name")),
  row(220, "Wpscan", hashed("title", "description", "severity")),
  row(235, "CycloneDX Scan", hashed("vuln_id_from_tool", "component_name", "component_version")),
  row(236, "Nmap Scan"),
  row(253, "Kubeaudit Scan"),
  row(255, "Gitleaks Scan", hashed()),
];

export function initialTestTypes(missing: readonly string[]): TestType[] {
  return ROWS.filter((r) => !missing.includes(r.name)).map((r) => ({
    id: r.id,
    name: r.name,
    static_tool: false,
    dynamic_tool: false,
    active: true,
  }));
}

/** The allowed values of `scan_type` in an import. */
export function isScanType(name: string, missing: readonly string[]): boolean {
  return ROWS.some((r) => r.parser && r.name === name) && !missing.includes(name);
}

/** Looks up the test type, else the scan type: a generic report can define its own test type. */
export function matchingOf(testType: string, scanType: string | null): Matching {
  return (ROWS.find((r) => r.name === testType) ?? ROWS.find((r) => r.name === scanType))?.matching ?? DEFAULT;
}
