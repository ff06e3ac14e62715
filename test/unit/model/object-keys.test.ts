import { describe, expect, it } from "vitest";
import {
  checkpointOf,
  companionOf,
  findingsOfReceipt,
  findingsSuffix,
  folderOf,
  isFindingsName,
  nameOf,
  originalOf,
  rawResultsOf,
  receiptOf,
  sibling,
  uri,
} from "../../../lib/model/object-keys.ts";

describe("keys are split at their slashes and never resolved", () => {
  it.each([
    ["scan-abc/findings.json", "scan-abc/", "findings.json"],
    ["findings.json", "", "findings.json"],
    ["a/b/c", "a/b/", "c"],
    ["a//findings.json", "a//", "findings.json"],
    ["../x/findings.json", "../x/", "findings.json"],
    ["a/", "a/", ""],
    ["", "", ""],
  ])("%s lies in %s as %s", (key, folder, name) => {
    expect(folderOf(key)).toBe(folder);
    expect(nameOf(key)).toBe(name);
    expect(folderOf(key) + nameOf(key)).toBe(key);
  });
});

describe("objects beside the findings", () => {
  const findings = { bucket: "b", key: "scan-é ü+/findings.json" };

  it("has the bucket and the folder of the findings", () => {
    expect(sibling(findings, "scan.json")).toEqual({ bucket: "b", key: "scan-é ü+/scan.json" });
    expect(receiptOf(findings)).toEqual({ bucket: "b", key: "scan-é ü+/defectdojo.json" });
    expect(checkpointOf(findings)).toEqual({ bucket: "b", key: "scan-é ü+/defectdojo.pending.json" });
  });

  it.each([
    ["scan-abc/findings.json", "scan-abc/findings.original.json"],
    ["findings.json", "findings.original.json"],
    ["a.b/findings", "a.b/findings.original"],
    ["x/.json", "x/.json.original"],
    ["x/a.b.json", "x/a.b.original.json"],
  ])("keeps the upload of %s as %s", (key, original) => {
    expect(originalOf({ bucket: "b", key })).toEqual({ bucket: "b", key: original });
  });

  it("is named by its s3 address", () => {
    expect(uri(findings)).toBe("s3://b/scan-é ü+/findings.json");
  });
});

describe("a pattern for the findings' name", () => {
  it.each([
    ["findings.json", "findings.json", true],
    ["findings.json", "x-findings.json", false],
    ["*-findings.json", "x-findings.json", true],
    ["*-findings.json", "findings.json", false],
    ["*-findings.json", "x-findings.original.json", false],
    ["findings-*.json", "findings-x.json", true],
    ["findings*.json", "findings.json", true],
    ["findings*.json", "findings.original.json", false],
    ["*findings.json", "x.y.findings.json", true],
  ])("%s, and the name %s: %s", (pattern, name, fits) => {
    expect(isFindingsName(pattern, name)).toBe(fits);
  });

  it.each([
    ["findings.json", "scan.json", "defectdojo.json", "defectdojo.pending.json", "findings.original.json"],
    ["x-findings.json", "x-scan.json", "x-defectdojo.json", "x-defectdojo.pending.json", "x-findings.original.json"],
    ["findings-x.json", "scan-x.json", "defectdojo-x.json", "defectdojo-x.pending.json", "findings-x.original.json"],
    ["findings.a.json", "scan.a.json", "defectdojo.a.json", "defectdojo.a.pending.json", "findings.a.original.json"],
    ["f.json", "scan.json", "defectdojo.json", "defectdojo.pending.json", "f.original.json"],
  ])("%s lies beside %s, %s, %s, %s", (name, scan, receipt, checkpoint, original) => {
    const findings = { bucket: "b", key: `a/${name}` };
    const beside = [
      companionOf(findings, "scan.json"),
      receiptOf(findings),
      checkpointOf(findings),
      originalOf(findings),
    ];
    expect(beside.map(({ key }) => key)).toEqual([scan, receipt, checkpoint, original].map((one) => `a/${one}`));
    if (name.includes("findings")) expect(findingsOfReceipt(receiptOf(findings))).toEqual(findings);
  });

  it("tells receipts, checkpoints and other objects apart", () => {
    for (const key of ["a/defectdojo.pending.json", "x-defectdojo.pending.json", "a/scan.json", "defectdojo/scan.json"])
      expect(findingsOfReceipt({ bucket: "b", key })).toBeUndefined();
  });

  it("the raw result has a flat key's prefix, or its bare name", () => {
    const keys = (key: string) => rawResultsOf({ bucket: "b", key }, "nmap.xml").map((ref) => ref.key);
    expect(keys("a/findings.json")).toEqual(["a/nmap.xml"]);
    expect(keys("x-findings.json")).toEqual(["x-nmap.xml", "nmap.xml"]);
  });

  it("every name ends in the suffix that notifications filter by", () => {
    expect(["findings.json", "*-findings.json", "findings-*.json"].map(findingsSuffix)).toEqual([
      "findings.json",
      "-findings.json",
      ".json",
    ]);
  });
});
