import { existsSync, readdirSync, readFileSync } from "node:fs";
import { cp, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { ANNOTATION_PREFIX } from "../../lib/model/scan.ts";
import { syncedFindings } from "../e2e/schema.ts";
import { findingsValidator } from "../helpers/shared.ts";
import type { Installation } from "./installation.ts";
import { temporaryFolder } from "./processes.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export const SAMPLES = here("../../infra/local/scans");

/** Folders of all available scans: the samples and, if present, those of secureCodeBox's own tests. */
export const FOLDERS: readonly string[] = [SAMPLES, here("../../../shared/scans")]
  .filter(existsSync)
  .flatMap((parent) => readdirSync(parent).map((name) => join(parent, name)));

export interface ScanFolders extends AsyncDisposable {
  readonly folders: readonly string[];
}

/** Copies of scans with unique product names, for a DefectDojo with scans of earlier runs. */
export async function underNewProducts(folders: readonly string[]): Promise<ScanFolders> {
  const temporary = await temporaryFolder("scans");
  const run = basename(temporary.path);
  const copies: string[] = [];
  for (const folder of folders) {
    const copy = join(temporary.path, basename(folder));
    await cp(folder, copy, { recursive: true });
    const sidecar = join(copy, "scan.json");
    const scan = JSON.parse(await readFile(sidecar, "utf8"));
    const product = `${ANNOTATION_PREFIX}product-name`;
    const name = scan.metadata.annotations?.[product] ?? scan.metadata.name;
    scan.metadata.annotations = { ...scan.metadata.annotations, [product]: `${run} ${name}` };
    await writeFile(sidecar, JSON.stringify(scan));
    copies.push(copy);
  }
  return { folders: copies, [Symbol.asyncDispose]: () => temporary[Symbol.asyncDispose]() };
}

const bySchema = findingsValidator();

/** Checks the bucket after a scan is complete. */
export async function expectSynced(installation: Installation, folder: string, key: string) {
  const uploaded = readFileSync(join(folder, "findings.json"));
  const receipt = await installation.receipt(key);
  const content: unknown = JSON.parse(String(await installation.get(key)));
  const findings = syncedFindings.parse(content);
  if (bySchema !== undefined) expect(bySchema(content), JSON.stringify(bySchema.errors)).toBe(true);
  expect(receipt).toMatchObject({ outcome: "synced", findingsKey: key, findings: { count: findings.length } });
  expect(findings.every(({ attributes }) => attributes["defectdojo.org/test-id"] === receipt.test.id)).toBe(true);
  expect(await installation.get(key.replace(/findings\.json$/, "findings.original.json"))).toEqual(uploaded);
  if (receipt.importedAs === "Generic Findings Import")
    expect(findings).toHaveLength((JSON.parse(uploaded.toString("utf8")) as unknown[]).length);
  return { receipt, findings };
}
