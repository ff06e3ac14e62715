import { describe, expect, it } from "vitest";
import {
  ANNOTATIONS,
  type ImportOptions,
  importFlags,
  isOfUnknownAnnotation,
  productName,
  readAnnotations,
} from "../../../lib/model/annotations.ts";
import type { Scan } from "../../../lib/model/scan.ts";
import { cpuTimeMs } from "../../helpers/cpu-time.ts";
import { aScan } from "../../helpers/factories.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

const OBJECT = "s3://b/scan-abc/findings.json";
const PREFIX = "defectdojo.securecodebox.io/";
const read = (annotations: Scan["annotations"], changes: Partial<Scan> = {}) =>
  readAnnotations(aScan({ annotations, ...changes }), OBJECT);

const DEFAULTS: ImportOptions = {
  importMode: "import",
  productName: "nmap-example",
  productDescription: "Product was automatically created by the secureCodeBox DefectDojo integration",
  productTags: [],
  engagementName: "nmap-example",
  engagementVersion: "",
  deduplicateOnEngagement: false,
  engagementTags: [],
  testTitle: "nmap-example",
  testTags: [],
  minimumSeverity: "Info",
  closeOldFindings: false,
  doNotImport: false,
};

describe("annotations on the Scan", () => {
  const rows: [string, string, Partial<ImportOptions>][] = [
    ["product-type-name", " Web Shops ", { productTypeName: "Web Shops" }],
    ["product-name", " Shop ", { productName: "Shop" }],
    ["product-description", "What it is", { productDescription: "What it is" }],
    ["product-tags", " appsec, demo ,,two words", { productTags: ["appsec", "demo", "two_words"] }],
    ["engagement-name", "nightly", { engagementName: "nightly" }],
    ["engagement-version", "v1.2", { engagementVersion: "v1.2" }],
    ["engagement-deduplicate-on-engagement", "true", { deduplicateOnEngagement: true }],
    ["engagement-tags", "automated,daily", { engagementTags: ["automated", "daily"] }],
    ["test-title", "Ports of the shop", { testTitle: "Ports of the shop" }],
    ["minimum-severity", "High", { minimumSeverity: "High" }],
    ["minimum_severity", "low", { minimumSeverity: "Low" }],
    ["close-old-findings", "TRUE", { closeOldFindings: true }],
    ["service", "checkout", { service: "checkout" }],
    ["environment", "Production", { environment: "Production" }],
    ["branch-tag", "main", { branchTag: "main" }],
    ["commit-hash", "af38e9b", { commitHash: "af38e9b" }],
    ["import-mode", "Import", { importMode: "import" }],
    ["test-tags", "ports", { testTags: ["ports"] }],
    ["group-by", "finding_title", { groupBy: "finding_title" }],
    ["active", "false", { active: false }],
    ["verified", " true ", { verified: true }],
    ["close-old-findings-product-scope", "true", { closeOldFindings: true, closeOldFindingsProductScope: true }],
    ["do-not-reactivate", "true", { doNotReactivate: true }],
    ["push-to-jira", "false", { pushToJira: false }],
    ["apply-tags-to-findings", "true", { applyTagsToFindings: true }],
    ["apply-tags-to-endpoints", "true", { applyTagsToEndpoints: true }],
    ["create-finding-groups", "true", { createFindingGroups: true }],
    ["scan-date", "2026-02-28", { scanDate: "2026-02-28" }],
    ["engagement-end-date", "2027-01-31", { engagementEndDate: "2027-01-31" }],
    ["engagement-days", "30", { engagementDays: 30 }],
    [
      "source-code-management-uri",
      "https://git.example.com/shop",
      { sourceCodeManagementUri: "https://git.example.com/shop" },
    ],
    ["product-business-criticality", "Very High", { productBusinessCriticality: "very high" }],
    ["do-not-import", "true", { doNotImport: true }],
    ["import-as", " Trivy scan ", { importAs: "Trivy scan" }],
  ];

  it.each(rows)("%s: %j is taken up", (name, value, expected) => {
    const { options, warnings } = read({ [name]: value });
    expect(options).toEqual({ ...DEFAULTS, ...expected });
    expect(warnings).toEqual([]);
  });

  it.each([
    ["scan-date", "2026-02-30"],
    ["scan-date", "28.02.2026"],
    ["engagement-end-date", "soon"],
    ["engagement-days", "0"],
    ["engagement-days", "3651"],
    ["source-code-management-uri", "git@example.com:shop.git"],
    ["product-business-criticality", "huge"],
    ["push-to-jira", "yes"],
  ])("%s: %j is refused by its name", async (name, value) => {
    expect(await relayErrorBy(async () => read({ [name]: value }))).toMatchObject({
      reason: "sidecar-invalid",
      message: expect.stringContaining(name),
    });
  });

  it("maps annotated flags to import-scan's fields, and omits the others", () => {
    const { options } = read({ "push-to-jira": "false", "apply-tags-to-findings": "true" });
    expect(importFlags(options)).toEqual({ push_to_jira: false, apply_tags_to_findings: true });
  });

  it("an operator's defaults apply when a Scan sets nothing", () => {
    const byOperator = { productTypeName: "Web", engagementName: "all" };
    const of = (annotations: Scan["annotations"]) =>
      readAnnotations(aScan({ annotations }), OBJECT, byOperator).options;
    expect(of({})).toMatchObject(byOperator);
    expect(of({ "engagement-name": "own" })).toMatchObject({ productTypeName: "Web", engagementName: "own" });
  });

  it("recognizes an unknown-annotation warning, in receipts too", () => {
    const { warnings } = read({ "engagement-nam": "x", "build-id": "1" });
    expect(warnings.map(isOfUnknownAnnotation)).toEqual([true, false]);
  });

  it("all have a test of their own", () => {
    expect(rows.map(([name]) => name).sort()).toEqual(Object.keys(ANNOTATIONS).sort());
  });

  it("default to the scan's name, no tags, every severity, nothing closed", () => {
    expect(read({}).options).toEqual(DEFAULTS);
  });

  it.each(rows.filter(([name]) => /name|description|version|title|service|environment|tag$|hash/.test(name)))(
    "%s left blank is as if it were not there",
    (name) => {
      expect(read({ [name]: "  " }).options).toEqual(DEFAULTS);
    },
  );
});

