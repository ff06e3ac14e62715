import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { folderOf, nameOf } from "../../../lib/model/object-keys.ts";
import { scanFolders } from "../../../lib/sync/scan-folders.ts";
import { collect } from "../../helpers/collect.ts";

const NAMES = new Set(["findings.json", "defectdojo.json"]);

async function* listing(keys: readonly string[]) {
  for (const key of keys) yield { bucket: "b", key, etag: "e", size: 1, lastModified: undefined };
}

const folders = async (keys: readonly string[]) =>
  (await collect(scanFolders(listing(keys), NAMES))).map(
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
