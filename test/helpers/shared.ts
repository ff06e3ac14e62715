import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Ajv, type ValidateFunction } from "ajv";
import addFormats from "ajv-formats";

const SHARED = fileURLToPath(new URL("../../../shared/", import.meta.url));

/** A URL below `../shared`, or undefined with a prominent message if it is missing: tests that need it are skipped. */
export function sharedUrl(path: string): URL | undefined {
  if (existsSync(SHARED + path)) return pathToFileURL(SHARED + path);
  process.stdout.write(`\n*** LEFT OUT: tests that need ../shared/${path}, which does not exist. ***\n\n`);
  return undefined;
}

/** The parsed files of the folder `../shared/NAME` by name; none if the folder does not exist. */
export function sharedJson(name: string): [file: string, content: unknown][] {
  const folder = `${SHARED}${name}/`;
  if (sharedUrl(name) === undefined) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith(".json"))
    .map((file) => [file, JSON.parse(readFileSync(folder + file, "utf8"))]);
}

/** A JSON file below `../shared`, or undefined if it does not exist. */
export function sharedFile(path: string): unknown {
  return sharedUrl(path) !== undefined ? JSON.parse(readFileSync(SHARED + path, "utf8")) : undefined;
}

/** Names of the folders in `../shared/NAME`; none if it does not exist. */
export function sharedFolders(name: string): string[] {
  return sharedUrl(name) !== undefined ? readdirSync(SHARED + name) : [];
}

/** The validator of secureCodeBox's findings schema (draft 4, with OpenAPI's `nullable`), or undefined if the schema is missing. */
export function findingsValidator(): ValidateFunction | undefined {
  const schema = sharedFile("findings-schema.json");
  if (schema === undefined) return undefined;
  const { $schema: _, ...rest } = schema as Record<string, unknown>;
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats.default(ajv);
  return ajv.compile(rest);
}
