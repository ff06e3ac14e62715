#!/usr/bin/env node
// The command runs on Node 24, which the package `node` brings along; an older one hands over to it.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const main = join(here, "main.ts");
// A parent killed by SIGKILL cannot signal its child, but its end of this pipe closes.
if (process.env.DOJO_RELAY_PARENT === "1" && process.channel) {
  delete process.env.DOJO_RELAY_PARENT;
  process.on("disconnect", () => process.exit(1));
  process.channel.unref();
}
// As a container's first process it would ignore signals that nobody listens to: the kernel gives that process no default action.
if (process.pid === 1) {
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ]) {
    process.on(signal, () => process.listenerCount(signal) === 1 && process.exit(code));
  }
}
if (Number(process.versions.node.split(".")[0]) >= 24) {
  const { run } = await import(main);
  await run(process.argv);
} else {
  const node = join(here, "..", "node_modules", "node", "bin", "node");
  if (!existsSync(node)) {
    process.stderr.write(
      `dojo-relay needs Node 24 or newer; this is ${process.version}. Run "npm ci" in its folder, which installs one.\n`,
    );
    process.exit(1);
  }
  const child = spawn(node, [join(here, "dojo-relay.mjs"), ...process.argv.slice(2)], {
    stdio: ["inherit", "inherit", "inherit", "ipc"],
    env: { ...process.env, DOJO_RELAY_PARENT: "1" },
  });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));
}