describe("the product's name", () => {
  it.each([
    ["is the annotation's", aScan({ annotations: { "product-name": " Shop " }, scheduledBy: "nightly" }), "Shop"],
    ["is the ScheduledScan's without an annotation", aScan({ scheduledBy: "nightly" }), "nightly"],
    ["is the ScheduledScan's with a blank one", aScan({ annotations: { "product-name": " " }, scheduledBy: "n" }), "n"],
    ["is the scan's without either", aScan(), "nmap-example"],
  ])("%s", (_, scan, expected) => {
    expect(productName(scan)).toBe(expected);
    expect(readAnnotations(scan, OBJECT).options.productName).toBe(expected);
  });
});

describe("unknown annotations", () => {
  it.each([
    ["product-nam", "product-name"],
    ["prodcut-name", "product-name"],
    ["minimal-severity", "minimum-severity"],
    ["minimum_severty", "minimum_severity"],
    ["test-titel", "test-title"],
    ["close-old-finding", "close-old-findings"],
    ["Active", "active"],
    ["do_not_import", "do-not-import"],
  ])("%s is warned of with the nearest name, %s", (name, nearest) => {
    const { options, warnings } = read({ [name]: "x" });
    expect(warnings).toEqual([`annotation ${PREFIX}${name} is not known; did you mean ${nearest}?`]);
    expect(options).toEqual(DEFAULTS);
  });

  it("gets a warning without a suggestion when no name is close", () => {
    expect(read({ "something-else-entirely": "x" }).warnings).toEqual([
      `annotation ${PREFIX}something-else-entirely is not known`,
    ]);
  });

  it("build-id is reserved, and the warning says so", () => {
    const { warnings } = read({ "build-id": "42" });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(`${PREFIX}build-id is ignored`);
  });

  it.each(["constructor", "__proto__", "toString"])("%s is no annotation", (name) => {
    const annotations = Object.fromEntries([[name, "x"]]);
    expect(read(annotations).warnings).toEqual([`annotation ${PREFIX}${name} is not known`]);
  });

  it("checks a very long name quickly", () => {
    const annotations = { ["x".repeat(10_000_000)]: "x" };
    expect(cpuTimeMs(() => expect(read(annotations).warnings).toHaveLength(1))).toBeLessThan(3_000);
  });
});

