import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A separate process that ends with the test run. */
export interface Running {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  /** Undefined while it runs. */
  exit(): Exit | undefined;
  /** The last lines of stdout and stderr. */
  output(): string;
  /** Sends a signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<Exit>;
}

const REMEMBERED_LINES = 60;

/** Node 24, as in `cli/dojo-relay.mjs`: an older one would start a child that receives no signal. */
export const NODE =
  Number(process.versions.node.split(".")[0]) >= 24
    ? process.execPath
    : fileURLToPath(new URL("../../node_modules/node/bin/node", import.meta.url));

/** Starts a program with only the given environment. */
export async function startProgram(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  onLine: (line: string) => void = () => undefined,
): Promise<Running> {
  const child = spawn(command, args, {
    env: { PATH: process.env.PATH ?? "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let exit: Exit | undefined;
  const exited = new Promise<Exit>((resolve) => {
    child.once("exit", (code, signal) => {
      exit = { code, signal };
      if (child.pid !== undefined) tellKeeper(`-${child.pid}`);
      resolve(exit);
    });
  });
  const last: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      last.push(line);
      if (last.length > REMEMBERED_LINES) last.shift();
      onLine(line);
    });
  }
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  const pid = child.pid as number;
  tellKeeper(`+${pid}`);
  return {
    pid,
    exited,
    exit: () => exit,
    output: () => last.join("\n"),
    end: async (signal) => {
      if (exit === undefined) child.kill(signal);
      return exited;
    },
  };
}

/**
 * Waits until the program responds.
 * @param answers whether a status means that it is ready
 * @throws Error with the program's last output, if it ends before it is ready
 */
export async function untilReady(
  name: string,
  program: Running,
  url: string,
  answers: (status: number) => boolean = (status) => status >= 200 && status < 300,
): Promise<Running> {
  for (;;) {
    const exit = program.exit();
    if (exit !== undefined)
      throw new Error(`${name} ended with ${exit.code ?? exit.signal} before it was ready:\n${program.output()}`);
    const response = await fetch(url).catch(() => undefined);
    await response?.body?.cancel();
    if (response !== undefined && answers(response.status)) return program;
    await sleep(100);
  }
}

export interface Folder extends AsyncDisposable {
  readonly path: string;
}

/** A temporary folder that is removed at the end of the test run. */
export async function temporaryFolder(name: string): Promise<Folder> {
  const path = await mkdtemp(join(tmpdir(), `dojo-relay-live-${name}-`));
  tellKeeper(`+${path}`);
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      await rm(path, { recursive: true, force: true, maxRetries: 5 });
      tellKeeper(`-${path}`);
    },
  };
}

export interface Port {
  readonly number: number;
  /** Call it right before the start of the server. */
  release(): Promise<void>;
}

/** A port for a server that has to be told one, held until then: outside of the range that connections and other tests' servers get theirs of. */
export async function reservePort(): Promise<Port> {
  for (;;) {
    const number = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer().unref();
    const free = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(number, "127.0.0.1", () => resolve(true));
    });
    if (free) return { number, release: () => new Promise((resolve) => server.close(() => resolve())) };
  }
}

// --- utils ---

let keeper: ChildProcess | undefined;

/** The keeper runs in its own session, where Ctrl-C does not reach it. */
function tellKeeper(line: string): void {
  if (keeper === undefined) {
    keeper = spawn(NODE, [join(import.meta.dirname, "keeper.ts")], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
    keeper.unref();
    (keeper.stdin as Socket | null)?.unref();
    keeper.stdin?.on("error", () => undefined);
  }
  keeper.stdin?.write(`${line}\n`);
}
