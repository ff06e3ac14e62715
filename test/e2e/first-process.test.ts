import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, it } from "vitest";

const COMMAND = fileURLToPath(new URL("../../cli/dojo-relay.mjs", import.meta.url));
/** Runs a command in its own PID namespace, like a container, and ends with it. */
const UNSHARE = ["--user", "--map-root-user", "--pid", "--fork", "--kill-child"];
const childrenOf = (pid = 0) => `/proc/${pid}/task/${pid}/children`;
const can = existsSync(childrenOf(process.pid)) && spawnSync("unshare", [...UNSHARE, "true"]).status === 0;
if (!can) process.stderr.write("\n*** LEFT OUT: unshare cannot make a PID namespace here ***\n");

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

it.skipIf(!can).each([
  [["start"], "SIGTERM", 143],
  [["doctor"], "SIGINT", 130],
  [["setup", "--target", "arn:minio:sqs::RELAY:webhook"], "SIGTERM", 143],
] as const)(
  "%j as a container's first process ends by %s, while no server answers",
  async (args, signal, code) => {
    const { port, reached } = await silentServer();
    const DATA_DIR = await mkdtemp(join(tmpdir(), "dojo-relay-first-"));
    closers.push(() => rm(DATA_DIR, { recursive: true, force: true, maxRetries: 5 }));
    const url = `http://127.0.0.1:${port}`;
    const env = {
      ...{ PATH: process.env.PATH, HOME: "/nonexistent", DATA_DIR, PORT: "0", WEBHOOK_TOKEN: "token" },
      ...{ AWS_ENDPOINT_URL_S3: url, AWS_ENDPOINT_URL_SQS: url, AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "key" },
      ...{ DEFECTDOJO_URL: url, DEFECTDOJO_APIKEY: "key" },
    };
    const namespace = spawn("unshare", [...UNSHARE, process.execPath, COMMAND, ...args], { env, stdio: "ignore" });
    closers.push(() => namespace.kill("SIGKILL"));
    const ended = once(namespace, "exit");
    await reached;
    const first = Number(readFileSync(childrenOf(namespace.pid), "utf8").trim());
    process.kill(first, signal);
    expect(await ended).toEqual([code, null]);
  },
  120_000,
);

/** A server that accepts connections and never responds. */
async function silentServer() {
  let asked = () => {};
  const reached = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => undefined));
    asked();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return { port: typeof address === "object" && address !== null ? address.port : 0, reached };
}
