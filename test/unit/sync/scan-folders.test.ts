import { describe, expect, it } from "vitest";
import { folderOf, nameOf } from "../../../lib/model/object-keys.ts";
import { listedScans, scanFolders } from "../../../lib/sync/scan-folders.ts";
import { collect } from "../../helpers/collect.ts";
import { fc } from "../../helpers/property.ts";

const NAMES = new Set(["findings.json", "defectdojo.json"]);

async function* listing(keys: readonly string[]) {
  for (const key of keys) yield { bucket: "b", key, etag: "e", size: 1, lastModified: undefined };
}

const folders = async (keys: readonly string[]) =>
  (await collect(scanFolders(listing(keys), (name) => NAMES.has(name)))).map(
    ({ folder, objects }) => [folder, [...objects.values()].map(({ key }) => key)] as const,
  );

describe("the folders of a listing", () => {
  it("hold the names that were asked for", async () => {
    expect(
      await folders(["a/defectdojo.json", "a/findings.json", "a/scan.json", "b/other", "c/findings.json"]),
    ).toEqual([
      ["a/", ["a/defectdojo.json", "a/findings.json"]],
      ["c/", ["c/findings.json"]],
    ]);
  });

  it("are whole also with a subfolder between their objects, and at the top of the bucket", async () => {
    const keys = ["a/defectdojo.json", "a/eee/findings.json", "a/findings.json", "findings.json"];
    expect(await folders(keys)).toEqual([
      ["a/eee/", ["a/eee/findings.json"]],
      ["a/", ["a/defectdojo.json", "a/findings.json"]],
      ["", ["findings.json"]],
    ]);
  });

  it("are each given once, with all of their objects, whatever lies where", async () => {
    const part = fc.constantFrom("a", "b", "d", "e", "findings.json", "z");
    const name = fc.constantFrom("findings.json", "defectdojo.json", "scan.json");
    const key = fc.tuple(fc.array(part, { maxLength: 3 }), name).map(([path, last]) => [...path, last].join("/"));
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(key, { maxLength: 30 }), async (keys) => {
        const found = await folders(keys.toSorted());
        const wanted = Object.groupBy(
          keys.toSorted().filter((one) => NAMES.has(nameOf(one))),
          folderOf,
        );
        expect(Object.fromEntries(found)).toEqual({ ...wanted });
        expect(found).toHaveLength(Object.keys(wanted).length);
      }),
    );
  });
});

describe("the scans of a listing", () => {
  const scans = async (pattern: string, keys: readonly string[]) =>
    (await collect(listedScans(listing(keys), pattern))).map(({ findings, original, receipt, checkpoint }) =>
      [findings, original, receipt, checkpoint].map((object) => object?.key),
    );

  it("are one a folder, with what the relay keeps beside them", async () => {
    const keys = ["a/defectdojo.json", "a/defectdojo.pending.json", "a/findings.json", "a/findings.original.json"];
    expect(await scans("findings.json", [...keys, "a/x-findings.json"])).toEqual([
      ["a/findings.json", "a/findings.original.json", "a/defectdojo.json", "a/defectdojo.pending.json"],
    ]);
  });

  it("are many in one folder where keys are flat, each with its own", async () => {
    const keys = ["x-defectdojo.json", "x-findings.json", "x-findings.original.json", "y-findings.json", "y-scan.json"];
    expect(await scans("*-findings.json", keys)).toEqual([
      ["x-findings.json", "x-findings.original.json", "x-defectdojo.json", undefined],
      ["y-findings.json", undefined, undefined, undefined],
    ]);
  });
});
