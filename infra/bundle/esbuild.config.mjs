import { leanPlugin } from "./lean/plugin.mjs";

/**
 * How the functions are bundled, by `infra/bundle/bundle.ts` and by serverless-esbuild alike.
 * @type {import("esbuild").BuildOptions}
 */
export const functionBuild = {
  bundle: true,
  minify: true,
  format: "esm",
  platform: "node",
  target: "node24",
  // The SDK's ES modules can be tree-shaken; its CommonJS ones cannot, and call `require`, which ES modules lack.
  mainFields: ["module", "main"],
  legalComments: "none",
  logLevel: "warning",
  // The plugin would drop the side effect that such an import is for.
  logOverride: { "ignored-bare-import": "error" },
  // Everything is bundled: Lambda's own SDK changes over time.
  external: [],
  plugins: [leanPlugin],
};

/**
 * What serverless-esbuild calls. `osls invoke local` finds no handler in a file that ends in `.mjs`, and then hangs.
 * @param {{ processedInput?: { commands?: readonly string[] } }} serverless
 */
const serverlessEsbuild = ({ processedInput }) => {
  const local = processedInput?.commands?.includes("local") ?? false;
  return {
    ...functionBuild,
    outputFileExtension: local ? ".js" : ".mjs",
    // Concurrent packagings have a folder each, removed at the end.
    outputWorkFolder: local ? ".build/osls-local" : `.build/osls-${process.pid}`,
    // A failed build ends osls instead of leaving it waiting for the next one.
    skipRebuild: true,
    // Otherwise it leaves out the SDK.
    exclude: [],
  };
};

// serverless-esbuild `require`s this file and wants a function.
export { serverlessEsbuild as "module.exports" };
