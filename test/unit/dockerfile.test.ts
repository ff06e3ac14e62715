import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = new URL("../..", import.meta.url).pathname;
const text = (path: string) => readFileSync(join(root, path), "utf8");

interface Instruction {
  readonly name: string;
  readonly args: string;
}

/** The instructions by stage, lines that go on joined, comments and the parser's directive left out. */
function stages(dockerfile: string): Map<string, Instruction[]> {
  const found = new Map<string, Instruction[]>();
  let current: Instruction[] = [];
  const lines = dockerfile
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .join("\n")
    .replace(/\\\n/g, " ")
    .split("\n");
  for (const line of lines.filter((each) => each.trim() !== "")) {
    const [, name = "", args = ""] = /^(\w+)\s+(.*)$/s.exec(line) ?? [];
    if (name === "FROM") {
      current = [];
      found.set(/ AS (\S+)$/.exec(args)?.[1] ?? `stage ${found.size}`, current);
    }
    current.push({ name, args: args.replace(/\s+/g, " ") });
  }
  return found;
}

const all = stages(text("Dockerfile"));
const [dependencies = [], runtime = []] = all.values();
const of = (stage: readonly Instruction[], name: string) =>
  stage.filter((each) => each.name === name).map(({ args }) => args);

test("there are two stages; the second is what runs, on the same Node", () => {
  expect([...all.keys()]).toEqual(["dependencies", "runtime"]);
  expect(of(runtime, "FROM")[0]).toMatch(/^\$\{NODE_IMAGE\} /);
  expect(text("Dockerfile")).toMatch(/^ARG NODE_IMAGE=node:24\S*-slim$/m);
});

test("only production dependencies are installed, by the lock file and without scripts", () => {
  expect(of(dependencies, "RUN").join(" ")).toContain("npm ci --omit=dev --ignore-scripts");
});

test("it runs as a user that Kubernetes can tell is not root", () => {
  expect(of(runtime, "USER")).toEqual(["1000:1000"]);
});

test("it starts the service unless it is told otherwise, and is asked for its health", () => {
  expect(of(runtime, "ENTRYPOINT")).toEqual(['["dojo-relay"]']);
  expect(of(runtime, "CMD")).toEqual(['["start"]']);
  expect(of(runtime, "HEALTHCHECK")[0]).toContain("/healthz");
  expect(of(runtime, "ENV")[0]).toContain("HOST=0.0.0.0");
});

test("what is copied is there, and not left out of the build context", () => {
  const kept = text(".dockerignore")
    .split("\n")
    .filter((line) => line.startsWith("!"));
  const sources = [...dependencies, ...runtime]
    .filter(({ name, args }) => name === "COPY" && !args.startsWith("--from="))
    .flatMap(({ args }) => args.split(" ").slice(0, -1));
  expect(sources).toContain("cli");
  for (const source of sources) {
    expect(globSync(source, { cwd: root }), source).not.toEqual([]);
    expect(kept).toContain(`!${source}`);
  }
});

test("every package that is imported at run time is a production dependency", () => {
  const { dependencies: declared } = JSON.parse(text("package.json")) as { dependencies: Record<string, string> };
  const missing = new Map<string, string>();
  for (const file of globSync(["cli/**/*.{ts,mjs}", "lib/**/*.ts", "infra/local/{.,s3,sqs}/*.ts"], { cwd: root })) {
    const code = text(file).replace(/^import type [^;]*;/gms, "");
    for (const [, from, lazy] of code.matchAll(/\bfrom "([^".][^"]*)"|\bimport\("([^".][^"]*)"\)/g)) {
      const name = (from ?? lazy ?? "").split("/", (from ?? lazy ?? "").startsWith("@") ? 2 : 1).join("/");
      if (!name.startsWith("node:") && !Object.hasOwn(declared, name)) missing.set(name, file);
    }
  }
  expect(Object.fromEntries(missing)).toEqual({});
});
