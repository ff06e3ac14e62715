import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { describeError } from "../../lib/errors.ts";

/** What a child process offers: functions of one argument that can be sent. */
type Methods = Readonly<Record<string, (argument: never) => unknown>>;

type Remote<M extends Methods> = {
  readonly [Name in keyof M]: (...argument: Parameters<M[Name]>) => Promise<Awaited<ReturnType<M[Name]>>>;
};

export interface Child<M extends Methods> {
  readonly pid: number;
  readonly call: Remote<M>;
  stop(): Promise<void>;
}

interface Call {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** Called by a child process once it is ready. */
export function offer(methods: Methods): void {
  const answer = async ({ id, name, argument }: Call): Promise<Answer> => {
    try {
      return { id, value: await methods[name]?.(argument as never) };
    } catch (error) {
      return { id, error: describeError(error) };
    }
  };
  process.on("message", (call: Call) => void answer(call).then((sent) => process.send?.(sent)));
  process.once("disconnect", () => process.exit(0));
  process.send?.("ready");
}

export interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a module of this folder in a process of its own; its stdout goes nowhere, so that ours is the bench's alone. */
export async function startChild<M extends Methods>(module: string, options: ChildOptions = {}): Promise<Child<M>> {
  const child = fork(new URL(module, import.meta.url), {
    env: { ...process.env, NODE_OPTIONS: "", ...options.env },
    execArgv: [],
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  await Promise.race([
    once(child, "message"),
    once(child, "exit").then(() => Promise.reject(new Error(`${module} ended before it was ready`))),
  ]);
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  child.on("message", ({ id, value, error }: Answer) => {
    const call = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) call?.resolve(value);
    else call?.reject(new Error(`${module}: ${error}`));
  });
  child.once("exit", (code, signal) => {
    for (const { reject } of waiting.values()) reject(new Error(`${module} ended with ${signal ?? code}`));
  });
  let calls = 0;
  const send = (name: string, argument: unknown) =>
    new Promise<unknown>((resolve, reject) => {
      const id = calls++;
      waiting.set(id, { resolve, reject });
      child.send({ id, name, argument } satisfies Call);
    });
  const call = new Proxy({}, { get: (_, name) => (argument: unknown) => send(String(name), argument) });
  return { pid: child.pid ?? 0, call: call as Remote<M>, stop: () => stopChild(child) };
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.disconnect();
  const killer = setTimeout(() => child.kill("SIGKILL"), 3_000);
  await ended;
  clearTimeout(killer);
}
