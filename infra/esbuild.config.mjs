import { leanPlugin } from "./lean/plugin.mjs";

/**
 * How both functions are bundled, by `infra/bundle.ts` and by serverless-esbuild alike.
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
  // Everything is inside: the SDK that Lambda brings changes by itself.
  external: [],
  plugins: [leanPlugin],
};

/** What serverless-esbuild calls. Builds that run at the same time have a folder of their own each. */
const serverlessEsbuild = () => ({
  ...functionBuild,
  outputFileExtension: ".mjs",
  outputWorkFolder: `.build/osls-${process.pid}`,
  // It would leave out the SDK.
  exclude: [],
});

// serverless-esbuild `require`s this file and wants a function.
export { serverlessEsbuild as "module.exports" };
