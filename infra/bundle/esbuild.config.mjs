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
  // The SDK's ES modules can be shaken; its CommonJS ones cannot, and call `require`, which an ES module has not.
  mainFields: ["module", "main"],
  legalComments: "none",
  logLevel: "warning",
  // The plugin would leave out what such an import is for.
  logOverride: { "ignored-bare-import": "error" },
  // Everything is inside: the SDK that Lambda brings changes by itself.
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
    // Packages that are made at the same time have a folder each, which is removed in the end.
    outputWorkFolder: local ? ".build/osls-local" : `.build/osls-${process.pid}`,
    // A build that fails ends osls instead of leaving it waiting for the next one.
    skipRebuild: true,
    // It would leave out the SDK.
    exclude: [],
  };
};

// serverless-esbuild `require`s this file and wants a function.
export { serverlessEsbuild as "module.exports" };
