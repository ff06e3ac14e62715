import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { sbom } from "../../infra/bundle/sbom.ts";

interface Lock {
  readonly packages: Readonly<Record<string, { version?: string; dev?: boolean; integrity?: string }>>;
}

it("the SBOM names every production package of the lockfile with version and hash, and no other", () => {
  const { packages } = JSON.parse(readFileSync(new URL("../../package-lock.json", import.meta.url), "utf8")) as Lock;
  const wanted = Object.entries(packages)
    .filter(([path, { dev }]) => path !== "" && dev !== true)
    .map(
      ([path, { version }]) => `${path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length)}@${version}`,
    );
  const { bomFormat, components } = JSON.parse(sbom()) as {
    bomFormat: string;
    components: { "bom-ref": string; version: string; hashes?: unknown[] }[];
  };
  expect(bomFormat).toBe("CycloneDX");
  expect(new Set(components.map((component) => component["bom-ref"].split("|")[0]))).toEqual(new Set(wanted));
  expect(components.every(({ hashes }) => hashes !== undefined && hashes.length > 0)).toBe(true);
});
