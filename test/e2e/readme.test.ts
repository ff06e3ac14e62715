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

/** The fenced blocks that are marked: their info string is `sh test`. */
async function markedBlocks(): Promise<Block[]> {
  const docs = (await readdir(join(ROOT, "docs"))).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`);
  const blocks: Block[] = [];
  for (const file of ["README.md", ...docs]) {
    const found = (await readFile(join(ROOT, file), "utf8")).matchAll(/^```sh test\n([\s\S]*?)^```$/gm);
    for (const [, script = ""] of found) blocks.push({ file, script });
  }
  return blocks;
}

/** What is in the repository, without what is installed: that is linked, and older than it. */
async function cloneTo(folder: string): Promise<void> {
  const git = spawn("git", ["ls-files", "-co", "--exclude-standard", "-z"], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const files = (await text(git.stdout)).split("\0").filter((file) => file !== "");
  for (const file of files) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    // One that was deleted and not committed yet.
    await copyFile(join(ROOT, file), join(folder, file)).catch(() => undefined);
  }
  await utimes(join(folder, "package-lock.json"), 0, 0);
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
}

/** Whoever pastes ends the service by hand, once it runs. */
const ONCE_IT_RUNS = `set -m
said=$(mktemp)
npx dojo-relay start 2>"$said" & service=$!
until grep -q "is running" "$said" || ! kill -0 $service; do sleep 0.2; done
kill -TERM -- -$service
wait $service
cat "$said" >&2
rm "$said"`;

const blocks = await markedBlocks();

describe("commands as pasted", { timeout: 240_000 }, () => {
  let folder: string;
  let dataDir: string;
  let servers: { close(): Promise<unknown> }[] = [];
  /** Placeholders and addresses of the docs, as they are on this machine. */
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
      // What is installed is linked.
      ["npm ci\n", ""],
      ["http://127.0.0.1:9000", store.url],
      ["http://127.0.0.1:9324", queue.url],
      ["AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…", "AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any"],
      ["https://defectdojo.example.com", dojo.url],
      ["DEFECTDOJO_APIKEY=…", `DEFECTDOJO_APIKEY=${dojo.apiKey}`],
      ["npx dojo-relay start", `export PORT=0 DATA_DIR=${dataDir}/service\n${ONCE_IT_RUNS}`],
    ];
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.close()));
    for (const one of [folder, dataDir]) await rm(one, { recursive: true, force: true });
  });

  const paste = async (script: string) => {
    const commands = here.reduce((all, [from, to]) => all.replaceAll(from, to), script);
    const { PATH } = process.env;
    const env = {
      PATH: `${dirname(process.execPath)}:${PATH}`,
      HOME: dataDir,
      NO_COLOR: "1",
      AWS_EC2_METADATA_DISABLED: "true",
    };
    const shell = spawn("bash", ["-c", commands], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
    const [stdout, stderr, [code]] = await Promise.all([text(shell.stdout), text(shell.stderr), once(shell, "exit")]);
    return { code, stdout, stderr };
  };

  /** One row a marked block, by its first command: what it promises. */
  const PROMISES: Readonly<Record<string, (ran: Awaited<ReturnType<typeof paste>>) => void>> = {
    "npm start -- --once --json": ({ code, stdout }) => {
      expect(code).toBe(0);
      // One object a scan, then what the function left.
      const array = stdout.slice(stdout.indexOf("["), stdout.indexOf("\n]") + 2);
      const rows = JSON.parse(array) as { scan: string; outcome: string }[];
      expect(rows.length).toBeGreaterThan(4);
      expect(new Set(rows.map(({ outcome }) => outcome))).toEqual(new Set(["synced"]));
      expect(stdout.slice(stdout.indexOf(array) + array.length)).toMatch(/enqueued/);
    },
    "npm ci": ({ code, stdout, stderr }) => {
      expect([code, stderr]).toEqual([expect.any(Number), expect.stringContaining("dojo-relay is running")]);
      expect(stdout).toMatch(/^ok {4}DefectDojo token/m);
      expect(stdout).toMatch(/^changed {2}queue dojo-relay\.fifo created|^changed {2}bucket securecodebox created/m);
    },
  };
  const firstOf = ({ script }: Block) => script.split("\n")[0]?.replace(/ +#.*/, "") ?? "";

  it("have a row here for each block that is marked, and no other", () => {
    expect(blocks.map(firstOf).sort()).toEqual(Object.keys(PROMISES).sort());
  });

  it.each(blocks.map((block) => [block.file, firstOf(block), block] as const))(
    "%s: %s",
    async (_, first, { script }) => {
      const promise = PROMISES[first];
      const ran = await paste(script);
      try {
        promise?.(ran);
      } catch (error) {
        throw new Error(`${ran.stdout}\n${ran.stderr}`, { cause: error });
      }
    },
  );

  it("docs/demo.svg is the demo as it is now (npm run record)", async () => {
    expect(await recordDemo()).toBe(await readFile(RECORDING, "utf8"));
  });
});
