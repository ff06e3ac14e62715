import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments, stringify } from "yaml";

export const CHART = new URL("../../infra/chart", import.meta.url).pathname;
export const TOOLS = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "dojo-relay");

/** A tool's path from its variable or from `.ci/live-servers`; undefined if not installed. */
export const tool = (variable: string, name: string): string | undefined =>
  [process.env[variable], join(TOOLS, name)].find((path) => path !== undefined && existsSync(path));

export const helm = tool("HELM_BIN", "helm");

export type Values = Record<string, unknown>;

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    name: string;
    namespace?: string;
    labels: Record<string, string>;
    annotations?: Record<string, string>;
  };
  readonly spec: Record<string, unknown>;
  /** Of roles and their bindings. */
  readonly rules?: readonly { apiGroups: string[]; resources: string[]; verbs: string[] }[];
  readonly subjects?: readonly object[];
  readonly roleRef?: { kind: string; name: string };
}

/** Runs helm on the chart. @throws Error with helm's message if it rejects the values */
export function runHelm(command: "lint" | "template" | "install", values: Values): string {
  const folder = mkdtempSync(join(tmpdir(), "chart-test-"));
  try {
    const path = join(folder, "values.yaml");
    writeFileSync(path, stringify(values));
    const release = command === "lint" ? [] : ["release"];
    const dry = command === "install" ? ["--dry-run=client"] : [];
    const own = { HELM_CACHE_HOME: folder, HELM_CONFIG_HOME: folder, HELM_DATA_HOME: folder };
    return execFileSync(helm ?? "", [command, ...release, CHART, "--values", path, ...dry], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...own, KUBECONFIG: "/dev/null" },
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The manifests that the chart renders with these values. */
export function renderChart(values: Values): Manifest[] {
  return parseAllDocuments(runHelm("template", values)).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    const manifest = document.toJS() as Manifest | null;
    return manifest === null ? [] : [manifest];
  });
}
