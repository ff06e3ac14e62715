import { describe, expect, it } from "vitest";
import { checkpointOf, folderOf, nameOf, originalOf, receiptOf, sibling, uri } from "../../../lib/model/object-keys.ts";

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
