import { describe, expect, it } from "vitest";
import type { DojoSeverity } from "../../../../lib/model/annotations.ts";
import type { DojoFinding } from "../../../../lib/ports/dojo-finding.ts";
import type { ScanFinding } from "../../../../lib/report/findings-file.ts";
import { matchRow, relate } from "../../../../lib/sync/match/match.ts";
import { aDojoFinding, aFinding } from "../../../helpers/factories.ts";

function matches(
  importedAs: string,
  scanner: readonly Partial<ScanFinding>[],
  dojo: readonly Partial<DojoFinding>[],
  minimum: DojoSeverity = "Info",
) {
  const relation = relate(matchRow(importedAs), minimum);
  for (const finding of scanner) relation.addScanner(aFinding(finding));
  for (const finding of dojo) relation.addDojo(aDojoFinding({ locations: [], ...finding }));
  return relation.resolve();
}

describe("titles", () => {
  it("are the same in title case, in any script", () => {
    const name = "größe: straße ßa, Ŀ ŉ ǆ ΟΔΟΣ ﬁ";
    const title = name.replace("straße", "Strasse").replace("ßa", "SSa").toUpperCase();
    const scanner = [{ name, category: name, location: "http://a", attributes: { zap_pluginid: "1" } }];
    expect(matches("ZAP Scan", scanner, [{ title, vulnIdFromTool: "1", locations: ["http://a"] }])).toEqual([[0]]);
  });
});

describe("nmap", () => {
  const port = (number: number, changes: Record<string, unknown> = {}) => ({
    category: "Open Port",
    attributes: {
      port: number,
      protocol: "tcp",
      state: "open",
      ip_addresses: ["10.0.0.1"],
      hostname: null,
      ...changes,
    },
  });
  const host = (ip: string, name: string | undefined, what: string) =>
    `### Host\n\n**IP Address:** ${ip}\n${name === undefined ? "" : `**PTR:** ${name}\n`}\n\n**Port/Protocol:** ${what}\n\n\n`;

  it("knows a port by any name or address of its host, and DefectDojo's one finding stands for all hosts and protocols", () => {
    const merged = host("10.0.0.1", "ptr.example", "53/tcp") + host("10.0.0.2", undefined, "53/udp");
    expect(
      matches(
        "Nmap Scan",
        [
          port(53, { hostname: "typed.example" }),
          port(53, { ip_addresses: ["10.0.0.2"], protocol: "udp" }),
          port(53, { ip_addresses: ["10.0.0.2"] }),
        ],
        [{ title: "Open Port: 53/TCP", description: merged, locations: ["tcp://ptr.example:53"] }],
      ),
    ).toEqual([[0], [0], "missing"]);
  });

  it("knows that hosts, filtered ports and scripts are nothing there", () => {
    const scanner = [{ category: "Host", attributes: {} }, port(80, { state: "filtered" }), { category: "SMB" }];
    expect(matches("Nmap Scan", scanner, [])).toEqual(["parser-dropped", "parser-dropped", "parser-dropped"]);
  });

  it("does not take what a script found on a port for the port", () => {
    const vulners = { title: "CVE-2018-15919", description: "### Vulnerability\n", locations: ["tcp://10.0.0.1:22"] };
    const open = { title: "Open Port: 22/TCP", description: "edited", locations: ["tcp://10.0.0.1:22"] };
    expect(matches("Nmap Scan", [port(22)], [vulners, open])).toEqual([[1]]);
  });
});

describe("nikto", () => {
  const line = (niktoId: number, name: string, location: string) => ({
    name,
    location,
    severity: "HIGH",
    attributes: { niktoId, method: "GET", port: 443 },
  });
  const entry = (id: string, message: string, osvdb = "") =>
    `**id:** \`${id}\`\n**msg:** \`${message}\`\n**HTTP Method:** \`GET\`${osvdb}`;

  it("finds each line in the one finding that DefectDojo makes of a message", () => {
    const long = `A ${"very ".repeat(200)}long message`;
    expect(
      matches(
        "Nikto Scan",
        [
          line(740001, "Backup found. ", "https://h/a"),
          line(740002, "Backup found.", "https://h/b"),
          line(999, long, "https://h/"),
        ],
        [
          {
            title: "Backup Found.",
            description: [entry("740001", "Backup found. "), entry("740002", "Backup found.")].join("\n-----\n"),
          },
          { title: long.slice(0, 511), description: entry("000999", long) },
        ],
      ),
    ).toEqual([[0], [0], [1]]);
  });

  it("tells two findings of one message apart by their paths, and never guesses", () => {
    const dojo = [
      { title: "X", description: entry("1", "x"), locations: ["//h:443/a%20b"] },
      { title: "X", description: entry("1", "x", "\n**OSVDB:** `12`"), locations: ["//h:443/c"] },
    ];
    const scanner = ["https://h/a b", "https://h/c", "https://h/d"].map((location) => line(1, "x", location));
    expect(matches("Nikto Scan", scanner, dojo)).toEqual([[0], [1], "ambiguous"]);
  });

  it("is below a minimum severity as DefectDojo has it: always Info", () => {
    expect(matches("Nikto Scan", [line(1, "x", "https://h/")], [], "Low")).toEqual(["below-minimum-severity"]);
  });
});

