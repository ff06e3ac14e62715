import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Status } from "../../cli/status.ts";
import type { Receipt } from "../../lib/model/receipt.ts";
import { ANNOTATION_PREFIX } from "../../lib/model/scan.ts";
import { cli, cliJson } from "./cli.ts";
import { putScan } from "./cli-bucket.ts";
import { type Runtime, startRuntime } from "./runtime.ts";

describe("an outdated run of a living test", { timeout: 120_000 }, () => {
  const [EARLIER, LATER] = ["nightly/run-1", "nightly/run-2"];
  const EARLIER_KEY = `${EARLIER}/findings.json`;
  let runtime: Runtime;
  let env: Record<string, string>;
  let upload: string | undefined;

  const put = async (folder: string, day: number, names: readonly string[]) => {
    const at = `2026-11-${day}T02:00:00Z`;
    const sidecar = {
      metadata: {
        ...{ name: folder.replace("/", "-"), uid: folder, creationTimestamp: at },
        ownerReferences: [{ kind: "ScheduledScan", name: "nightly" }],
        annotations: { [`${ANNOTATION_PREFIX}import-mode`]: "reimport" },
      },
      spec: { scanType: "subfinder" },
      status: { finishedAt: at },
    };
    const findings = names.map((name) => ({ name, severity: "HIGH", category: "c", description: name }));
    const files = { sidecar: JSON.stringify(sidecar), findings: JSON.stringify(findings) };
    return await runtime.ended(await putScan(runtime.service.clients.s3, folder, files));
  };
  const text = async () => (await runtime.get(EARLIER_KEY))?.toString("utf8");
  const receipt = async () => (await runtime.receipt(EARLIER_KEY)) as Receipt;

  beforeAll(async () => {
    runtime = await startRuntime();
    const { s3Endpoint, sqsEndpoint } = runtime.service;
    env = { AWS_ENDPOINT_URL_S3: s3Endpoint, AWS_ENDPOINT_URL_SQS: sqsEndpoint };
    env = { ...env, DEFECTDOJO_URL: runtime.standin.url, DEFECTDOJO_APIKEY: runtime.standin.apiKey };
    await put(LATER, 24, ["A", "B"]);
    await put(EARLIER, 23, ["A"]);
    upload = await text();
  });
  afterAll(() => runtime.stop());

  it("is complete: its receipt names the later run, and its findings are the upload", async () => {
    const later = await runtime.receipt(`${LATER}/findings.json`);
    expect(await receipt()).toMatchObject({ outcome: "outdated", test: later?.test });
    expect(upload).not.toContain("defectdojo.org");
    const status = await cliJson<Status>(["status"], env);
    expect(status).toMatchObject({
      scans: { done: 2, running: 0, waiting: 0 },
      outdated: 1,
      findings: { findings: 2 },
    });
    expect(status.notes).toEqual([
      expect.stringMatching(/^1 scan that is done is outdated: .* dojo-relay backfill '' --force$/),
    ]);
  });

  it("is not enqueued or synced again and has no index entry", async () => {
    expect(await cliJson(["backfill"], env)).toMatchObject({ enqueued: 0, done: 2 });
    expect(await cliJson(["resync"], env)).toMatchObject([
      { key: EARLIER_KEY, outcome: "skipped", why: expect.stringContaining("a later run") },
      { outcome: "synced" },
    ]);
    expect(await cliJson(["index"], env)).toMatchObject({ indexed: 1, failed: [] });
    expect(await text()).toBe(upload);
  });

  it("ends a wait with its own exit code, whatever the gate", async () => {
    const where = `s3://${runtime.service.bucket}/${EARLIER}/`;
    const { code, stdout } = await cli(["wait", where, "--fail-on", "high:any"], env);
    expect(code).toBe(7);
    expect(stdout).toMatch(/^outdated {2}s3:\S+\n {10}outdated: test \d+ has a later run .* backfill --force '\S+'$/m);
  });

  it("is imported if an operator forces it", async () => {
    const seen = runtime.progress.filter(({ job, state }) => job.key === EARLIER_KEY && state === "done").length;
    expect(await cliJson(["backfill", EARLIER_KEY, "--force"], env)).toMatchObject({ enqueued: 1 });
    await runtime.ended(EARLIER_KEY, seen);
    expect(await receipt()).toMatchObject({ outcome: "synced", known: 1, closed: 1 });
    expect(await cliJson(["status"], env)).toMatchObject({ scans: { done: 2 }, outdated: 0 });
    expect(await cliJson(["backfill", "--force"], env)).toMatchObject({ enqueued: 0, done: 2 });
  });
});
