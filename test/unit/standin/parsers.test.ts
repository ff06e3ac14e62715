import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Refusal } from "../../../infra/local/defectdojo/http.ts";
import { cvss3Score } from "../../../infra/local/defectdojo/parsers/cvss.ts";
import { parserFor } from "../../../infra/local/defectdojo/parsers/index.ts";
import type { Report } from "../../../infra/local/defectdojo/parsers/report.ts";

const SAMPLES = new URL("../../../infra/local/scans/", import.meta.url);
const RECORDED = new URL("../../../../shared/scans/", import.meta.url);

function parse(scanType: string, file: URL, mode: "locations" | "endpoints" = "locations"): Promise<Report> {
  const path = fileURLToPath(file);
  return parserFor(scanType).parse(
    { name: path.split("/").at(-1) ?? "", path, bytes: 0 },
    { mode, now: () => new Date() },
  );
}

const titles = (report: Report) => report.findings.map(({ finding }) => finding.title);

describe("reports of the sample scans", () => {
  it("makes one finding of a port that is open on several hosts", async () => {
    const report = await parse("Nmap Scan", new URL("nmap-shop/nmap-results.xml", SAMPLES));
    expect(titles(report)).toEqual([
      "Open port: 22/tcp",
      "Open port: 80/tcp",
      "Open port: 443/tcp",
      "Open port: 5432/tcp",
      "Open port: 8443/tcp",
    ]);
    expect(report.findings[0]?.places.map(({ host, port }) => `${host}:${port}`)).toEqual([
      "web-1.example.net:22",
      "web-2.example.net:22",
    ]);
  });

  it("makes one finding of an alert, with its places and exchanges", async () => {
    const report = await parse("ZAP Scan", new URL("zap-shop/zap-results.xml", SAMPLES));
    expect(report.findings.map(({ finding }) => finding.severity)).toEqual([
      "High",
      "Medium",
      "Medium",
      "Low",
      "Low",
      "Info",
    ]);
    const [injection] = report.findings;
    expect(injection?.finding).toMatchObject({
      title: "SQL Injection",
      cwe: 89,
      description: "SQL injection may be possible.\n\n",
    });
    expect(injection?.places).toMatchObject([{ host: "shop.example.com", path: "rest/products/search", query: "" }]);
    expect(injection?.requestResponses[0]?.request).toContain("EndpointQuery:    q=%27%28");
  });

  it("makes one finding of a vulnerability in a package", async () => {
    const report = await parse("Trivy Scan", new URL("trivy-shop/trivy-results.json", SAMPLES));
    expect(report.findings.length).toBe(8);
    expect(report.findings[5]?.finding).toMatchObject({
      title: "CVE-2021-44906 minimist 1.2.5",
      severity: "Critical",
      cwe: 1321,
      component_name: "minimist",
      file_path: "usr/src/app/node_modules/minimist/package.json",
      tags: ["lang-pkgs", "node-pkg"],
    });
  });
});

/** As many findings as DefectDojo 3.2.0 makes of each; undefined: it cannot read the report. */
const COUNTS: [scan: string, scanType: string, count: number | undefined][] = [
  ["ffuf-ffuf-results", "ffuf Scan", 2],
  ["gitleaks-test-null-report", "Gitleaks Scan", 0],
  ["gitleaks-test-report", "Gitleaks Scan", 4],
  ["nikto-docs.securecodebox.io", "Nikto Scan", 6],
  ["nikto-empty-report", "Nikto Scan", undefined],
  ["nmap-localhost", "Nmap Scan", 4],
  ["nmap-no-ports", "Nmap Scan", 0],
  ["nmap-service-scan", "Nmap Scan", 2],
  ["nuclei-example-com-test", "Nuclei Scan", 26],
  ["semgrep-python-injection", "Semgrep JSON Report", 1],
  ["ssh-audit-dummy-ssh", "SSH Audit Importer", 17],
  ["ssh-audit-test-empty-report", "SSH Audit Importer", undefined],
  ["sslyze-google.com", "SSLyze Scan (JSON)", 4],
  ["trivy-juice-shop-v12.10.2", "Trivy Scan", 185],
  ["trivy-juice-shop-v12.10.2-no-results", "Trivy Scan", 0],
  ["whatweb-example.com", "WhatWeb Scan", 1],
  ["wpscan-example-latest", "Wpscan", 6],
  ["zap-automation-framework-example.com", "ZAP Scan", 5],
  ["zap-automation-framework-juice-shop", "ZAP Scan", 12],
];

describe.skipIf(!existsSync(RECORDED))("reports of real scanners", () => {
  it.each(COUNTS)("makes of %s (%s) %s findings", async (scan, scanType, count) => {
    const sidecar = JSON.parse(readFileSync(new URL(`${scan}/scan.json`, RECORDED), "utf8"));
    const file = new URL(`${scan}/${sidecar.status.rawResultFile}`, RECORDED);
    for (const mode of ["locations", "endpoints"] as const) {
      if (count === undefined) await expect(parse(scanType, file, mode)).rejects.toThrow(Refusal);
      else expect((await parse(scanType, file, mode)).findings.length).toBe(count);
    }
  });

  it("covers every scan whose type has a parser", () => {
    const without = ["git-repo-scanner", "ncrack", "subfinder"];
    const scans = readdirSync(RECORDED).filter((scan) => !without.some((type) => scan.startsWith(type)));
    expect(COUNTS.map(([scan]) => scan).sort()).toEqual(scans.sort());
  });
});

describe("the score of a CVSS 3 vector", () => {
  it.each([
    ["CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8],
    ["CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H", 10],
    ["CVSS:3.0/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H", 9.9],
    ["CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N", 0],
    ["AV:N/AC:L/Au:N/C:P/I:P/A:P", null],
  ])("%s is %s", (vector, score) => expect(cvss3Score(vector)).toBe(score));
});