describe("ZAP", () => {
  const alert = (site: string, paths: readonly string[], name = "CSP: <b>Header</b> Not Set") => ({
    name: "CSP: Header Not Set",
    category: name,
    location: site,
    attributes: { zap_pluginid: "10038", zap_finding_urls: paths.map((path) => ({ uri: site + path, method: "GET" })) },
  });
  const inDojo = (locations: readonly string[]) => ({
    title: "CSP: <b>Header</b> Not Set",
    vulnIdFromTool: "10038",
    locations,
  });

  it("is known by plugin, alert and site, whatever way the site is written", () => {
    expect(
      matches(
        "ZAP Scan",
        [
          alert("https://[2001:db8:0:0::1]", ["/"]),
          alert("http://Shop.Example:80", ["/a?b=c"]),
          alert("http://shop.example:8080", ["/a"]),
        ],
        [inDojo(["http://shop.example:8080/a"]), inDojo(["http://shop.example/a"]), inDojo(["https://[2001:db8::1]"])],
      ),
    ).toEqual([[2], [1], [0]]);
  });

  it("of one plugin and site is told apart by its addresses, else by its place in the report", () => {
    const scanner = [alert("http://h", ["/a", "/b"]), alert("http://h", ["/b"]), alert("http://h", ["/b"])];
    const [b, ab] = [inDojo(["http://h/b"]), inDojo(["http://h/b", "http://h/a"])];
    expect(matches("ZAP Scan", scanner, [b, ab, b])).toEqual([[1], [0], [2]]);
    expect(matches("ZAP Scan", scanner.slice(1), [b, ab, b])).toEqual([[0], [2]]);
    expect(matches("ZAP Scan", scanner.slice(2), [b, b])).toEqual(["ambiguous"]);
  });
});

describe("trivy", () => {
  const vulnerability = (foundIn: string, changes: Partial<ScanFinding> = {}) => ({
    category: "Image Vulnerability",
    location: "scb://trivy/?ArtifactName=shop:1",
    attributes: { vulnerabilityId: "CVE-2021-1", packageName: "lodash", installedVersion: "1.0", foundIn },
    ...changes,
  });
  const inDojo = (target: string, changes: Partial<DojoFinding> = {}) => ({
    title: "CVE-2021-1 Lodash 1.0",
    description: `lodash: bad\n**Target:** ${target}\n**Type:** npm\n`,
    componentName: "lodash",
    componentVersion: "1.0",
    vulnerabilityIds: ["CVE-2021-1"],
    ...changes,
  });

  it("is known by target, also where an import gives all findings a service", () => {
    const dojo = ["b.lock", "a.lock"].map((target) => inDojo(target, { service: "shop" }));
    expect(matches("Trivy Scan", [vulnerability("a.lock"), vulnerability("b.lock")], dojo)).toEqual([[1], [0]]);
  });

  it("in a cluster is known by its resource", () => {
    const scanner = ["a", "b"].map((name) => ({
      category: "Vulnerability",
      location: `scb://trivy/?ClusterName=c&Namespace=n&Kind=Pod&Name=${name}`,
      attributes: {
        id: "CVE-2021-1",
        packageName: "lodash",
        installedVersion: "1.0",
        foundIn: "Target: 'shop:1' / Class: 'os-pkgs' / Type: 'debian'",
      },
    }));
    const dojo = ["n / Pod / b", "n / Pod / a"].map((service) => inDojo("shop:1", { service }));
    expect(matches("Trivy Scan", scanner, dojo)).toEqual([[1], [0]]);
    const wrong = {
      category: "Misconfiguration",
      attributes: { id: "KSV001", foundIn: "Target: 'Deployment/x' / Class: 'config'" },
    };
    const found = {
      title: "KSV001 - Can Elevate Its Own Privileges",
      description: "**Target:** Deployment/x\n**Type:** K",
    };
    expect(matches("Trivy Scan", [wrong], [found])).toEqual([[0]]);
  });
});

