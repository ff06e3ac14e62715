import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Exit, NODE, type Running, startProgram, untilReady } from "./processes.ts";

const COMMAND = fileURLToPath(new URL("../../cli/dojo-relay.mjs", import.meta.url));

/** An environment without this machine's settings. */
const BARE = { HOME: "/nonexistent", NO_COLOR: "1", AWS_EC2_METADATA_DISABLED: "true" };

export type Env = Readonly<Record<string, string>>;

/** `dojo-relay start` in its own process, at the same URL after every start. */
export interface RelayProcess {
  readonly url: string;
  start(): Promise<void>;
  /** @returns how it ended */
  end(signal: NodeJS.Signals): Promise<Exit>;
  /** Suspends or resumes it. */
  pause(pauses: boolean): void;
  /** A counter of `/metrics`, since the last start. */
  metric(name: string): Promise<number>;
  /** Warnings and errors in its log, from all starts. */
  complaints(): readonly string[];
}

/** Not started yet. @param env with PORT */
export function relayProcess(env: Env & { readonly PORT: string }): RelayProcess {
  const url = `http://127.0.0.1:${env.PORT}`;
  const complaints: string[] = [];
  const listen = (line: string) => {
    if (!/"level":"(?:debug|info)"/.test(line)) complaints.push(line);
  };
  let running: Running | undefined;
  return {
    url,
    start: async () => {
      running = await startProgram(NODE, [COMMAND, "start"], { ...BARE, ...env }, listen);
      await untilReady("dojo-relay start", running, `${url}/readyz`);
    },
    end: async (signal) => running?.end(signal) ?? { code: null, signal: null },
    pause: (pauses) => {
      if (running?.exit() === undefined && running !== undefined)
        process.kill(running.pid, pauses ? "SIGSTOP" : "SIGCONT");
    },
    metric: async (name) => {
      const text = await (await fetch(`${url}/metrics`)).text();
      return Number(text.match(new RegExp(`^${name} (\\d+)$`, "m"))?.[1] ?? Number.NaN);
    },
    complaints: () => complaints,
  };
}

/** `dojo-relay ARGS… --json`. @throws with its output if it fails */
export async function command<T>(args: readonly string[], env: Env): Promise<T> {
  const options = { env: { PATH: process.env.PATH, ...BARE, ...env } };
  const { stdout } = await promisify(execFile)(NODE, [COMMAND, ...args, "--json"], options);
  return JSON.parse(stdout) as T;
}
