import { describe, expect, it } from "vitest";
import type { DojoFinding } from "../../../lib/ports/dojo-finding.ts";
import type { ScanFinding } from "../../../lib/report/findings-file.ts";
import { toSyncedFinding } from "../../../lib/sync/to-synced-finding.ts";
import { aDojoFinding, aFinding } from "../../helpers/factories.ts";
import { type Answer, type Merging, mergeContext, merging, type WrittenJson } from "../../helpers/merging.ts";
import { findingsValidator } from "../../helpers/shared.ts";

const context = mergeContext();
const inDojo = (changes: Partial<DojoFinding>, original?: DojoFinding): Answer => ({
  finding: aDojoFinding(changes),
  original,
});
async function merge(uploaded: readonly ScanFinding[], dojo: readonly Answer[], more: Partial<Merging> = {}) {
  return (await merging({ mode: "merge", uploaded, dojo, ...more })).written;
}
const pairs = (written: readonly WrittenJson[]) =>
  written.map(({ id, attributes }) => [id, attributes["defectdojo.org/finding-id"]]);

const THEIRS = { created_at: "2026-11-20T09:00:00Z", name: "theirs", namespace: "a", scan_type: "nmap" };

describe("merged findings", () => {
  it("keep all that was uploaded and gain DefectDojo's state", async () => {
    const uploaded = aFinding({ references: [{ type: "CVE", value: "CVE-1" }], scan: THEIRS, extra: 1 });
    const [written] = await merge([uploaded], [inDojo({ uniqueIdFromTool: uploaded.id ?? "", falsePositive: true })]);
    expect(written).toEqual({
      ...uploaded,
      attributes: {
        port: 22,
        state: "open",
        "defectdojo.org/finding-id": 42,
        "defectdojo.org/finding-url": "https://dojo.example.com/finding/42",
        "defectdojo.org/test-id": 7,
        "defectdojo.org/test-url": "https://dojo.example.com/test/7",
        "defectdojo.org/severity": "Info",
        "defectdojo.org/locations": ["tcp://example.com:22"],
        duplicate: false,
        falsePositive: true,
        riskAccepted: false,
        outOfScope: false,
        mitigated: false,
        active: true,
        verified: false,
        underReview: false,
        "defectdojo.org/original-finding-id": null,
        "defectdojo.org/original-finding": null,
      },
    });
  });

  it("have the original of a duplicate embedded", async () => {
    const [written] = await merge(
      [aFinding({ id: "a" })],
      [inDojo({ uniqueIdFromTool: "a", duplicate: true, duplicateOf: 1 }, aDojoFinding({ id: 1 }))],
    );
    expect(written?.attributes).toMatchObject({
      duplicate: true,
      "defectdojo.org/original-finding": { attributes: { "defectdojo.org/finding-id": 1 } },
    });
  });

  it("come in the order of the upload, whatever DefectDojo's", async () => {
    const uploaded = ["a", "b", "c"].map((id) => aFinding({ id }));
    const dojo = ["c", "a", "b"].map((uniqueIdFromTool, index) => inDojo({ uniqueIdFromTool, id: index + 1 }));
    expect(pairs(await merge(uploaded, dojo))).toEqual([
      ["a", 2],
      ["b", 3],
      ["c", 1],
    ]);
  });

  it("that share an id are paired in their order", async () => {
    const uploaded = [aFinding({ id: "a" }), aFinding({ id: "b" }), aFinding({ id: "a" })];
    const dojo = ["a", "a", "b"].map((uniqueIdFromTool, index) => inDojo({ uniqueIdFromTool, id: index + 1 }));
    expect(pairs(await merge(uploaded, dojo))).toEqual([
      ["a", 1],
      ["b", 3],
      ["a", 2],
    ]);
  });

  it("without an id of their own are matched by their place and given one", async () => {
    const written = await merge(
      [aFinding({ id: null }), aFinding({ id: "" })],
      [inDojo({ uniqueIdFromTool: "finding-0", id: 1 }), inDojo({ uniqueIdFromTool: "finding-1", id: 2 })],
    );
    expect(written.map(({ id }) => id)).toEqual([
      toSyncedFinding(aDojoFinding({ id: 1 }), undefined, context).id,
      toSyncedFinding(aDojoFinding({ id: 2 }), undefined, context).id,
    ]);
  });

  it.each([
    ["below-minimum-severity", "LOW"],
    ["missing", "HIGH"],
  ])("without a counterpart stay, and say why: %s", async (reason, severity) => {
    const stale = { "defectdojo.org/finding-id": 9, port: 22 };
    const uploaded = [aFinding({ id: "a", severity, attributes: stale }), aFinding({ id: "b", severity: "HIGH" })];
    const written = await merge(uploaded, [inDojo({ uniqueIdFromTool: "b" })], { minimum: "Medium" });
    expect(written.map(({ id }) => id)).toEqual(["a", "b"]);
    expect(written[0]).toEqual({
      ...uploaded[0],
      scan: toSyncedFinding(aDojoFinding(), undefined, context)["scan"],
      attributes: { port: 22, "defectdojo.org/matched": false, "defectdojo.org/unmatched-reason": reason },
    });
  });

  it("are followed by what only DefectDojo has, in its own form", async () => {
    const written = await merge(
      [aFinding({ id: "a" })],
      [inDojo({ uniqueIdFromTool: "other", id: 1 }), inDojo({ uniqueIdFromTool: "a", id: 2 }), inDojo({ id: 3 })],
    );
    expect(pairs(written).map(([, id]) => id)).toEqual([2, 1, 3]);
    expect(written.slice(1).map(({ category }) => category)).toEqual(Array(2).fill("DefectDojo Imported Finding"));
  });

  it("of nothing are nothing", async () => {
    expect(await merge([], [])).toEqual([]);
  });
});