describe("gitleaks, semgrep and nuclei", () => {
  it("one secret of a line is not another", () => {
    const leak = (offender: string) => ({
      name: "generic-api-key",
      attributes: {
        file: "a/B.env",
        line_number: 3,
        offender,
        description: "Generic API Key",
        commit: "https://git/commit/c1",
      },
    });
    const inDojo = (secret: string) => ({
      title: "Hard Coded Generic API Key Found in a/B.env",
      description: `**Secret:** ${secret}\n**Match:** k=${secret}\n**Commit hash:** c1\n**Rule Id:** generic-api-key`,
      filePath: "a/B.env",
      line: 3,
    });
    expect(matches("Gitleaks Scan", [leak("x"), leak("y"), leak("x")], [inDojo("y"), inDojo("x")])).toEqual([
      [1],
      [0],
      [1],
    ]);
  });

  it("a path may hold colons", () => {
    const finding = { name: "rule.a", location: "C:/src:x/a.py:4-5" };
    const dojo = { vulnIdFromTool: "rule.a", filePath: "C:/src:x/a.py", line: 4 };
    expect(matches("Semgrep JSON Report", [finding], [{ ...dojo, line: 5 }, dojo])).toEqual([[1]]);
  });

  it("a template's hosts are one finding where they have no scheme, and its matchers are several", () => {
    const result = (matcher_name: string, matched_at: string) => ({
      location: "x",
      attributes: { template_id: "ssl", matcher_name, matched_at },
    });
    const inDojo = (componentName: string, ...locations: string[]) => ({
      vulnIdFromTool: "ssl",
      componentName,
      locations,
    });
    expect(
      matches(
        "Nuclei Scan",
        [result("a", "one.example:443"), result("a", "TWO.example:443"), result("b", "https://one.example:443/x")],
        [inDojo("a", "one.example:443", "two.example:443"), inDojo("b", "https://one.example/x")],
      ),
    ).toEqual([[0], [0], [1]]);
  });
});

describe("others", () => {
  it("a recommendation of ssh-audit stands for all of its algorithms", () => {
    const recommended = (name: string, ...algorithms: string[]) => ({
      name,
      category: "SSH Policy Violation",
      location: "ssh://h",
      attributes: { algorithms },
    });
    const inDojo = (algorithm: string) => ({
      title: `SSH-2.0_${algorithm}`,
      description: `**Algorithm**: ${algorithm}\n`,
      locations: ["h:22"],
    });
    expect(
      matches(
        "SSH Audit Importer",
        [
          recommended("Insecure SSH Key Algorithms", "ssh-rsa (Note: too short)", "dsa"),
          recommended("SSH KEX Algorithms must be added", "dsa"),
          recommended("Insecure SSH Encryption Algorithms", "dsa"),
        ],
        [inDojo("dsa"), inDojo("ssh-rsa")],
      ),
    ).toEqual([[0, 1], "parser-dropped", "parser-dropped"]);
  });

  it("two requests of ffuf for one address are told apart by what came back", () => {
    const result = (word: string, length: number) => ({
      location: "https://h/",
      attributes: { httpStatus: 200, length, words: 1, lines: 1, input: { HOST: word, FFUFHASH: "x" } },
    });
    const inDojo = (word: string, length: number) => ({
      description: `**URL:** https://h/\n**Status:** 200\n**Payload (HOST):** ${word}\n**Response length:** ${length}\n**Response words:** 1\n**Response lines:** 1\n**Content type:** text/html`,
      locations: ["https://h"],
    });
    expect(matches("ffuf Scan", [result("a", 0), result("b", 5)], [inDojo("b", 5), inDojo("a", 0)])).toEqual([
      [1],
      [0],
    ]);
  });

  it("one finding of DefectDojo that could be either of two is neither", () => {
    const target = (location: string) => ({ location, name: location });
    const inDojo = { description: "**URL:** https://h/\n", locations: ["https://h"] };
    expect(matches("WhatWeb Scan", [target("https://h/")], [inDojo, inDojo])).toEqual(["ambiguous"]);
    expect(matches("WhatWeb Scan", [target("https://h/"), target("https://h/")], [inDojo, inDojo])).toEqual([[0], [1]]);
  });

  it("a parser that nobody has described matches nothing", () => {
    expect(matches("SARIF", [{}], [{}])).toEqual(["missing"]);
    expect(matches("toString", [{}], [{}])).toEqual(["missing"]);
  });
});
