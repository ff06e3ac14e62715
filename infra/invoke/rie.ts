import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import type { Answer } from "./lambda-runtime.ts";

/**
 * One invocation under the Lambda Runtime Interface Emulator. It is bound to loopback (by default it listens on all interfaces), receives one
 * invocation (a concurrent one crashes it), and returns 200 even for errors, so the body decides.
 * https://github.com/aws/aws-lambda-runtime-interface-emulator
 */
export async function invokeInRie(bundle: string, event: unknown, env: NodeJS.ProcessEnv): Promise<Answer> {
  const command = env.RIE_BIN ?? "aws-lambda-rie";
  const [invoke, api] = [await freePort(), await freePort()];
  const emulator = spawn(
    command,
    [
      "--runtime-interface-emulator-address",
      `127.0.0.1:${invoke}`,
      "--runtime-api-address",
      `127.0.0.1:${api}`,
      process.execPath,
      join(import.meta.dirname, "runtime-client.ts"),
      bundle,
    ],
    // In its own process group, so that its children are killed with it.
    { env, detached: true, stdio: ["ignore", process.stderr, process.stderr] },
  );
  try {
    await started(emulator, command);
    await listening(invoke, emulator);
    const body: unknown = JSON.parse(await post(invoke, event));
    return isLambdaError(body) ? { failed: body } : { result: body };
  } finally {
    if (emulator.pid !== undefined && emulator.exitCode === null) process.kill(-emulator.pid, "SIGKILL");
  }
}

async function started(emulator: ChildProcess, command: string): Promise<void> {
  try {
    await once(emulator, "spawn");
  } catch (cause) {
    throw new Error(
      `${command} cannot be run: put the Lambda Runtime Interface Emulator on the PATH or its path into RIE_BIN`,
      { cause },
    );
  }
}

async function listening(port: number, emulator: ChildProcess): Promise<void> {
  for (const until = Date.now() + 10_000; Date.now() < until; await sleep(50)) {
    if (emulator.exitCode !== null) throw new Error(`the emulator ended with exit code ${emulator.exitCode}`);
    const socket = net.connect(port, "127.0.0.1");
    const open = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    socket.destroy();
    if (open) return;
  }
  throw new Error("the emulator does not listen after 10 s");
}

async function post(port: number, event: unknown): Promise<string> {
  const options = { host: "127.0.0.1", port, path: "/2015-03-31/functions/function/invocations", method: "POST" };
  return await new Promise<string>((resolve, reject) => {
    const request = http.request(options, (response) => resolve(text(response)));
    request.once("error", reject).end(JSON.stringify(event));
  });
}

function isLambdaError(body: unknown): boolean {
  return typeof body === "object" && body !== null && "errorType" in body && "errorMessage" in body;
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
