import { describe, expect, it } from "vitest";
import type { DojoFinding } from "../../../lib/ports/defectdojo.ts";
import type { ScanFinding } from "../../../lib/report/findings-file.ts";
import { mergeFindings } from "../../../lib/sync/merge.ts";
import { type MappingContext, toSyncedFinding } from "../../../lib/sync/to-synced-finding.ts";
import type { Written } from "../../../lib/sync/write-back.ts";
import { collect } from "../../helpers/collect.ts";
import { aDojoFinding, aFinding, aScan } from "../../helpers/factories.ts";
import { findingsValidator } from "../../helpers/shared.ts";

const context: MappingContext = {
  scan: aScan(),
  now: "2026-11-24T12:00:00.000Z",
  url: (kind, id) => `https://dojo.example.com/${kind}/${id}`,
};
const inDojo = (changes: Partial<DojoFinding>, original?: DojoFinding): Written => {
  const finding = aDojoFinding(changes);
  return { finding, original, written: toSyncedFinding(finding, original, context) };
};
async function* stream<T>(items: readonly T[]) {
  yield* items;
}
async function merge(
  uploaded: readonly ScanFinding[],
  dojo: readonly Written[],
  isImported: (finding: ScanFinding) => boolean = () => true,
) {
  const merged = await collect(mergeFindings(stream(uploaded), stream(dojo), isImported, context));
  return merged.map(({ written }) => written);
}
const pairs = (written: readonly Written["written"][]) =>
  written.map(({ id, attributes }) => [id, (attributes as Record<string, unknown>)["defectdojo.org/finding-id"]]);

describe("merged findings", () => {
  it("keep all that was uploaded and gain DefectDojo's state", async () => {
    const uploaded = aFinding({ references: [{ type: "CVE", value: "CVE-1" }], scan: { name: "theirs" }, extra: 1 });
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

  it("leave out what was not imported, as below the minimum severity", async () => {
    const uploaded = [aFinding({ id: "a", severity: "LOW" }), aFinding({ id: "b", severity: "HIGH" })];
    const written = await merge(uploaded, [inDojo({ uniqueIdFromTool: "b" })], ({ severity }) => severity === "HIGH");
    expect(written.map(({ id }) => id)).toEqual(["b"]);
  });

  it("leave out what DefectDojo does not have", async () => {
    const written = await merge([aFinding({ id: "a" }), aFinding({ id: "b" })], [inDojo({ uniqueIdFromTool: "b" })]);
    expect(written.map(({ id }) => id)).toEqual(["b"]);
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
