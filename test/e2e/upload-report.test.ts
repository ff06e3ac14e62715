import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WaitResult } from "../../cli/wait/wait-result.ts";
import { cli, cliJson } from "./cli.ts";
import { type Runtime, startRuntime } from "./runtime.ts";
import { syncedFindings } from "./schema.ts";

const local = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const SARIF = local("test/fixtures/reports/codeql.sarif");
const SEMGREP = local("test/fixtures/reports/semgrep.json");
const TRIVY = local("infra/local/scans/trivy-shop/trivy-results.json");
const ZAP = local("infra/local/scans/zap-shop/zap-results.xml");

/** Reports of our own making: what they are imported as, and the findings of each severity that DefectDojo's parser makes of them. */
const REPORTS = [
  [SARIF, undefined, "SARIF", { critical: 1, high: 1, medium: 0, low: 0, info: 1 }],
  [SARIF, "sarif", "SARIF", { critical: 1, high: 1, medium: 0, low: 0, info: 1 }],
  [SEMGREP, undefined, "Semgrep JSON Report", { critical: 0, high: 1, medium: 1, low: 0, info: 0 }],
  [TRIVY, "trivy", "Trivy Scan", { critical: 1, high: 3, medium: 4, low: 0, info: 0 }],
  [ZAP, undefined, "ZAP Scan", { critical: 0, high: 1, medium: 2, low: 2, info: 1 }],
] as const;

