import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const COMMAND = fileURLToPath(new URL("../../cli/dojo-relay.mjs", import.meta.url));

interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliRun {
  readonly result: Promise<CliResult>;
  kill(signal: NodeJS.Signals): void;
  /** Resolves after that many lines on stderr (one per step of progress), or when the command ends. @returns the lines so far */
  lines(count: number): Promise<string[]>;
  /** The same for stdout. @returns the lines so far */
  outputLines(count: number): Promise<string[]>;
}

/** An environment without this machine's settings. */
const BARE = { PATH: process.env.PATH, HOME: "/nonexistent", NO_COLOR: "1", AWS_EC2_METADATA_DISABLED: "true" };

/** Runs `dojo-relay ARGS…` in its own process. */
export function startCli(args: readonly string[], env: Readonly<Record<string, string>> = {}): CliRun {
  const child = spawn(process.execPath, [COMMAND, ...args], { env: { ...BARE, ...env } });
  let [stdout, stderr] = ["", ""];
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const look of waiting) look();
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    wake();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    wake();
  });
  const result = new Promise<CliResult>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      resolve({ code, stdout, stderr });
      waiting.clear();
    });
  });
  const until = async (count: number, text: () => string) => {
    await new Promise<void>((resolve) => {
      const look = () => {
        if (text().split("\n").length > count) resolve();
      };
      waiting.add(look);
      void result.then(() => resolve());
      look();
    });
    return text().trim().split("\n");
  };
  return {
    result,
    lines: (count) => until(count, () => stderr),
    outputLines: (count) => until(count, () => stdout),
    kill: (signal) => child.kill(signal),
  };
}

export const cli = (args: readonly string[], env: Readonly<Record<string, string>> = {}) => startCli(args, env).result;

/** The same with `--json`, parsed. @throws Error with the command's output if it fails */
export async function cliJson<T>(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<T> {
  const { code, stdout, stderr } = await cli([...args, "--json"], env);
  if (stdout === "") throw new Error(`exit code ${code}, nothing on stdout: ${stderr}`);
  return JSON.parse(stdout) as T;
}