describe("severities of merged findings", () => {
  it.each([
    ["HIGH", "High", "HIGH"],
    ["HIGH", "Low", "LOW"],
    ["LOW", "Critical", "HIGH"],
    ["CRITICAL", "Critical", "HIGH"],
    ["high", "High", "HIGH"],
    ["Bogus", "Info", "INFORMATIONAL"],
    [null, "Info", "INFORMATIONAL"],
  ] as const)("%s that is %s in DefectDojo is %s", async (severity, dojoSeverity, expected) => {
    const [written] = await merge(
      [aFinding({ id: "a", severity })],
      [inDojo({ uniqueIdFromTool: "a", severity: dojoSeverity })],
    );
    expect(written?.severity).toBe(expected);
  });
});

describe("secureCodeBox's schema", () => {
  const validate = findingsValidator();

  it.skipIf(validate === undefined)("is satisfied also where the upload left out what it asks for", async () => {
    const bare = { id: null, category: null, severity: null, attributes: null, parsed_at: null };
    const written = await merge([aFinding(bare)], [inDojo({ uniqueIdFromTool: "finding-0" })]);
    expect(written).toHaveLength(1);
    expect(validate?.(written), JSON.stringify(validate?.errors)).toBe(true);
  });
});

describe("merged findings of a native import", () => {
  const nikto = (id: string, name: string, path: string): ScanFinding =>
    aFinding({
      id,
      name,
      category: "Potential Vulnerability",
      severity: "HIGH",
      location: `https://shop.example${path}`,
      attributes: { niktoId: 1, method: "GET" },
    });
  const entry = (message: string) => `**id:** \`1\`\n**msg:** \`${message}\`\n**HTTP Method:** \`GET\``;
  const places = ["/a", "/b"].map((path) => `https://shop.example${path}`);

  it("share the verdict of the one that stands for them, and keep their severity", async () => {
    const original = aDojoFinding({ id: 1, description: "x".repeat(5_000), locations: places });
    const answer = { title: "Old", description: entry("old"), locations: places, falsePositive: true, duplicate: true };
    const uploaded = [nikto("a", "old", "/a"), nikto("b", "new", "/c"), nikto("c", "old", "/b")];
    const found = [inDojo({ ...answer, id: 5, duplicateOf: 1 }, original), inDojo({ id: 6, title: "Theirs" })];
    const written = await merge(uploaded, found, { importedAs: "Nikto Scan" });
    expect(pairs(written)).toEqual([
      ["a", 5],
      ["b", undefined],
      ["c", 5],
      [expect.any(String), 6],
    ]);
    expect(written[2]).toMatchObject({ name: "old", category: "Potential Vulnerability", severity: "HIGH" });
    expect(written[2]?.attributes).toMatchObject({
      niktoId: 1,
      falsePositive: true,
      "defectdojo.org/severity": "Info",
      "defectdojo.org/original-finding": { attributes: { "defectdojo.org/finding-id": 1 } },
    });
    // All places and the whole text of all of them are not written once for each.
    expect(JSON.stringify(written[0]).length).toBeLessThan(4_000);
    expect(written[0]?.attributes).not.toHaveProperty(["defectdojo.org/locations"]);
    expect(written[1]?.attributes).toMatchObject({ "defectdojo.org/unmatched-reason": "missing" });
  });

  it("hold a verdict only where it holds for all that stand for them, and list those that have it", async () => {
    const recommended = aFinding({
      name: "Insecure SSH Key Algorithms",
      category: "SSH Policy Violation",
      location: "ssh://h",
      attributes: { algorithms: ["rsa", "dsa"] },
    });
    const algorithm = (id: number, name: string, changes: Partial<DojoFinding>) =>
      inDojo({ id, description: `**Algorithm**: ${name}`, locations: ["h:22"], ...changes });
    const found = [
      algorithm(1, "dsa", { riskAccepted: true, active: false, outOfScope: true }),
      algorithm(2, "rsa", { riskAccepted: true, active: true }),
    ];
    const [written] = await merge([recommended], found, { importedAs: "SSH Audit Importer" });
    expect(written?.attributes).toMatchObject({
      riskAccepted: true,
      outOfScope: false,
      active: true,
      "defectdojo.org/partly": { outOfScope: [1], active: [2] },
      "defectdojo.org/findings": [
        { "finding-id": 1, "finding-url": "https://dojo.example.com/finding/1", outOfScope: true },
        { "finding-id": 2, outOfScope: false },
      ],
    });
  });

  it("follow DefectDojo's in complete mode, those alone that nothing stands for", async () => {
    const uploaded = [nikto("a", "old", "/a"), nikto("b", "new", "/c")];
    const { written, all } = await merging({
      mode: "complete",
      importedAs: "Nikto Scan",
      uploaded,
      dojo: [inDojo({ id: 5, title: "Old", description: entry("old") })],
    });
    expect(written.map(({ category }) => category)).toEqual(["DefectDojo Imported Finding", "Potential Vulnerability"]);
    expect(written[1]).toMatchObject({ id: "b", attributes: { "defectdojo.org/matched": false } });
    expect(all.map(({ verdicts }) => verdicts === undefined)).toEqual([false, true]);
  });
});
