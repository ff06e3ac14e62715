import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";

// JavaScript, because osls may load it with a Node that cannot run TypeScript.

/**
 * Drops code from the bundles that never runs on Lambda. The rest behaves the same; `test/unit/bundle.test.ts` checks the sizes,
 * which reveals a row that a dependency update has made useless.
 */

/**
 * Modules replaced by a file in this folder; with `only`, in one function's bundle.
 * @type {readonly { module: RegExp, file: string, only?: string }[]}
 */
const STAND_INS = [
  { module: /^@aws-sdk\/credential-provider-node$/, file: "credentials.ts" },
  { module: /^@smithy\/core\/event-streams$/, file: "event-streams.ts" },
  { module: /^stream-chain\/web$/, file: "web-streams.ts" },
  { module: /^@aws-sdk\/lib-storage$/, file: "no-upload.ts", only: "ingest" },
];

/**
 * Files edited so that their unused parts can be tree-shaken.
 * @type {readonly { file: RegExp, loader: import("esbuild").Loader, edit: (source: string) => string }[]}
 */
const EDITS = [
  { file: /[\\/]defectdojo[\\/]api-key\.ts$/, loader: "ts", edit: importStatically },
  { file: /[\\/]HttpProtocol\.js$/, loader: "js", edit: importStatically },
  { file: /[\\/]@aws-sdk[\\/]client-.*[\\/]schemas_0\.js$/, loader: "js", edit: makeSchemasPure },
  { file: /[\\/]js-yaml\.mjs$/, loader: "js", edit: markPure },
  { file: /[\\/]stream-chain[\\/]src[\\/]asWebStream\.js$/, loader: "js", edit: noWebStream },
  { file: /[\\/]SignatureV4MultiRegion\.js$/, loader: "js", edit: oneRegion },
  { file: /[\\/]Sha(1|256)Node\.js$/, loader: "js", edit: withoutFallback },
  { file: /[\\/]SignatureV4MultiRegion\.js$/, loader: "js", edit: shortenErrors },
  { file: /[\\/]@aws-sdk[\\/][^\\/]+[\\/]package\.json$/, loader: "json", edit: keepVersion },
  {
    file: /[\\/]zod[\\/]v4[\\/]core[\\/](json-schema-processors|to-json-schema)\.js$/,
    loader: "js",
    edit: emptyFunctions,
  },
];

/** Packages without side effects whose package.json does not declare it. */
const PURE_PACKAGES = /^(stream-json|stream-chain|@aws-lambda-powertools|@aws)(\/|$)/;
/** The same for modules of lib/ that others in lib/ import. A bare `import "./x.ts"` there fails the build: see `logOverride`. */
const PURE_MODULES = /^\.\.?\/.*\.ts$/;

/** @type {import("esbuild").Plugin} */
export const leanPlugin = {
  name: "lean",
  setup(build) {
    const entry = basename(entryOf(build.initialOptions.entryPoints), ".ts");
    for (const { module, file, only } of STAND_INS) {
      if (only !== undefined && only !== entry) continue;
      build.onResolve({ filter: module }, () => ({ path: join(import.meta.dirname, file), sideEffects: false }));
    }
    for (const { file, loader, edit } of EDITS) {
      build.onLoad({ filter: file }, async ({ path }) => ({ contents: edit(await readFile(path, "utf8")), loader }));
    }
    const pure = { sideEffects: false };
    for (const [filter, importer] of /** @type {const} */ ([
      [PURE_PACKAGES, /./],
      [PURE_MODULES, /[\\/]lib[\\/]/],
    ])) {
      build.onResolve({ filter }, async ({ path, pluginData, ...where }) => {
        if (pluginData === pure || !importer.test(where.importer)) return undefined;
        return { ...(await build.resolve(path, { ...where, pluginData: pure })), ...pure };
      });
    }
  },
};

/**
 * @param {unknown} entryPoints
 * @returns {string}
 */
