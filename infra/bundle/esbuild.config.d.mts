import type { BuildOptions } from "esbuild";

export const functionBuild: BuildOptions;