describe("uploading the report of any scanner", { timeout: 120_000 }, () => {
  let runtime: Runtime;
  let env: Record<string, string>;
  let folder: string;
  beforeAll(async () => {
    runtime = await startRuntime();
    const { s3Endpoint, sqsEndpoint } = runtime.service;
    env = { AWS_ENDPOINT_URL_S3: s3Endpoint, AWS_ENDPOINT_URL_SQS: sqsEndpoint };
    folder = await mkdtemp(join(tmpdir(), "dojo-relay-reports-"));
  });
  afterAll(async () => {
    await runtime.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const upload = (file: string, ...args: string[]) =>
    cliJson<WaitResult[]>(["upload", "--report", file, "--wait", "--timeout", "60s", ...args], env);
  const write = async (name: string, text: string) => {
    const path = join(folder, name);
    await writeFile(path, text);
    return path;
  };
  const keyOf = ({ findings }: WaitResult) => findings.replace(`s3://${runtime.service.bucket}/`, "");

  it.each(REPORTS)(
    "%s as %s becomes findings of secureCodeBox, by DefectDojo's parser %s",
    async (file, as, importAs, severities) => {
      const product = `Product of ${importAs} ${as}`;
      const [result] = await upload(file, "--product", product, ...(as === undefined ? [] : ["--as", as]));
      expect(result).toMatchObject({ ended: "passed", bySeverity: severities });
      const count = Object.values<number>(severities).reduce((sum, one) => sum + one, 0);
      expect(result?.receipt).toMatchObject({
        importedAs: importAs,
        product: { name: product },
        findings: { count },
        new: count,
        warnings: [],
      });
      expect(result?.receipt?.fellBack).toBeUndefined();
      const findings = JSON.parse((await runtime.get(keyOf(result as WaitResult)))?.toString() ?? "") as unknown[];
      expect(syncedFindings.parse(findings)).toHaveLength(count);
      const name = file.slice(file.lastIndexOf("/") + 1);
      expect(await runtime.get(keyOf(result as WaitResult).replace("findings.json", name))).toBeDefined();
    },
  );

  it("passes options and --set to DefectDojo, and imports the same report again as a new run with known findings", async () => {
    const args = ["--product", "Twice", "--engagement", "main", "--version", "1.4", "--tag", "ci", "--tag", "nightly"];
    const more = [
      "--product-type",
      "Shops",
      "--branch",
      "main",
      "--commit",
      "c0ffee",
      "--set",
      "service=checkout",
      "--name",
      "lint",
    ];
    const [first] = await upload(SARIF, ...args, ...more);
    const [second] = await upload(SARIF, ...args, ...more);
    expect(first?.receipt).toMatchObject({
      productType: { name: "Shops" },
      engagement: { name: "main" },
      test: { name: "lint" },
      new: 3,
      duplicates: 0,
    });
    expect(second?.receipt).toMatchObject({ new: 0, duplicates: 3 });
    expect(second?.receipt?.test.id).not.toBe(first?.receipt?.test.id);
    const { url, apiKey } = runtime.standin;
    const headers = { authorization: `Token ${apiKey}` };
    const response = await fetch(`${url}/api/v2/tests/${first?.receipt?.test.id}/`, { headers });
    expect(await response.json()).toMatchObject({
      tags: ["ci", "nightly"],
      // SARIF names its tool.
      version: "2.3.0",
      branch_tag: "main",
      commit_hash: "c0ffee",
    });
  });

  it("prints the detected scanner and does not prompt without a terminal", async () => {
    const { stderr, code } = await cli(["upload", "--report", SEMGREP, "--product", "Said"], env);
    expect([code, stderr]).toEqual([
      0,
      expect.stringContaining('imported as "Semgrep JSON Report", judging by its content'),
    ]);
    const wrong = await cli(["upload", "--report", SEMGREP, "--as", "SARIF", "--product", "Said"], env);
    expect(wrong.stderr).toContain('looks like a report of semgrep ("Semgrep JSON Report"), not "SARIF"');
  });

  it.each([
    ["no.json", '{"hello":"world"}', /is not a report of any known tool[\s\S]*Set its type with --as/],
    ["npm.json", '{"actions":[],"advisories":{},"muted":[]}', /--as "NPM Audit Scan" or --as "Yarn Audit Scan"/],
    ["zap.json", '{"@programName":"ZAP","site":[]}', /DefectDojo reads ZAP's XML report/],
    ["empty.sarif", "\n", /is empty[\s\S]*Failed scanners leave such files/],
  ])("rejects %s (%s) before any upload and says what to do", async (name, text, said) => {
    const path = await write(name, text);
    expect(await cli(["upload", "--report", path, "--product", "Nothing"], env)).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(said),
    });
    expect(await runtime.keys("nothing/")).toEqual([]);
  });

  it.each([
    [["--report", SARIF], /a report needs a product/],
    [["--report", SARIF, "--product", "P", "--as", "Generic Findings Import"], /reads findings.json, not a report/],
    [["--report", SARIF, "--product", "P", "--set", "servce=x"], /servce is not known; did you mean service/],
    [["--report", SARIF, "--product", "P", "--minimum-severity", "Huge"], /minimum-severity is not one of Critical/],
    [["--report", "/nonexistent", "--product", "P"], /\/nonexistent cannot be read/],
    [["--report", SARIF, "--product", "P", "--fail-on", "high"], /--fail-on needs --wait/],
    [["--report", SARIF, "--product", "P", "--wait", "--fail-on", "huge"], /It must be SEVERITY/],
    [[], /takes folders, or one --report/],
  ])("upload %s is wrong usage", async (args, said) => {
    expect(await cli(["upload", ...args], env)).toMatchObject({ code: 1, stderr: expect.stringMatching(said) });
  });

  it("dead-letters a report that DefectDojo's parser rejects, with its message, and never counts it as a clean scan", async () => {
    const path = await write("broken.json", '{"SchemaVersion":7,"ArtifactName":"shop"}');
    const { code, stdout } = await cli(["upload", "--report", path, "--product", "Refused", "--wait", "--json"], env);
    const [result] = JSON.parse(stdout) as WaitResult[];
    expect(code).toBe(3);
    expect(result).toMatchObject({
      ended: "dead-lettered",
      why: expect.stringMatching(/^report-refused: .*"Trivy Scan" refused.*not supported/),
    });
    expect(await runtime.receipt(keyOf(result as WaitResult))).toBeUndefined();
    expect((await runtime.get(keyOf(result as WaitResult)))?.toString()).toBe("[]\n");
  });

  it("dead-letters an unknown scan type and suggests the nearest one", async () => {
    const args = ["upload", "--report", SARIF, "--as", "SARIFF", "--product", "Unknown", "--wait"];
    const { code, stdout } = await cli(args, env);
    expect([code, stdout]).toEqual([3, expect.stringMatching(/no scan type "SARIFF"; did you mean "SARIF"\?/)]);
  });

  it("imports three manually uploaded objects with a short sidecar the same way", async () => {
    const put = async (name: string, text: string) => runtime.put(`by-hand/${name}`, text);
    await put("scan.json", JSON.stringify({ scanType: "SARIF", product: "By hand", engagement: "main", tags: ["ci"] }));
    await put("codeql.sarif", await readFile(SARIF, "utf8"));
    await put("findings.json", "[]");
    const results = await cliJson<WaitResult[]>(["wait", `s3://${runtime.service.bucket}/by-hand/`], env);
    expect(results).toMatchObject([
      { ended: "passed", receipt: { importedAs: "SARIF", new: 3, product: { name: "By hand" } } },
    ]);
  });
});
