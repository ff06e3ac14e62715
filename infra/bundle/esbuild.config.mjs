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
  // The plugin would drop the side effect of such an import.
  logOverride: { "ignored-bare-import": "error" },
  // Everything is bundled: Lambda's own SDK changes over time.
  external: [],
  plugins: [leanPlugin],
};

/**
 * The options for serverless-esbuild. `osls invoke local` finds no handler in a file that ends in `.mjs`, and then hangs.
 * @param {{ processedInput?: { commands?: readonly string[] } }} serverless
 */
const serverlessEsbuild = ({ processedInput }) => {
  const local = processedInput?.commands?.includes("local") ?? false;
  return {
    ...functionBuild,
    outputFileExtension: local ? ".js" : ".mjs",
    // Each concurrent packaging uses its own folder, removed at the end.
    outputWorkFolder: local ? ".build/osls-local" : `.build/osls-${process.pid}`,
    // A failed build ends osls, which would otherwise wait for the next one.
    skipRebuild: true,
    // Otherwise it omits the SDK.
    exclude: [],
  };
};

// serverless-esbuild `require`s this file and expects a function.
export { serverlessEsbuild as "module.exports" };
