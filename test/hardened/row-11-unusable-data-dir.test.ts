import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { privateDirectory } from "../../infra/local/data-directory.ts";

const MAIN = join(import.meta.dirname, "../../cli/dojo-relay.mjs");

describe("hardened 11: an unusable DATA_DIR", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "dojo-relay-unusable-"));
    await writeFile(join(folder, "file"), "x");
    await mkdir(join(folder, "damaged", "sqs"), { recursive: true });
    await writeFile(join(folder, "damaged", "sqs", "sqs.sqlite"), "no database".repeat(1000));
    await mkdir(join(folder, "token"));
    await writeFile(join(folder, "token", "webhook-token"), "short");
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each([
    ["a file", () => join(folder, "file"), /file cannot be used: it is no directory/],
    ["one under a file", () => join(folder, "file", "data"), /data cannot be used: a part of its path is no directory/],
    ["one under /proc", () => "/proc/dojo-relay/data", /data cannot be used: its file system takes no directories/],
    ["one with a damaged database", () => join(folder, "damaged"), /sqs\.sqlite is damaged \(file is not a database\)/],
    ["one with another's token", () => join(folder, "token"), /webhook-token holds no token/],
  ])("%s fails with two lines that name the problem, the path and the remedy", async (_, dataDir, message) => {
    const { stderr, code } = await start(dataDir());
    expect(stderr).toMatch(message);
    expect(stderr.trim().split("\n")).toEqual([
      expect.stringMatching(/^dojo-relay: /),
      expect.stringMatching(/DATA_DIR/),
    ]);
    expect(code).toBe(1);
  });

  it("gives up on a file system that does not respond", async () => {
    await expect(privateDirectory(join(folder, "new"), 0)).rejects.toThrow(/has not answered within 0 s/);
  });
});

async function start(dataDir: string) {
  // AWS variables of this machine would cause a warning of their own.
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_"));
  const env = {
    ...Object.fromEntries(own),
    DATA_DIR: dataDir,
    PORT: "0",
    DEFECTDOJO_URL: "http://127.0.0.1:9",
    DEFECTDOJO_APIKEY: "k",
  };
  const child = spawn(process.execPath, [MAIN, "start"], { env, stdio: ["ignore", "ignore", "pipe"], timeout: 50_000 });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const [code] = await once(child, "close");
  return { stderr, code };
}
