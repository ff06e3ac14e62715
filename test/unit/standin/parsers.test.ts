import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Refusal } from "../../../infra/local/defectdojo/http.ts";
import { titlecase } from "../../../infra/local/defectdojo/importing/titlecase.ts";
import { cvss3Score } from "../../../infra/local/defectdojo/parsers/cvss.ts";
import { parserFor } from "../../../infra/local/defectdojo/parsers/index.ts";
import type { Report } from "../../../infra/local/defectdojo/parsers/report.ts";
import { parseSidecar } from "../../../lib/model/scan.ts";
import { dojoScanType, GENERIC } from "../../../lib/model/scan-types.ts";
import { sharedUrl } from "../../helpers/shared.ts";

const SAMPLES = new URL("../../../infra/local/scans/", import.meta.url);
const SCANS = sharedUrl("scans/");
const RECORDED = SCANS ?? SAMPLES;

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

type Recorded = {
  importedAs: string;
  findings: { title: string; severity: string; locations: string[] }[];
};

const read = (path: string) => JSON.parse(readFileSync(new URL(path, RECORDED), "utf8"));

const FOLDERS = SCANS === undefined ? [] : readdirSync(SCANS);
const IMPORTED = FOLDERS.filter((scan) => existsSync(new URL(`${scan}/dojo-findings.json`, RECORDED)));

/** Reports of a type that DefectDojo reads and that bring no findings, by what 3.2.0 answers to them (its FACTS). */
const WITHOUT_FINDINGS: Readonly<Record<string, "empty" | "refused">> = {
  "gitleaks-test-null-report": "empty",
  "kube-hunter-kind-1.18-in-cluster-scan": "refused",
  "ffuf-empty": "refused",
  "nikto-empty-report": "refused",
  "ssh-audit-test-empty-report": "refused",
  "sslyze-no-certificate-deployments": "refused",
};

function rawResult(scan: string): { file: URL; scanType: string } {
  const sidecar = read(`${scan}/scan.json`);
  return {
    file: new URL(`${scan}/${sidecar.status.rawResultFile}`, RECORDED),
    scanType: dojoScanType(parseSidecar(sidecar, scan)),
  };
}

describe.skipIf(FOLDERS.length === 0)("reports of real scanners", () => {
  it.each(IMPORTED)("reads %s as the real server did", async (scan) => {
    const { importedAs, findings } = read(`${scan}/dojo-findings.json`) as Recorded;
    for (const mode of ["locations", "endpoints"] as const) {
      const report = await parse(importedAs, rawResult(scan).file, mode);
      const found = report.findings.map(({ finding }) => [titlecase(finding.title.slice(0, 511)), finding.severity]);
      expect(found.map(String).sort()).toEqual(findings.map((f) => String([f.title, f.severity])).sort());
    }
  });

  it.each(FOLDERS.filter((scan) => !IMPORTED.includes(scan)))("reads %s as FACTS say", async (scan) => {
    const { file, scanType } = rawResult(scan);
    if (scanType === GENERIC) return; // no parser of DefectDojo reads it
    const parsed = parse(scanType, file);
    const answer = WITHOUT_FINDINGS[scan];
    if (answer === "empty") expect((await parsed).findings).toEqual([]);
    else if (answer === "refused") await expect(parsed).rejects.toThrow(Refusal);
    // Nothing is recorded of others: their parser must come to an end of its own.
    else await parsed.catch((error: unknown) => expect(error).toBeInstanceOf(Refusal));
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
