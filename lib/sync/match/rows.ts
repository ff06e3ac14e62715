import { GENERIC } from "../../model/scan-types.ts";
import { cyclonedx, generic, gitleaks, livingGeneric, nmap, semgrep, trivy } from "./other-rows.ts";
import type { MatchRow } from "./row.ts";
import { ffuf, kubeHunter, nikto, nuclei, sshAudit, sslyze, whatweb, wpscan, zap } from "./web-rows.ts";

/** One row per DefectDojo scan type for secureCodeBox's scanners. */
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

/** For an unknown parser, nothing matches. */
const UNKNOWN: MatchRow = { scanner: () => ({ keys: [] }), dojo: () => ({ keys: [] }) };

/**
 * @param importedAs DefectDojo's scan type of the test
 * @param living whether it is a living test, whose findings may have ids of earlier runs
 */
export const matchRow = (importedAs: string, living = false): MatchRow =>
  living && importedAs === GENERIC ? livingGeneric : rowOf(importedAs);

const rowOf = (importedAs: string): MatchRow =>
  Object.hasOwn(ROWS, importedAs) ? (ROWS[importedAs] ?? UNKNOWN) : UNKNOWN;
