import { fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Order, Report } from "./importer-child.ts";

/** One importer process. */
export interface Child {
  hasEnded(): boolean;
  /** Replaces the listener for all further reports and clears the log. */
  listen(listener: (report: Report) => void): void;
  /** The last lines of its log. */
  readonly log: () => string[];
  tell(order: Order): void;
  /** Resolves with the next matching report; never if the process ends. */
  reported(fits: (report: Report) => boolean): Promise<Report>;
  /** Stops its poller and waits for the current work. */
  stop(): Promise<void>;
  /** Sends SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
}

const LONGEST_STOP_MS = 20_000;
const LOG_LINES = 60;
const CHILD = fileURLToPath(new URL("importer-child.ts", import.meta.url));

function startChild(): Child {
  const child = fork(CHILD, [], {
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    env: {
      ...process.env,
      NODE_NO_WARNINGS: "1",
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? compileCache(),
    },
  });
  const lines: string[] = [];
  const waiting = new Set<(report: Report) => void>();
  child.stderr?.on("data", (chunk: Buffer) => {
    lines.push(...chunk.toString("utf8").trimEnd().split("\n"));
    lines.splice(0, Math.max(0, lines.length - LOG_LINES));
  });
  let onReport: (report: Report) => void = () => undefined;
  child.on("message", (report: Report) => {
    onReport(report);
    for (const look of [...waiting]) look(report);
  });
  child.on("error", () => undefined);
  const reported = (fits: (report: Report) => boolean) =>
    new Promise<Report>((resolve) => {
      const look = (report: Report) => {
        if (!fits(report)) return;
        waiting.delete(look);
        resolve(report);
      };
      waiting.add(look);
    });
  const tell = (order: Order) => void child.send(order, () => undefined);
  return {
    hasEnded: () => child.exitCode !== null || child.signalCode !== null,
    listen: (listener) => {
      lines.length = 0;
      onReport = listener;
    },
    log: () => [...lines],
    tell,
    reported,
    stop: async () => {
      const stopped = reported(({ report }) => report === "stopped");
      tell({ order: "stop" });
      const ended = await Promise.race([stopped, sleep(LONGEST_STOP_MS, undefined)]);
      if (ended === undefined) throw new Error(`an importer does not stop\n${lines.join("\n")}`);
    },
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    },
  };
}

/** Many children load the same modules, so these are compiled once. */
const compileCache = () => `${process.env.TMPDIR ?? "/tmp"}/dojo-relay-compile-cache`;

export interface Nursery {
  /** A ready child: a returned one or a new one. The next is started at once, so that it is ready when this one is gone. */
  take(): Promise<Child>;
  /** Returns a stopped, living child. */
  giveBack(child: Child): void;
  close(): Promise<void>;
}

export function nursery(): Nursery {
  const idle: Child[] = [];
  const start = () => {
    const child = startChild();
    return child.reported(({ report }) => report === "ready").then(() => child);
  };
  let next = start();
  return {
    take: async () => {
      const used = idle.pop();
      if (used !== undefined) return used;
      const child = await next;
      next = start();
      return child;
    },
    giveBack: (child) => void idle.push(child),
    close: async () => {
      for (const child of [...idle, await next]) await child.kill();
    },
  };
}
