import { describe, expect, it } from "vitest";
import type { ScanFinding } from "../../../lib/report/findings-file.ts";
import { detailsOf } from "../../../lib/report/generic-details.ts";
import { exactNumber } from "../../../lib/util/exact-number.ts";
import { aFinding } from "../../helpers/factories.ts";

const of = (changes: Partial<ScanFinding>, cwes = false) =>
  detailsOf(aFinding({ attributes: {}, references: null, location: null, ...changes }), { full: true, cwes });
const reference = (type: string, value: string) => ({ type, value });

describe("what always goes into columns of its own", () => {
  it.each<[string, Partial<ScanFinding>, object]>([
    ["nothing of a finding that carries nothing", {}, {}],
    ["nothing of one without attributes", { attributes: null }, {}],
    [
      "nuclei's CVEs",
      { references: [reference("URL", "https://e.example"), reference("CVE", "CVE-2021-44228")] },
      { vulnerability_ids: ["CVE-2021-44228"] },
    ],
    [
      "wpscan's, which have no CVE-",
      { references: [reference("CVE", "2014-0166")] },
      { vulnerability_ids: ["CVE-2014-0166"] },
    ],
    [
      "references among the attributes, in any case, each id once",
      {
        references: [reference("cve", "cve-2020-1234")],
        attributes: { references: [reference("CVE", "CVE-2020-1234"), null, "x"] },
      },
      { vulnerability_ids: ["CVE-2020-1234"] },
    ],
    [
      "trivy's vulnerability, package and version",
      { attributes: { vulnerabilityId: "RUSTSEC-2021-0001", packageName: "tokio", installedVersion: "1.2.3" } },
      { vulnerability_ids: ["RUSTSEC-2021-0001"], component_name: "tokio", component_version: "1.2.3" },
    ],
    [
      "trivy's of a cluster",
      { attributes: { id: "CVE-2022-1271", packageName: "gzip", installedVersion: "1.10" } },
      { vulnerability_ids: ["CVE-2022-1271"], component_name: "gzip", component_version: "1.10" },
    ],
    ["no id of something else", { attributes: { id: "CVE-2022-1271" } }, {}],
    ["no id that is none", { attributes: { vulnerabilityId: "an id", cve: ["", "CVE-none", 7] } }, {}],
    [
      "several ids",
      { attributes: { cve: ["CVE-2020-0001", "CVE-2020-0002"] } },
      { vulnerability_ids: ["CVE-2020-0001", "CVE-2020-0002"] },
    ],
    [
      "nmap's product and version",
      { attributes: { serviceProduct: "OpenSSH", serviceVersion: "7.4", port: 22 } },
      { component_name: "OpenSSH", component_version: "7.4" },
    ],
    [
      "a component without a version",
      { attributes: { serviceProduct: "nginx", serviceVersion: null } },
      { component_name: "nginx" },
    ],
    ["no version without a component", { attributes: { serviceProduct: " ", serviceVersion: "1" } }, {}],
    [
      "only what fits into its column",
      { attributes: { packageName: "n".repeat(500), installedVersion: "1".repeat(101) } },
      { component_name: "n".repeat(500) },
    ],
    ["no name that does not fit", { attributes: { packageName: "n".repeat(501), installedVersion: "1" } }, {}],
    [
      "texts without control characters",
      { attributes: { component_name: "a\u0000b\u0007" } },
      { component_name: "ab" },
    ],
    [
      "versions that are numbers",
      { attributes: { packageName: "a", installedVersion: exactNumber("7.0") } },
      { component_name: "a", component_version: "7.0" },
    ],
  ])("%s", (_, changes, expected) => {
    expect(detailsOf(aFinding({ attributes: {}, ...changes }), { full: false, cwes: true })).toEqual(expected);
  });

  it("is at most fifty ids", () => {
    const cve = Array.from({ length: 80 }, (_, i) => `CVE-2020-${1000 + i}`);
    expect(of({ attributes: { cve } }).vulnerability_ids).toEqual(cve.slice(0, 50));
  });
});

describe("what makes known findings new", () => {
  it.each<[string, Partial<ScanFinding>, object]>([
    ["nuclei's weakness", { references: [reference("CWE", "CWE-79")] }, { cwe: 79 }],
    [
      "semgrep's, whose references have two digits of it",
      { attributes: { cwe: "CWE-798: Use of Hard-coded Credentials", references: [reference("CWE", "CWE-79")] } },
      { cwe: 798 },
    ],
    ["several where one column is all there is", { attributes: { cwe: ["CWE-79: XSS", "CWE-89"] } }, { cwe: 79 }],
    ["ZAP's", { attributes: { zap_cweid: "693" } }, { cwe: 693 }],
    ["nothing where ZAP knows none", { attributes: { zap_cweid: "-1" } }, {}],
    ["nothing where it is 0", { attributes: { zap_cweid: "0" }, references: [reference("CWE", "CWE-")] }, {}],
    [
      "gitleaks' file and line",
      { attributes: { file: "src/a.ts", line_number: 12, line: "key = 1" } },
      { file_path: "src/a.ts", line: 12 },
    ],
    ["semgrep's path and first line", { location: "src/a b.py:7-9" }, { file_path: "src/a b.py", line: 7 }],
    ["no address", { location: "https://shop.example.com/a:1-2" }, {}],
    ["a file without a line", { attributes: { file: "a", line_number: "many" } }, { file_path: "a" }],
    [
      "no line that no column holds",
      { attributes: { file_path: "a", line: exactNumber("99999999999999999999") } },
      { file_path: "a" },
    ],
    ["no path that does not fit", { attributes: { file: "a".repeat(4_001) } }, {}],
  ])("%s", (_, changes, expected) => {
    expect(of(changes)).toEqual(expected);
    expect(detailsOf(aFinding({ attributes: {}, location: null, ...changes }), { full: false, cwes: true })).toEqual(
      {},
    );
  });

  it("is every weakness where this DefectDojo takes several", () => {
    expect(of({ attributes: { cwe: ["CWE-79: XSS", "CWE-89", "CWE-79"] } }, true)).toEqual({
      cwe: 79,
      cwes: ["CWE-79", "CWE-89"],
    });
    expect(of({ attributes: { cwe: "CWE-79" } }, true)).toEqual({ cwe: 79 });
  });
});
