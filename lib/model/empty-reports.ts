/** How DefectDojo's parser of a scan type reads a report without findings. */
interface EmptyReport {
  /** Blank reports, trimmed, that it accepts as such on 2.34, 2.58 and 3.2. */
  readonly takes: readonly string[];
  /** The smallest document that it accepts on all of them, and the extension from which it may infer the format. */
  readonly smallest: string;
  readonly extension: "json" | "xml";
}

const json = (smallest: string, takes: readonly string[] = []): EmptyReport => ({ takes, smallest, extension: "json" });
const xml = (smallest: string): EmptyReport => ({ takes: [], smallest, extension: "xml" });

/**
 * One row per scan type of DefectDojo, from `dojo/tools/<name>/parser.py` of 2.34.5, 2.58.4 and 3.2.0. SSLyze returns nothing for a blank report, on which
 * the importer of 2.34 crashes.
 */
const EMPTY_REPORTS: Readonly<Record<string, EmptyReport>> = {
  "CycloneDX Scan": json("{}", ["{}"]),
  "Gitleaks Scan": json("[]", ["[]", "{}", "null"]),
  "KubeHunter Scan": json('{"vulnerabilities":[]}'),
  "Nikto Scan": json("{}", ["{}"]),
  "Nmap Scan": xml('<nmaprun start="0"/>'),
  "Nuclei Scan": json("[]", ["", "[]", "null"]),
  "Semgrep JSON Report": json('{"results":[]}', ["[]", "{}"]),
  "SSH Audit Importer": json(
    '{"target":"localhost:22","banner":{"raw":""},"cves":[],"kex":[],"key":[],"mac":[],"enc":[]}',
  ),
  "SSLyze Scan (JSON)": json('{"server_scan_results":[]}'),
  "Sslyze Scan": xml("<document><results/></document>"),
  "Trivy Scan": json("[]", ["[]", "null"]),
  "WhatWeb Scan": json("[]", ["[]"]),
  Wpscan: json("{}", ["{}"]),
  "ffuf Scan": json("{}", ["{}"]),
  "ZAP Scan": xml("<OWASPZAPReport/>"),
};

/** What to send to a parser instead of a blank report. */
export interface Substitute {
  readonly content: string;
  readonly name: string;
}

/**
 * The document that DefectDojo's parser reads as a scan without findings, if it rejects the blank report itself.
 * @param blank the trimmed report
 * @param name of its file
 * @returns undefined if the blank report can be sent as it is, and for a parser without a row
 */
export function substituteFor(scanType: string, blank: string, name: string): Substitute | undefined {
  const row = Object.hasOwn(EMPTY_REPORTS, scanType) ? EMPTY_REPORTS[scanType] : undefined;
  if (row === undefined) return undefined;
  const taken = row.takes.includes(blank) && name.toLowerCase().endsWith(`.${row.extension}`);
  return taken ? undefined : { content: row.smallest, name: `no-findings.${row.extension}` };
}