function entryOf(entryPoints) {
  const [entry] = Array.isArray(entryPoints) ? entryPoints : [];
  return typeof entry === "string" ? entry : "";
}

/**
 * Turns `await import("x")` into a static import. esbuild keeps a dynamic import whole, along with everything it shares with the rest:
 * some 250 KB of the SDK.
 * @param {string} source
 */
function importStatically(source) {
  /** @type {string[]} */
  const imports = [];
  const body = source.replace(/await import\(("[^"]+")\)/g, (_, module) => {
    imports.push(`import * as imported${imports.length} from ${module};\n`);
    return `imported${imports.length - 1}`;
  });
  return imports.join("") + body;
}

/**
 * Edits the SDK's schemas so that those of unused operations can be dropped: keys become literals (`[_x]` might have a side effect), and error
 * classes are not registered. An error without its class still has its code as `name`, its message and `$metadata`, which is all that lib/ reads.
 * @param {string} source
 */
function makeSchemasPure(source) {
  const keys = new Map([...source.matchAll(/^const (_\w+) = ("[^"]*");$/gm)].map(([, name, text]) => [name, text]));
  return source
    .replace(/\[(_\w+)\]:/g, (whole, name) => (keys.has(name) ? `${keys.get(name)}:` : whole))
    .replace(/^n0_registry\.registerError\(.*\);$/gm, "");
}

/**
 * Marks values created by a call so that unused ones can be dropped: js-yaml's writer and its YAML 1.1 schema, since only the
 * reader is used.
 * @param {string} source
 */
function markPure(source) {
  const rest = /(?:.*|.*\n(?:[\t\]}].*\n)*[\]}]+)/.source;
  const values = [String.raw`(?:new )?[\w.]+\(${rest}\)`, String.raw`\{${rest}`, "`.*`", String.raw`[A-Z_]+\.[A-Z_]+`];
  return source.replace(new RegExp(`^(var \\w+ = )(${values.join("|")});$`, "gm"), "$1/* @__PURE__ */ (() => ($2))();");
}

/**
 * Lambda's Node has SHA-1 and SHA-256; the JavaScript implementations are not needed.
 * @param {string} source
 */
function withoutFallback(source) {
  return source.replace(/hasNativeCrypto \? buildNativeClass\(\) : Sha\w+/, "buildNativeClass()");
}

/**
 * Multi-region buckets (SigV4a) require a package that is not bundled; the first sentence of the error remains.
 * @param {string} source
 */
function shortenErrors(source) {
  return source.replace(/(new Error\(`[^`]*`) \+(?:\s*`[^`]*` ?\+?)+/g, "$1");
}

/**
 * The SDK reads its own version, for the user agent.
 * @param {string} source
 */
function keepVersion(source) {
  const { version } = JSON.parse(source);
  return JSON.stringify({ version });
}

/**
 * Replaces chains as web streams, which nothing here uses.
 * @returns {string}
 */
function noWebStream() {
  return `
    const noWebStream = () => {
      throw new Error("no web streams here");
    };
    export { noWebStream as asWebStream };
    export default noWebStream;`;
}

/**
 * SigV4a, for multi-region access points, requires a package that is not bundled: without it the original also throws, with 3 KB of text.
 * @returns {string}
 */
function oneRegion() {
  return `
    import { SignatureV4SignWithCredentials } from "./SignatureV4SignWithCredentials";
    export class SignatureV4MultiRegion extends SignatureV4SignWithCredentials {
      static sigv4aDependency() {
        return "none";
      }
      async sign(request, options = {}) {
        if (options.signingRegion === "*") throw new Error("multi-region access points are not supported");
        return super.sign(request, options);
      }
    }`;
}

/**
 * Drops zod's conversion to JSON schema, which nothing uses.
 * @param {string} source
 */
function emptyFunctions(source) {
  return [...source.matchAll(/^export (?:const|function|class) (\w+)/gm)]
    .map(([, name]) => `export const ${name} = () => () => {};`)
    .join("\n");
}
