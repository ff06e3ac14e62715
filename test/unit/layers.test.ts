import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { REASONS } from "../../lib/errors.ts";

const LIB = fileURLToPath(new URL("../../lib/", import.meta.url));

/** Pure modules: zod, types and each other only (and what of Node has no effect). */
const PURE = new Set(
  [
    "annotations",
    "digest",
    "errors",
    "exact-number",
    "events",
    "first-bad",
    "from-dojo",
    "hook-selector",
    "issues",
    "job",
    "layout",
    "scan",
    "scan-types",
    "tally",
    "test-description",
    "text",
    "to-dojo",
  ].map((name) => `${name}.ts`),
);
const PURE_PACKAGES = new Set(["zod", "node:crypto", "node:net"]);

/** What alone may know an SDK or the network. */
const ADAPTERS: Readonly<Record<string, ReadonlySet<string>>> = {
  "@aws-sdk/client-s3": new Set(["storage.ts", "aws.ts", "ports.ts"]),
  "@aws-sdk/lib-storage": new Set(["storage.ts"]),
  "@aws-sdk/client-sqs": new Set(["queue.ts", "aws.ts", "ports.ts"]),
  "@aws-lambda-powertools/logger": new Set(["powertools.ts"]),
  "@aws-lambda-powertools/metrics": new Set(["powertools.ts"]),
  "@aws-lambda-powertools/batch": new Set(["handlers.ts"]),
  "node:https": new Set(["aws.ts", "defectdojo/http.ts", "presigned-http.ts"]),
};

const files = (readdirSync(LIB, { recursive: true }) as string[]).filter((name) => name.endsWith(".ts"));
const importsOf = (file: string, typesToo: boolean) =>
  [...readFileSync(join(LIB, file), "utf8").matchAll(/^(import|export)( type)? .*?from "([^"]+)";/gms)]
    .filter(([, , type]) => typesToo || type === undefined)
    .map(([, , , from]) => from ?? "");

describe("one-way data flow", () => {
  it.each([...PURE])("%s is pure", (file) => {
    for (const from of importsOf(file, false)) {
      const inside = from.startsWith("./") ? PURE.has(from.slice(2)) : PURE_PACKAGES.has(from);
      expect(inside, `${file} imports ${from}`).toBe(true);
    }
  });

  it.each(files)("%s reaches the world through ports", (file) => {
    for (const from of importsOf(file, true)) {
      expect(ADAPTERS[from]?.has(file) ?? true, `${file} imports ${from}`).toBe(true);
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
