import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { functionBuild } from "./esbuild.config.mjs";

export const FUNCTIONS = ["ingest", "importer", "resync", "follow", "notify"] as const;
export type FunctionName = (typeof FUNCTIONS)[number];

const ROOT = resolve(import.meta.dirname, "../..");

export interface Bundle {
  readonly path: string;
  readonly bytes: number;
  /** Every file that contributes a byte to the bundle, relative to the project. */
  readonly inputs: readonly string[];
}

/**
 * Builds `functions/<name>.ts` to `<outdir>/functions/<name>.mjs`, the same path and bytes as in the packages of osls and SAM.
 * Only the build in the project has a source map next to it, for reading stack traces.
 */
export async function bundle(name: FunctionName, outdir?: string): Promise<Bundle> {
  const path = join(outdir ?? join(ROOT, ".build"), "functions", `${name}.mjs`);
  const { metafile } = await build({
    ...functionBuild,
    absWorkingDir: ROOT,
    entryPoints: [`functions/${name}.ts`],
    outfile: path,
    sourcemap: outdir === undefined ? "external" : false,
    metafile: true,
  });
  const output = Object.entries(metafile.outputs).find(([file]) => file.endsWith(".mjs"))?.[1];
  const inputs = Object.entries(output?.inputs ?? {}).flatMap(([file, { bytesInOutput }]) =>
    bytesInOutput > 0 ? [file] : [],
  );
  return { path, bytes: (await stat(path)).size, inputs };
}

const HELP = `usage: npm run bundle -- [--outdir DIR] [ingest] [importer] [resync] [follow] [notify]

Builds the functions as Lambda gets them, to .build/functions/<name>.mjs (or DIR/functions/<name>.mjs).
`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { outdir: { type: "string" }, help: { type: "boolean", short: "h" } },
    allowPositionals: true,
  });
  const names = FUNCTIONS.filter((name) => positionals.length === 0 || positionals.includes(name));
  const unknown = positionals.filter((name) => !FUNCTIONS.some((known) => known === name));
  if (values.help || unknown.length > 0) {
    (values.help ? process.stdout : process.stderr).write(HELP);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  for (const name of names) {
    const { path, bytes } = await bundle(name, values.outdir === undefined ? undefined : resolve(values.outdir));
    process.stdout.write(`${path} ${bytes} bytes\n`);
  }
}

if (import.meta.main) await main();
