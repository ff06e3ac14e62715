import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { REASONS } from "../../lib/errors.ts";

const LIB = fileURLToPath(new URL("../../lib/", import.meta.url));

/** Pure folders and modules: zod, types and each other only (and what of Node has no effect). */
const PURE = [
  "model/",
  "errors.ts",
  "report/exact-number.ts",
  "report/text.ts",
  "report/to-generic-finding.ts",
  "ingest/notifications.ts",
  "importer/test-description.ts",
  "sync/tally.ts",
  "sync/to-synced-finding.ts",
  "util/digest.ts",
  "util/first-bad.ts",
  "util/issues.ts",
  "report/proto-field.ts",
  "util/secrets.ts",
  "util/usable-text.ts",
];
const PURE_PACKAGES = new Set(["zod", "node:crypto", "node:net"]);
const isPure = (file: string) => PURE.some((pure) => (pure.endsWith("/") ? file.startsWith(pure) : file === pure));

/** What alone may know an SDK or the network. */
const ADAPTERS: readonly (readonly [packages: RegExp, folder: string])[] = [
  [/^@aws-sdk\/|^@aws-lambda-powertools\/|^@middy\//, "aws/"],
  [/^node:https?$/, "aws/"],
  [/^node:https?$|^@aws-lambda-powertools\/parameters/, "defectdojo/"],
];
const isNetwork = (from: string) => ADAPTERS.some(([packages]) => packages.test(from));
const mayUse = (file: string, from: string) =>
  !isNetwork(from) || ADAPTERS.some(([packages, folder]) => packages.test(from) && file.startsWith(folder));

const files = (readdirSync(LIB, { recursive: true }) as string[]).filter((name) => name.endsWith(".ts"));
const importsOf = (file: string, typesToo: boolean) =>
  [...readFileSync(join(LIB, file), "utf8").matchAll(/^(import|export)( type)? .*?from "([^"]+)";/gms)]
    .filter(([, , type]) => typesToo || type === undefined)
    .map(([, , , from]) => from ?? "");

describe("one-way data flow", () => {
  it.each(files.filter(isPure))("%s is pure", (file) => {
    for (const from of importsOf(file, false)) {
      const inside = from.startsWith(".") ? isPure(join(dirname(file), from)) : PURE_PACKAGES.has(from);
      expect(inside, `${file} imports ${from}`).toBe(true);
    }
  });

  it.each(files)("%s reaches the world through ports", (file) => {
    for (const from of importsOf(file, true)) {
      expect(mayUse(file, from), `${file} imports ${from}`).toBe(true);
      expect(/(^|\/)(functions|cli|test)\//.test(from), `${file} imports ${from}`).toBe(false);
    }
  });

  it("config.ts alone knows of the environment, and nobody in lib reads process.env", () => {
    for (const file of files)
      expect(readFileSync(join(LIB, file), "utf8").replaceAll(/`[^`]*process\.env[^`]*`/g, ""), file).not.toMatch(
        /process\.env/,
      );
  });
});

describe("docs/operations.md", () => {
  const runBook = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");
  it.each(Object.keys(REASONS))("says what to do about %s", (reason) => {
    expect(runBook).toContain(`\`${reason}\``);
  });
});
