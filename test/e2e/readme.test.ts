import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startStandin } from "../../infra/local/defectdojo/server.ts";
import { startEmbeddedS3 } from "../../infra/local/s3/server.ts";
import { startEmbeddedSqs } from "../../infra/local/sqs/server.ts";
import { RECORDING, recordDemo } from "../record/demo.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

interface Block {
  readonly file: string;
  readonly script: string;
}

/** The fenced blocks with the info string `sh test`. */
async function markedBlocks(): Promise<Block[]> {
  const docs = (await readdir(join(ROOT, "docs"))).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`);
  const blocks: Block[] = [];
  for (const file of ["README.md", ...docs]) {
    const found = (await readFile(join(ROOT, file), "utf8")).matchAll(/^```sh test\n([\s\S]*?)^```$/gm);
    for (const [, script = ""] of found) blocks.push({ file, script });
  }
  return blocks;
}

/** The files of the repository, without installed packages, which are linked. */
async function cloneTo(folder: string): Promise<void> {
  const git = spawn("git", ["ls-files", "-co", "--exclude-standard", "-z"], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const files = (await text(git.stdout)).split("\0").filter((file) => file !== "");
  for (const file of files) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    // Deleted, but not committed yet.
    await copyFile(join(ROOT, file), join(folder, file)).catch(() => undefined);
  }
  await utimes(join(folder, "package-lock.json"), 0, 0);
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
}

const blocks = await markedBlocks();

describe("commands as pasted", { timeout: 600_000 }, () => {
  let folder: string;
  let dataDir: string;
  let servers: { close(): Promise<unknown> }[] = [];
  /** Replaces placeholders and URLs of the docs with those of this machine. */
  let here: readonly (readonly [from: string, to: string])[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "dojo-relay-clone-"));
    dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-readme-"));
    await cloneTo(folder);
    const targets = { RELAY: { endpoint: "http://127.0.0.1:9/events", authToken: "token" } };
    const [store, queue, dojo] = await Promise.all([
      startEmbeddedS3({ dataDir, targets }),
      startEmbeddedSqs({ dataDir }),
      startStandin(),
    ]);
    servers = [store, queue, dojo];
    here = [
      // What is installed is linked; what runs this test is not run by it.
      ["npm ci\n", ""],
      ["npm cit", "true"],
      // The same without an account: packages the deployment.
      ["npx osls deploy", "npx osls package"],
      ["http://127.0.0.1:9000", store.url],
      ["http://127.0.0.1:9324", queue.url],
      ["AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…", "AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any"],
      ["https://defectdojo.example.com", dojo.url],
      ["DEFECTDOJO_APIKEY=…", `DEFECTDOJO_APIKEY=${dojo.apiKey}`],
      ["npx dojo-relay start", `PORT=0 DATA_DIR=${dataDir}/service npx dojo-relay start`],
    ];
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.close()));
    for (const one of [folder, dataDir]) await rm(one, { recursive: true, force: true });
  });

  /** Runs commands as pasted. A service that keeps running (`waits`) is checked and then ended by Ctrl-C. */
  const paste = async (script: string, waits?: RegExp, whileItWaits?: (said: string) => Promise<void>) => {
    const commands = here.reduce((all, [from, to]) => all.replaceAll(from, to), script);
    const { PATH } = process.env;
    const env = {
      PATH: `${dirname(process.execPath)}:${PATH}`,
      HOME: dataDir,
      NO_COLOR: "1",
      AWS_EC2_METADATA_DISABLED: "true",
      // Otherwise npm may announce a newer version on stderr.
      npm_config_update_notifier: "false",
      SLS_TELEMETRY_DISABLED: "1",
      SLS_NOTIFICATIONS_MODE: "off",
    };
    // Its own process group, which Ctrl-C reaches as a whole.
    const shell = spawn("bash", ["-c", commands], { cwd: folder, env, detached: true });
    const said = { stdout: "", stderr: "" };
    let interrupted: Promise<void> | undefined;
    for (const name of ["stdout", "stderr"] as const) {
      shell[name].setEncoding("utf8").on("data", (more: string) => {
        said[name] += more;
        if (interrupted !== undefined || waits?.test(said[name]) !== true) return;
        interrupted = (whileItWaits?.(said[name]) ?? Promise.resolve()).finally(() => {
          if (shell.pid !== undefined) process.kill(-shell.pid, "SIGINT");
        });
      });
    }
    const [code] = await once(shell, "close");
    await interrupted;
    return { code: code as number | null, ...said };
  };

  interface Promised {
    readonly waits?: RegExp;
    readonly whileItWaits?: (said: string) => Promise<void>;
    readonly holds: (ran: Awaited<ReturnType<typeof paste>>) => Promise<void> | void;
  }

  /** One row per marked block, identified by a unique command: what it promises. */
  const PROMISES: Readonly<Record<string, Promised>> = {
    "npm cit": {
      waits: /From another terminal:\n.*dlq list\n/s,
      // The hints for another terminal work as printed.
      whileItWaits: async (said) => {
        const hints = said.slice(said.indexOf("From another terminal:")).split("\n").slice(1);
        const { code, stdout, stderr } = await paste(hints.filter((line) => !line.includes("upload DIR…")).join("\n"));
        expect(code, stderr).toBe(0);
        expect(stdout).toMatch(/^scans +9 done/m);
        expect(stdout).toMatch(/^\(nothing\)$/m);
      },
      holds: ({ stdout, stderr }) => {
        expect(stdout).toMatch(/Monday's scans arrive.*Tuesday's scans arrive.*nmap-blog .* synced/s);
        expect(stderr).toContain("The service runs until Ctrl-C.");
        expect(stderr).not.toMatch(/^ +at /m);
      },
    },
    "npm start -- --once --json": {
      holds: ({ code, stdout }) => {
        expect(code).toBe(0);
        // One object per scan, then what the function left.
        const array = stdout.slice(stdout.indexOf("["), stdout.indexOf("\n]") + 2);
        const rows = JSON.parse(array) as { scan: string; outcome: string }[];
        expect(rows.length).toBeGreaterThan(4);
        expect(new Set(rows.map(({ outcome }) => outcome))).toEqual(new Set(["synced"]));
        expect(stdout.slice(stdout.indexOf(array) + array.length)).toMatch(/enqueued/);
      },
    },
    "npx dojo-relay start": {
      waits: /dojo-relay is running.*\n/,
      holds: ({ stdout }) => {
        expect(stdout).toMatch(/^ok {4}DefectDojo token/m);
        expect(stdout).toMatch(/^changed {2}queue dojo-relay\.fifo created|^changed {2}bucket securecodebox created/m);
      },
    },
    "npx osls deploy": {
      holds: async ({ code }) => {
        expect(code).toBe(0);
        const template = await readFile(join(folder, ".serverless/cloudformation-template-update-stack.json"), "utf8");
        expect(template).toContain(":s3:::my-results/");
        expect(template).toContain("secret:defectdojo-apikey-");
      },
    },
  };

  it("have a row here for each marked block and no other", () => {
    const commands = Object.keys(PROMISES);
    const rows = blocks.map(({ script }) => commands.filter((command) => script.includes(command)));
    expect(rows.flat().sort()).toEqual(commands.sort());
    expect(rows.map(({ length }) => length)).toEqual(blocks.map(() => 1));
  });

  it.each(Object.entries(PROMISES))("… %s …", async (command, { waits, whileItWaits, holds }) => {
    const script = blocks.find((block) => block.script.includes(command))?.script ?? "";
    const ran = await paste(script, waits, whileItWaits);
    try {
      await holds(ran);
    } catch (error) {
      throw new Error(`${ran.stdout}\n${ran.stderr}`, { cause: error });
    }
  });

  it("npm cit runs all tests", async () => {
    expect(await readFile(join(ROOT, ".ci/run"), "utf8")).toMatch(/^npm cit\b/m);
  });

  it("docs/demo.svg shows the current demo (npm run record)", async () => {
    expect(await recordDemo()).toBe(await readFile(RECORDING, "utf8"));
  });
});
