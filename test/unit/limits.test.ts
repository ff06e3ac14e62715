import { readdirSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { type Node, type SourceFile, SyntaxKind } from "typescript/unstable/ast";
import { isFunctionLikeDeclaration, isIdentifier, isVariableDeclaration } from "typescript/unstable/ast/is";
import { API } from "typescript/unstable/sync";
import { expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const FOLDERS = ["lib", "cli", "functions"];
const MOST_LINES = 60;
const MOST_PARAMETERS = 4;

/** `file name`: what may be larger, and how large. A row that nothing needs fails. */
const EXCEPTIONS: Readonly<Record<string, { readonly lines?: number; readonly parameters?: number }>> = {};

interface Measured {
  /** `file name`; a function without a name goes by its line. */
  readonly id: string;
  readonly lines: number;
  readonly parameters: number;
}

function functionsOf(file: SourceFile): Measured[] {
  const starts = [0, ...[...file.text.matchAll(/\n/g)].map(({ index }) => index + 1)];
  const lineOf = (position: number) => starts.findLastIndex((start) => start <= position) + 1;
  const found: Measured[] = [];
  const visit = (node: Node) => {
    if (isFunctionLikeDeclaration(node) && "body" in node && node.body !== undefined) {
      const [first, last] = [lineOf(node.getStart(file)), lineOf(node.end - 1)];
      const id = `${relative(ROOT, file.fileName)} ${nameOf(node) ?? `line ${first}`}`;
      found.push({ id, lines: last - first + 1, parameters: node.parameters.length });
    }
    node.forEachChild(visit);
  };
  file.forEachChild(visit);
  return found;
}

/** A function's own name, or that of what it is assigned to. */
function nameOf(node: Node): string | undefined {
  if (node.kind === SyntaxKind.Constructor) return "constructor";
  const named = node as { readonly name?: Node };
  if (named.name !== undefined && isIdentifier(named.name)) return named.name.text;
  const { parent } = node;
  return isVariableDeclaration(parent) && isIdentifier(parent.name) ? parent.name.text : undefined;
}

/** Every function below these folders, as TypeScript's own parser reads them. */
function measured(): { files: number; functions: Measured[] } {
  const api = new API({ cwd: ROOT });
  try {
    const [project] = api.updateSnapshot({ openProjects: [`${ROOT}tsconfig.json`] }).getProjects();
    const names = FOLDERS.flatMap((folder) =>
      (readdirSync(`${ROOT}${folder}`, { recursive: true }) as string[])
        .filter((name) => /\.[tj]s$/.test(name))
        .map((name) => `${ROOT}${folder}/${name}`),
    );
    const files = names.map((name) => {
      const file = project?.program.getSourceFile(name);
      if (file === undefined) throw new Error(`${name} is not part of tsconfig.json`);
      return file;
    });
    return { files: files.length, functions: files.flatMap(functionsOf) };
  } finally {
    api.close();
  }
}

const { files, functions } = measured();

it("sees the functions of every file", () => {
  expect(files).toBeGreaterThan(150);
  expect(functions.length).toBeGreaterThan(files);
  expect(functions.map(({ id }) => id)).toEqual(
    expect.arrayContaining(["cli/runtime/service.ts startService", "lib/sync/sync-test.ts syncTest"]),
  );
});

it(`has no function above ${MOST_LINES} lines or with more than ${MOST_PARAMETERS} parameters`, () => {
  const tooLarge = functions.filter(({ id, lines, parameters }) => {
    const most = EXCEPTIONS[id] ?? {};
    return lines > (most.lines ?? MOST_LINES) || parameters > (most.parameters ?? MOST_PARAMETERS);
  });
  expect(tooLarge).toEqual([]);
});

it("has no exception that nothing needs", () => {
  const needed = (id: string) =>
    functions.some((one) => one.id === id && (one.lines > MOST_LINES || one.parameters > MOST_PARAMETERS));
  expect(Object.keys(EXCEPTIONS).filter((id) => !needed(id))).toEqual([]);
});