describe("invalid annotations", () => {
  it.each([
    ["close-old-findings", "yes", 'neither "true" nor "false"'],
    ["active", "", 'neither "true" nor "false"'],
    ["do-not-import", "1", 'neither "true" nor "false"'],
    ["minimum-severity", "Severe", "not one of Critical, High, Medium, Low, Info"],
    ["minimum_severity", "HIGHEST", "not one of Critical, High, Medium, Low, Info"],
    ["group-by", "title", "not one of component_name,"],
    ["product-name", "x".repeat(256), "longer than 255 characters"],
    ["engagement-name", "x".repeat(301), "longer than 300 characters"],
    ["engagement-version", "x".repeat(101), "longer than 100 characters"],
    ["branch-tag", "x".repeat(151), "longer than 150 characters"],
    ["product-tags", `a,${"x".repeat(256)}`, "a list with a tag longer than 255 characters"],
    ["engagement-tags", `a,${"x".repeat(256)}`, "a list with a tag longer than 255 characters"],
    ["test-tags", `a,${"x".repeat(256)}`, "a list with a tag longer than 255 characters"],
  ])("%s: %s is refused by its name", async (name, value, why) => {
    const error = await relayErrorBy(() => read({ [name]: value }));
    expect(error).toMatchObject({ reason: "sidecar-invalid", object: OBJECT });
    expect(error.message).toContain(`annotation ${PREFIX}${name} is ${why}`);
  });

  it("are all reported at once", async () => {
    const error = await relayErrorBy(() => read({ active: "x", verified: "y", "group-by": "z" }));
    for (const name of ["active", "verified", "group-by"]) expect(error.message).toContain(PREFIX + name);
  });
});

describe("in reimport mode", () => {
  const living = (changes: Partial<Scan> = {}, annotations: Scan["annotations"] = {}) =>
    read({ "import-mode": "reimport", ...annotations }, changes).options;

  it("all runs of a ScheduledScan share names, and missing findings are closed", () => {
    expect(living({ name: "nightly-1700000000", scheduledBy: "nightly" })).toMatchObject({
      ...{ importMode: "reimport", productName: "nightly", engagementName: "nightly" },
      ...{ testTitle: "security/nightly", closeOldFindings: true },
    });
  });

  it("annotations and an operator's defaults win", () => {
    const annotations = { "engagement-name": "own", "test-title": "Ports", "close-old-findings": "false" };
    const own = { engagementName: "own", testTitle: "Ports", closeOldFindings: false };
    expect(living({ scheduledBy: "nightly" }, annotations)).toMatchObject(own);
    const scan = aScan({ scheduledBy: "nightly" });
    const { options } = readAnnotations(scan, OBJECT, { importMode: "reimport", engagementName: "all" });
    expect(options).toMatchObject({ importMode: "reimport", engagementName: "all" });
    const other = aScan({ annotations: { "import-mode": "import" } });
    expect(readAnnotations(other, OBJECT, { importMode: "reimport" }).options).toMatchObject(DEFAULTS);
  });

  it("tells scans of one cascade apart by their parameters, not by their run", () => {
    const of = (parameters: string[], name: string) =>
      living({ name, parameters, cascade: { root: "nightly", rules: ["sslyze-tls"] } });
    const [one, again, other] = [of(["a.example.com:443"], "x1"), of(["a.example.com:443"], "x2"), of(["b:443"], "x1")];
    expect(one).toMatchObject({ productName: "nightly", engagementName: "nightly" });
    expect(one.testTitle).toBe("security/nightly > sslyze-tls: a.example.com:443");
    expect([again.testTitle === one.testTitle, other.testTitle === one.testTitle]).toEqual([true, false]);
  });

  it("keeps long titles with the same beginning distinct within DefectDojo's limit", () => {
    const of = (end: string) =>
      living({ cascade: { root: "nightly", rules: ["r"] }, parameters: ["x".repeat(400), end] });
    const [one, other] = [of("a").testTitle, of("b").testTitle];
    expect([one.length, other.length]).toEqual([255, 255]);
    expect(one).not.toBe(other);
  });

  it("closing in the whole product is ignored, with a warning", () => {
    const annotations = { "import-mode": "reimport", "close-old-findings-product-scope": "true" };
    const { options, warnings } = read(annotations);
    expect(importFlags(options)).toEqual({});
    expect(warnings).toEqual([expect.stringContaining("closes only its own findings")]);
  });
});
