import { internalError, Refusal } from "../http.ts";
import { cycloneDxParser } from "./cyclonedx.ts";
import { genericParser } from "./generic.ts";
import { nmapParser } from "./nmap.ts";
import type { Parser } from "./report.ts";
import { sarifParser } from "./sarif.ts";
import { gitleaksParser, kubeHunterParser, semgrepParser } from "./source-scanners.ts";
import { sshAuditParser, sslyzeParser } from "./tls-scanners.ts";
import { trivyParser } from "./trivy.ts";
import { ffufParser, niktoParser, nucleiParser, whatWebParser } from "./web-scanners.ts";
import { wpscanParser } from "./wpscan.ts";
import { zapParser } from "./zap.ts";

const PARSERS: Record<string, Parser> = {
  "CycloneDX Scan": cycloneDxParser,
  "Generic Findings Import": genericParser,
  "ffuf Scan": ffufParser,
  "Gitleaks Scan": gitleaksParser,
  "KubeHunter Scan": kubeHunterParser,
  "Nikto Scan": niktoParser,
  "Nmap Scan": nmapParser,
  "Nuclei Scan": nucleiParser,
  SARIF: sarifParser,
  "Semgrep JSON Report": semgrepParser,
  "SSH Audit Importer": sshAuditParser,
  "SSLyze Scan (JSON)": sslyzeParser,
  "Sslyze Scan": sslyzeParser,
  "Trivy Scan": trivyParser,
  "WhatWeb Scan": whatWebParser,
  Wpscan: wpscanParser,
  "ZAP Scan": zapParser,
};

/** The parser of a scan type. A crash is a bare 500, a reported error a 400. */
export function parserFor(scanType: string): Parser {
  const parser = PARSERS[scanType];
  // Reports of other types count as unreadable.
  if (parser === undefined) return { parse: () => Promise.reject(internalError()) };
  return {
    ...parser,
    parse: async (file, context) => {
      try {
        return await parser.parse(file, context);
      } catch (error) {
        throw error instanceof Refusal ? error : internalError();
      }
    },
  };
}
