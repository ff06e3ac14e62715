import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { howFar } from "../../cli/scan-states.ts";
import { type Status, describe as toText } from "../../cli/status.ts";
import { NO_FINDINGS } from "../../lib/model/verdicts.ts";
import { cli, cliJson, startCli } from "./cli.ts";
import { put, putScan, silence, someFindings } from "./cli-bucket.ts";
import { type Runtime, startRuntime } from "./runtime.ts";

describe("status", { timeout: 120_000 }, () => {
  let runtime: Runtime;
  let env: Record<string, string>;
  beforeAll(async () => {
    runtime = await startRuntime();
    const { s3Endpoint, sqsEndpoint, clients } = runtime.service;
    const { s3 } = clients;
    env = { AWS_ENDPOINT_URL_S3: s3Endpoint, AWS_ENDPOINT_URL_SQS: sqsEndpoint };
    const same = { findings: someFindings("same", 3), annotations: { "product-name": "same" } };
    await runtime.ended(await putScan(s3, "a/done-1", same));
    await runtime.ended(await putScan(s3, "a/done-2", same));
    await runtime.ended(await putScan(s3, "a/again"));
    await runtime.ended(await putScan(s3, "a/failed", { findings: "{}" }));
    await silence(s3);
    await put(s3, "a/again/findings.json", someFindings("newer"));
    await putScan(s3, "b/waiting");
    await putScan(s3, "b/running");
    await put(s3, "b/running/defectdojo.pending.json", "{}");
  });
  afterAll(() => runtime.stop());

  it("counts scans, jobs and findings, and names incomplete scans", async () => {
    const status = await cliJson<Status>(["status"], env);
    expect(status).toMatchObject({
      scans: { done: 2, running: 1, waiting: 3 },
      queue: { waiting: 0, running: 0, failed: 1 },
      findings: { findings: 6, new: 3, duplicates: 3, falsePositives: 0 },
      unknownAnnotations: 0,
      notes: [],
    });
    expect(status.follow).toEqual([]);
    expect(status.open.map(({ key, state }) => `${state} ${key}`)).toEqual([
      "waiting a/again/findings.json",
      "waiting a/failed/findings.json",
      "running b/running/findings.json",
      "waiting b/waiting/findings.json",
    ]);
    expect(await cliJson(["status", "b/"], env)).toMatchObject({ scans: { done: 0, running: 1, waiting: 1 } });
  });

  it("prints text, without queues if there are none", async () => {
    const { stdout, code } = await cli(["status", "a/"], env);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^scans {5}2 done, 0 running, 2 waiting$/m);
    expect(stdout).toMatch(/^jobs {6}0 waiting, 0 running, 1 failed$/m);
    expect(stdout).toMatch(/^findings {2}6: 3 new, 3 duplicates$/m);
    expect(stdout).toMatch(/^a\/again\/findings\.json +waiting$/m);
    expect(stdout).toContain("dojo-relay dlq list");
    const alone = await cli(["status"], { ...env, AWS_ENDPOINT_URL_SQS: "http://127.0.0.1:1" });
    expect(alone.code).toBe(0);
    expect(alone.stdout).toMatch(/2 done[\s\S]*the queues are unavailable/);
  });

  it("finds the service's own store and queue by their ports, as does upload", async () => {
    const { s3Endpoint, sqsEndpoint } = runtime.service;
    const ports = { S3_PORT: new URL(s3Endpoint ?? "").port, SQS_PORT: new URL(sqsEndpoint ?? "").port };
    const folder = fileURLToPath(new URL("../../infra/events/scan-7d1f52c4", import.meta.url));
    expect(await cliJson(["upload", folder, "--prefix", "ports/"], ports)).toMatchObject([
      { findingsKey: "ports/scan-7d1f52c4/findings.json" },
    ]);
    expect(await cliJson(["status", "ports/"], ports)).toMatchObject({ scans: { waiting: 1 }, notes: [] });
  });

  it("--watch refreshes until it is interrupted", async () => {
    const running = startCli(["status", "b/", "--watch", "0.1", "--json"], env);
    const first = await running.outputLines(1);
    await putScan(runtime.service.clients.s3, "b/another");
    const before = first.length;
    await running.outputLines(before + 2);
    running.kill("SIGINT");
    const { code, stdout } = await running.result;
    expect(code).toBe(0);
    const seen = stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as Status).scans.waiting);
    expect([seen[0], seen.at(-1)]).toEqual([1, 2]);
  });

  it.each(["0"])("rejects --watch %s", async (seconds) => {
    expect(await cli(["status", `--watch=${seconds}`], env)).toMatchObject({ code: 1, stdout: "" });
  });
});

describe("the progress of an import", () => {
  const now = Date.parse("2026-11-24T12:00:00Z");
  const at = (minutes: number) => new Date(now - minutes * 60_000).toISOString();
  const note = { version: 1, jobKey: "key", refusals: 0 } as const;
  it.each([
    [note, "begun"],
    [{ ...note, postedAt: at(2) }, "sent to DefectDojo 2m ago"],
    [
      { ...note, postedAt: at(9), progress: { testId: 4, findings: 120, since: at(1) } },
      "test 4 has 120 findings, the last 1m ago",
    ],
    [{ ...note, waits: { messageId: "m", count: 3 } }, "waited 3 times"],
    [
      { ...note, lastError: { reason: "dojo-busy", message: "HTTP 503", at: at(0.5) } },
      "failed 30s ago: dojo-busy: HTTP 503",
    ],
  ])("%j", (given, expected) => {
    expect(howFar(given, now)).toBe(expected);
  });
});

it("truncates a long list of open scans and says so", () => {
  const open = Array.from({ length: 30 }, (_, n) => ({ key: `k${n}`, state: "waiting", what: "" }) as const);
  const findings = { findings: 0, ...NO_FINDINGS };
  const text = toText({
    scans: { done: 0, running: 0, waiting: 30 },
    findings,
    follow: [],
    onlyInScan: 0,
    losses: [],
    outdated: 0,
    open,
    unknownAnnotations: 0,
    notes: [],
  });
  expect(text).toMatch(/k19 +waiting\nand 10 more$/);
  const losses = [{ key: "a/findings.json", loss: "DefectDojo keeps less than the scanner found: 1 of 8 findings" }];
  const less = toText({
    scans: { done: 1, running: 0, waiting: 0 },
    findings,
    follow: [{ upTo: "2026-11-24T12:00:00.000Z", lagSeconds: 7 }],
    onlyInScan: 7,
    losses,
    outdated: 0,
    open: [],
    unknownAnnotations: 0,
    notes: [],
  });
  expect(less).toMatch(/^verdicts {2}up to 2026-11-24T12:00:00\.000Z, 7 s ago$/m);
  expect(less).toMatch(
    /^ +7 more that only the scanners found: DefectDojo has no counterpart\na\/findings.json: .* 1 of 8 findings$/m,
  );
});
