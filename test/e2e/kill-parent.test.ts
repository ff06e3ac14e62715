import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { reservePort } from "../live/processes.ts";

/** A Node older than 24 on this machine, for which the command starts a child. */
function olderNode(): string | undefined {
  const found = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, "node"));
  return found.find((path) => {
    try {
      return Number(/^v(\d+)/.exec(execFileSync(path, ["--version"], { encoding: "utf8" }))?.[1]) < 24;
    } catch {
      return false;
    }
  });
}

const node = olderNode();
if (node === undefined)
  process.stderr.write("\n*** LEFT OUT: no Node older than 24 is in PATH, whose child has to end with it ***\n");

it.skipIf(node === undefined)(
  "the service ends with the command that started it, also when that is killed",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "dojo-relay-kill-"));
    const { number: port, release } = await reservePort();
    const env = {
      PATH: process.env.PATH,
      PORT: String(port),
      DATA_DIR: folder,
      DEFECTDOJO_URL: "http://127.0.0.1:9",
      DEFECTDOJO_APIKEY: "Token 0123",
    };
    await release();
    const parent = spawn(node ?? "", ["cli/dojo-relay.mjs", "start"], { env, stdio: "ignore" });
    try {
      await until(() => answers(port));
      const told = await until(async () =>
        (await (await fetch(`http://127.0.0.1:${port}/readyz`)).text()).includes("DefectDojo"),
      );
      expect(told).toBe(true);
      const ended = once(parent, "exit");
      parent.kill("SIGKILL");
      await ended;
      expect(await until(async () => !(await answers(port)))).toBe(true);
    } finally {
      parent.kill("SIGKILL");
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    }
  },
  120_000,
);

const answers = (port: number) =>
  fetch(`http://127.0.0.1:${port}/healthz`).then(
    ({ ok }) => ok,
    () => false,
  );

async function until(holds: () => Promise<boolean>): Promise<boolean> {
  for (const end = performance.now() + 40_000; performance.now() < end; await sleep(100)) {
    if (await holds()) return true;
  }
  return false;
}
