import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { terminalSvg } from "./terminal-svg.ts";

const local = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

export const RECORDING = local("docs/demo.svg");

/** Runs `npm start -- --once` as on a terminal and renders its output as an SVG. @throws Error if it fails */
export async function recordDemo(): Promise<string> {
  const { PATH, HOME, TMPDIR } = process.env;
  const env = { PATH, HOME, ...(TMPDIR === undefined ? {} : { TMPDIR }), FORCE_COLOR: "1" };
  const demo = spawn(process.execPath, [local("cli/demo.ts"), "--once"], { env, stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr, [code]] = await Promise.all([text(demo.stdout), text(demo.stderr), once(demo, "exit")]);
  if (code !== 0) throw new Error(`the demo failed (${code}): ${stderr}`);
  return terminalSvg(stdout, { title: "npm start", columns: 124 });
}
