import { describe, expect, it } from "vitest";
import { readSidecar } from "../../../lib/ingest/sidecar.ts";
import { readAnnotations } from "../../../lib/model/annotations.ts";
import { sibling } from "../../../lib/model/object-keys.ts";
import { runOf } from "../../../lib/model/run.ts";
import { FINDINGS } from "../../helpers/factories.ts";
import { memoryStorage } from "../../helpers/memory-storage.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

const SETTINGS = { sidecarName: "scan.json", findingsName: "findings.json", maxSidecarBytes: 1_024 };

/** Reads the sidecar of a folder with these objects. */
const read = (sidecar: object, others: readonly string[] = ["codeql.sarif"], storage = memoryStorage()) => {
  storage.put(sibling(FINDINGS, "scan.json"), JSON.stringify(sidecar));
  storage.put(FINDINGS, "[]");
  for (const name of others) storage.put(sibling(FINDINGS, name), "{}");
  return readSidecar(storage, FINDINGS, SETTINGS);
};
const SHORT = { scanType: "SARIF", product: "Shop" };

describe("the short sidecar", () => {
  it("describes a Scan of any type, with the only other file in the folder as its report", async () => {
    const scan = await read(SHORT);
    expect(scan).toMatchObject({
      name: "SARIF",
      namespace: "default",
      scanType: "SARIF",
      rawResultFile: "codeql.sarif",
    });
    expect(scan.rawResultType).toBeUndefined();
    expect(readAnnotations(scan, "").options).toMatchObject({
      productName: "Shop",
      importAs: "SARIF",
      testTitle: "SARIF",
    });
  });

  it("takes the command line's options and any other annotation", async () => {
    const scan = await read({
      ...SHORT,
      ...{ name: "lint", productType: "Shops", engagement: "main", version: "1.4", tags: ["a", "b"], branch: "b1" },
      ...{ environment: "Staging", commit: "c0ffee", minimumSeverity: "Low", annotations: { service: "cart" } },
    });
    const { options, warnings } = readAnnotations(scan, "");
    expect(warnings).toEqual([]);
    expect(options).toMatchObject({
      ...{ productTypeName: "Shops", engagementName: "main", engagementVersion: "1.4", testTags: ["a", "b"] },
      ...{ branchTag: "b1", environment: "Staging", commitHash: "c0ffee", minimumSeverity: "Low", service: "cart" },
      testTitle: "lint",
    });
  });

  it.each([
    ["trivy", "Trivy Scan"],
    ["trivy-repo", "Trivy Scan"],
    ["zap", "ZAP Scan"],
    ["Nmap", "Nmap Scan"],
    ["SARIF", "SARIF"],
    ["Bandit Scan", "Bandit Scan"],
  ])("of %s is imported as %s", async (scanType, importAs) => {
    expect((await read({ ...SHORT, scanType })).annotations["import-as"]).toBe(importAs);
  });

  it("ignores the relay's own objects when it looks for the report", async () => {
    const own = ["defectdojo.json", "findings.original.json", "defectdojo.pending.json", "deeper/other.json"];
    expect(await read(SHORT, [...own, "report.xml"])).toMatchObject({ rawResultFile: "report.xml" });
    expect((await read(SHORT, own)).rawResultFile).toBeUndefined();
  });

  it("must name its report when there are several files", async () => {
    const error = await relayErrorBy(() => read(SHORT, ["a.json", "b.json"]));
    expect(error).toMatchObject({ reason: "sidecar-invalid", message: expect.stringContaining("report: must name") });
    expect(await read({ ...SHORT, report: "b.json" }, ["a.json", "b.json"])).toMatchObject({ rawResultFile: "b.json" });
  });

  it("is a new run each time it is written, unless it names its run", async () => {
    const storage = memoryStorage();
    const plain = storage.read;
    let writtenAt = new Date("2026-11-24T12:00:00Z");
    storage.read = async (ref) => {
      const found = await plain(ref);
      return found && { ...found, head: { ...found.head, lastModified: writtenAt } };
    };
    const first = runOf(await read(SHORT, undefined, storage));
    expect(runOf(await readSidecar(storage, FINDINGS, SETTINGS))).toBe(first);
    writtenAt = new Date("2026-11-24T12:00:01Z");
    expect(runOf(await read(SHORT, undefined, storage))).not.toBe(first);
    const named = runOf(await read({ ...SHORT, run: "build-17" }, undefined, storage));
    writtenAt = new Date("2026-11-24T12:00:02Z");
    expect(runOf(await read({ ...SHORT, run: "build-17" }, undefined, storage))).toBe(named);
  });

  it.each([
    [{ scanType: "SARIF" }, "product: "],
    [{ ...SHORT, prodct: "x" }, 'Unrecognized key: "prodct"'],
    [{ ...SHORT, scanType: 7 }, "scanType: "],
    [{ ...SHORT, product: "" }, "product: "],
    [{ ...SHORT, report: "../secret" }, "status.rawResultFile: must be a plain file name"],
    [{ ...SHORT, tags: [1] }, "tags"],
  ])("%j is refused, and the field named", async (sidecar, said) => {
    const error = await relayErrorBy(() => read(sidecar));
    expect(error).toMatchObject({ reason: "sidecar-invalid", message: expect.stringContaining(said) });
  });

  it("is not recognized when it has a Scan's fields", async () => {
    const error = await relayErrorBy(() => read({ ...SHORT, metadata: {} }));
    expect(error.message).toContain("is not a Scan: ");
  });
});
