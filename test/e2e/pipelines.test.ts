import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text as readText } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { type Runtime, startRuntime } from "./runtime.ts";

const local = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const text = await readFile(local("docs/pipelines.md"), "utf8");

/** The fenced block below a heading. */
function blockOf(heading: string): string {
  const section = text.slice(text.indexOf(`## ${heading}\n`));
  const [, block] = /```\w+\n([\s\S]*?)```/.exec(section) ?? [];
  if (block === undefined) throw new Error(`docs/pipelines.md has no block under ${heading}`);
  return block;
}

/** The shell parts of each snippet, as its runner would execute them. */
const SHELL = {
  "GitHub Actions": () => {
    const { jobs } = parse(blockOf("GitHub Actions")) as { jobs: { scan: { steps: { run?: string }[] } } };
    return jobs.scan.steps.flatMap(({ run }) => run ?? []);
  },
  "GitLab CI": () => (parse(blockOf("GitLab CI")) as { defectdojo: { script: string[] } }).defectdojo.script,
  Jenkins: () => [...blockOf("Jenkins").matchAll(/sh '''([\s\S]*?)'''/g)].map(([, script = ""]) => script),
  "By hand": () => [blockOf("By hand")],
};

describe("the snippets of docs/pipelines.md, their shell parts run against the embedded service", {
  timeout: 180_000,
}, () => {
  let runtime: Runtime;
  let folder: string;
  let bin: string;
  beforeAll(async () => {
    runtime = await startRuntime();
    folder = await mkdtemp(join(tmpdir(), "dojo-relay-pipeline-"));
    bin = await mkdtemp(join(tmpdir(), "dojo-relay-bin-"));
    await copyFile(local("test/fixtures/reports/codeql.sarif"), join(folder, "codeql.sarif"));
    await copyFile(local("test/fixtures/reports/semgrep.json"), join(folder, "semgrep.json"));
    await copyFile(local("infra/local/scans/zap-shop/zap-results.xml"), join(folder, "zap.xml"));
    const relay = `"${process.execPath}" "${local("cli/dojo-relay.mjs")}"`;
    const commands = {
      "dojo-relay": `exec ${relay} "$@"`,
      // The scanner writes its report.
      trivy: `cp "${local("infra/local/scans/trivy-shop/trivy-results.json")}" trivy.json`,
      // Replaces the image with the command and its mount with the folder.
      docker: `while [ "$1" != "$RELAY_IMAGE" ]; do shift; done; shift; args=(); for a in "$@"; do args+=("\${a//\\/reports/$PWD}"); done; exec ${relay} "\${args[@]}"`,
      aws: `exec "${process.execPath}" "${local("test/e2e/aws-s3-cp-child.ts")}" "$@"`,
    };
    for (const [name, script] of Object.entries(commands)) {
      await writeFile(join(bin, name), `#!/bin/bash\n${script}\n`);
      await chmod(join(bin, name), 0o755);
    }
  });
  afterAll(async () => {
    await runtime.stop();
    for (const one of [folder, bin]) await rm(one, { recursive: true, force: true });
  });

  /** Runs a script like a CI runner; the service runs in this process, which must not block. */
  const run = async (script: string) => {
    const { bucket, s3Endpoint, sqsEndpoint } = runtime.service;
    const child = spawn("bash", ["-e", "-o", "pipefail", "-c", script], {
      cwd: folder,
      env: {
        PATH: `${bin}:${process.env.PATH}`,
        HOME: "/nonexistent",
        RELAY_IMAGE: "registry.example.com/dojo-relay:1",
        ...{ BUCKET: bucket, AWS_ENDPOINT_URL_S3: s3Endpoint, AWS_ENDPOINT_URL_SQS: sqsEndpoint },
        ...{ GITHUB_REPOSITORY: "team/shop", GITHUB_REF_NAME: "main", GITHUB_SHA: "c0ffee", BRANCH_NAME: "main" },
        ...{ CI_PROJECT_NAME: "shop-ci", CI_COMMIT_REF_NAME: "main", CI_COMMIT_SHA: "c0ffee", BUILD_NUMBER: "17" },
      },
    });
    const [stdout, stderr, [status]] = await Promise.all([
      readText(child.stdout),
      readText(child.stderr),
      once(child, "exit") as Promise<[number]>,
    ]);
    return { status, stdout, stderr };
  };

  it.each(Object.keys(SHELL) as (keyof typeof SHELL)[])(
    "%s: red for what is new and high, green once that is known",
    async (name) => {
      const scripts = SHELL[name]();
      expect(scripts.length).toBeGreaterThan(0);
      const outcome = async () => {
        let last = await run("true");
        for (const script of scripts) {
          last = await run(script);
          if (last.status !== 0) break;
        }
        return last;
      };
      const first = await outcome();
      expect([first.status, first.stdout, first.stderr]).toEqual([
        2,
        expect.stringMatching(/^gate {6}FAILED: /m),
        expect.anything(),
      ]);
      // Names of manual folders have a resolution of one second.
      await sleep(1_000);
      const second = await outcome();
      expect([second.status, second.stdout]).toEqual([0, expect.stringMatching(/^gate {6}passed: /m)]);
      expect(second.stdout).toMatch(/^verdicts {2}0 new, [1-9]\d* duplicates/m);
    },
  );
});
