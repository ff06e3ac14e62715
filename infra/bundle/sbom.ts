/** Writes npm's SBOM (CycloneDX) of the production packages to .build/sbom.cdx.json: part of `npm run package`. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");
const FOLDER = "node_modules/";
const LARGEST = 64 * 1024 * 1024;

interface Bom {
  readonly components: readonly { "bom-ref": string }[];
  readonly dependencies: readonly { ref: string; dependsOn?: readonly string[] }[];
  readonly metadata: { component: { "bom-ref": string } };
}

/**
 * The lockfile's production packages as CycloneDX. npm's `--omit=dev` also drops packages that development packages share (tested with npm 11), so
 * this requests all packages and selects the production ones by the lockfile.
 * @throws Error if npm fails
 */
export function sbom(): string {
  const args = ["sbom", "--package-lock-only", "--sbom-format=cyclonedx", "--sbom-type=application"];
  const all = JSON.parse(execFileSync("npm", args, { cwd: ROOT, encoding: "utf8", maxBuffer: LARGEST })) as Bom;
  const { packages } = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
    packages: Record<string, { dev?: boolean; version?: string }>;
  };
  const ofProduction = new Set(
    Object.entries(packages).flatMap(([path, { dev, version }]) =>
      dev === true ? [] : `${path.slice(path.lastIndexOf(FOLDER) + FOLDER.length)}@${version}`,
    ),
  );
  // The id of a package installed in several places ends with its path.
  const components = all.components.filter((one) => ofProduction.has(one["bom-ref"].split("|")[0] ?? ""));
  const kept = new Set([all.metadata.component["bom-ref"], ...components.map((component) => component["bom-ref"])]);
  const dependencies = all.dependencies
    .filter(({ ref }) => kept.has(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((one) => kept.has(one)) }));
  return `${JSON.stringify({ ...all, components, dependencies }, undefined, 1)}\n`;
}

if (import.meta.main) {
  const path = join(ROOT, ".build", "sbom.cdx.json");
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, sbom());
  process.stdout.write(`${path}\n`);
}
