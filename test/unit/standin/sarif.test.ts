import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parserFor } from "../../../infra/local/defectdojo/parsers/index.ts";
import { shortened } from "../../../infra/local/defectdojo/parsers/sarif-parts.ts";

const CONTEXT = { mode: "locations", now: () => new Date() } as const;
const parse = (path: string) => parserFor("SARIF").parse({ name: "r.sarif", path, bytes: 0 }, CONTEXT);

/** What `dojo/tools/sarif/parser.py` of 3.2.0 makes of these, read in its source and tried with it. */
describe("the stand-in's SARIF parser", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "dojo-relay-sarif-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const result = async (given: object, rule?: object, more: object = {}) => {
    const driver = { name: "Tool", ...(rule === undefined ? {} : { rules: [{ id: "r", ...rule }] }) };
    const run = { tool: { driver }, results: [{ ruleId: "r", message: { text: "m" }, ...given }], ...more };
    const path = join(folder, "report.sarif");
    await writeFile(path, JSON.stringify({ version: "2.1.0", runs: [run] }));
    return (await parse(path)).findings.map(({ finding }) => finding);
  };

  it("reads the sample, and names the test after its tool", async () => {
    const report = await parse(fileURLToPath(new URL("../../fixtures/reports/codeql.sarif", import.meta.url)));
    expect([report.testType, report.testColumns]).toEqual(["ShopLint Scan (SARIF)", { version: "2.3.0" }]);
    expect(report.findings[0]?.finding).toMatchObject({
      title: 'This query depends on the field "q" of a request.',
      severity: "Critical",
      cvssv3_score: 9.1,
      cwe: 89,
      file_path: "src/search.js",
      line: 42,
      references: "https://lint.example.com/rules/sql-injection",
      tags: ["cwe-089", "security"],
      unique_id_from_tool: "primaryLocationLineHash:6a0c1f2e9b7d4c33:1",
      vuln_id_from_tool: "js/sql-injection",
      static_finding: true,
    });
    expect(report.findings[0]?.finding.description).toContain(
      "**Rule short description:** Query built from user input",
    );
  });

  it.each([
    [{ level: "note" }, {}, { severity: "Info" }],
    [{ level: "none" }, {}, { severity: "Medium" }],
    [{}, { defaultConfiguration: { level: "error" } }, { severity: "High" }],
    [{}, { properties: { "security-severity": "4.0" } }, { severity: "Medium", cvssv3_score: 4 }],
    [{}, { properties: { "security-severity": "CRITICAL" } }, { severity: "Critical" }],
    [{}, { properties: { "security-severity": "odd" } }, { severity: "Info" }],
    [{}, { relationships: [{ target: { id: "CWE-79" } }] }, { cwe: 79, cwes: [79] }],
    [{ properties: { cwe: "cwe-22: x" } }, { properties: { cwe: ["CWE-1"] } }, { cwe: 22, cwes: [1, 22] }],
    [{ taxa: [{ id: "352", toolComponent: { name: "CWE" } }] }, {}, { cwe: 352 }],
    [{ suppressions: [{ kind: "inSource" }] }, {}, { false_p: true, active: false }],
    [{ ruleId: "CVE-2024-1-x" }, {}, { vulnerability_ids: ["CVE-2024-1"] }],
    [{ fixes: [{ description: { text: "do" } }, { description: { text: "so" } }] }, {}, { mitigation: "do\nso" }],
    [{ fingerprints: { "a/v1": "x", "a/v2": "y" } }, {}, { unique_id_from_tool: "y" }],
    [
      { message: { id: "t", arguments: ["1", "2"] } },
      { messageStrings: { t: { text: "{0} and {1}" } } },
      { title: "1 and 2" },
    ],
    [{ message: undefined }, { shortDescription: { text: "short" } }, { title: "short" }],
    [{ message: undefined }, { name: "n" }, { title: "n" }],
    [{}, { help: { text: "https://x" } }, { references: "https://x" }],
  ])("%j by the rule %j", async (given, rule, expected) => {
    expect((await result(given, rule))[0]).toMatchObject(expected);
  });

  it("makes a finding of each location, none of what did not fail, and a 400 of what has no title", async () => {
    const at = (uri: string) => ({ physicalLocation: { artifactLocation: { uri }, region: { startLine: 1 } } });
    expect((await result({ locations: [at("a"), at("b")] })).map(({ file_path }) => file_path)).toEqual(["a", "b"]);
    expect(await result({ kind: "pass" })).toEqual([]);
    await expect(result({ message: undefined })).rejects.toMatchObject({ reply: { status: 400 } });
    expect((await result({}, {}, { invocations: [{ endTimeUtc: "2026-01-02T03:04:05Z" }] }))[0]?.date).toContain(
      "2026-01-02",
    );
  });

  it("tells the steps of a code flow", async () => {
    const step = { location: { physicalLocation: { artifactLocation: { uri: "a.js" }, region: { startLine: 3 } } } };
    const [finding] = await result({ codeFlows: [{ threadFlows: [{ locations: [step] }] }] });
    expect(finding?.description).toBe("**Result message:** m\n**Code flow:**\n1. a.js:L3");
  });

  it("shortens as Python does", () => {
    expect(shortened(" a  b\nc ", 150)).toBe("a b c");
    expect(shortened("one two-three four", 14)).toBe("one two- [...]");
    expect(shortened("x".repeat(20), 10)).toBe("[...]");
  });
});
