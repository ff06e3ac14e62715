import { GENERIC } from "../../model/scan-types.ts";
import { cyclonedx, generic, gitleaks, livingGeneric, nmap, semgrep, trivy } from "./other-rows.ts";
import type { MatchRow } from "./row.ts";
import { ffuf, kubeHunter, nikto, nuclei, sshAudit, sslyze, whatweb, wpscan, zap } from "./web-rows.ts";

/** One row for each of DefectDojo's scan types that a scanner of secureCodeBox is imported as. */
const ROWS: Readonly<Record<string, MatchRow>> = {
  [GENERIC]: generic,
  "Nmap Scan": nmap,
  "Nikto Scan": nikto,
  "ZAP Scan": zap,
  "SSLyze Scan (JSON)": sslyze,
  "Trivy Scan": trivy,
  "CycloneDX Scan": cyclonedx,
  "Gitleaks Scan": gitleaks,
  "Semgrep JSON Report": semgrep,
  "Nuclei Scan": nuclei,
  "SSH Audit Importer": sshAudit,
  Wpscan: wpscan,
  "ffuf Scan": ffuf,
  "WhatWeb Scan": whatweb,
  "KubeHunter Scan": kubeHunter,
};

/** Where nothing is known of a parser, nothing is taken for another. */
const UNKNOWN: MatchRow = { scanner: () => ({ keys: [] }), dojo: () => ({ keys: [] }) };

/**
 * @param importedAs DefectDojo's scan type of the test
 * @param living whether earlier runs live on in it, whose ids of findings are not this one's
 */
export const matchRow = (importedAs: string, living = false): MatchRow =>
  living && importedAs === GENERIC ? livingGeneric : rowOf(importedAs);

const rowOf = (importedAs: string): MatchRow =>
  Object.hasOwn(ROWS, importedAs) ? (ROWS[importedAs] ?? UNKNOWN) : UNKNOWN;
