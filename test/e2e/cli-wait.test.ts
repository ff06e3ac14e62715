import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { WaitResult } from "../../cli/wait/wait-result.ts";
import { ANNOTATION_PREFIX } from "../../lib/model/scan.ts";
import { cli, cliJson, startCli } from "./cli.ts";
import { putScan, silence } from "./cli-bucket.ts";
import { type Runtime, startRuntime } from "./runtime.ts";

/** Findings of each severity in secureCodeBox's format. */
const findings = (...severities: string[]) =>
  JSON.stringify(
    severities.map((severity, index) => ({ name: `${severity} ${index}`, severity, category: "c", description: "d" })),
  );

/** One row per outcome of a wait, with its exit code. Each is tested below. */
const EXIT_CODES = {
  passed: 0,
  error: 1,
  gate: 2,
  deadLettered: 3,
  timedOut: 4,
  superseded: 5,
  leftOut: 6,
  interrupted: 130,
};

describe("wait: the gate of a pipeline", { timeout: 120_000 }, () => {
  let runtime: Runtime;
  let env: Record<string, string>;
  const at = (folder: string) => `s3://${runtime.service.bucket}/${folder}/`;
  beforeAll(async () => {
    runtime = await startRuntime();
    const { s3Endpoint, sqsEndpoint, clients } = runtime.service;
    env = { AWS_ENDPOINT_URL_S3: s3Endpoint, AWS_ENDPOINT_URL_SQS: sqsEndpoint };
    const same = { findings: findings("HIGH", "MEDIUM", "LOW"), annotations: { "product-name": "same" } };
    await runtime.ended(await putScan(clients.s3, "first", same));
    await runtime.ended(await putScan(clients.s3, "second", same));
    await runtime.ended(await putScan(clients.s3, "broken", { findings: "{}" }));
  });
  afterAll(() => runtime.stop());

  it(`${EXIT_CODES.passed}: the receipt exists; counts of verdicts and severities as text and JSON`, async () => {
    const { code, stdout } = await cli(["wait", at("first")], env);
    expect(code).toBe(EXIT_CODES.passed);
    expect(stdout).toMatch(/^findings {2}3: 0 critical, 1 high, 1 medium, 1 low, 0 info$/m);
    expect(stdout).toMatch(/^verdicts {2}3 new$/m);
    expect(stdout).toMatch(/^test {6}Generic Findings Import, http:\/\/\S+\/test\/\d+$/m);
    const [result] = await cliJson<WaitResult[]>(["wait", at("second"), "--fail-on", "info:new"], env);
    expect(result).toMatchObject({ ended: "passed", receipt: { duplicates: 3 }, gate: { passed: true } });
  });

  it.each([
    ["high:new", "first", EXIT_CODES.gate, 1],
    ["high", "first", EXIT_CODES.gate, 1],
    ["medium:new", "first", EXIT_CODES.gate, 2],
    ["critical:any", "first", EXIT_CODES.passed, 0],
    ["low:new", "second", EXIT_CODES.passed, 0],
    ["low:active", "second", EXIT_CODES.gate, 3],
    ["high:any", "second", EXIT_CODES.gate, 1],
  ])("%s of %s ends with %i", async (rule, folder, expected, count) => {
    const { code, stdout } = await cli(["wait", at(folder), "--fail-on", rule, "--json"], env);
    const [result] = JSON.parse(stdout) as WaitResult[];
    expect([code, result?.gate?.rules[0]?.findings]).toEqual([expected, count]);
    expect(result?.ended).toBe(expected === EXIT_CODES.gate ? "gate failed" : "passed");
    expect(result?.gate?.examples.map(({ severity }) => severity)).toEqual(["High", "Medium", "Low"].slice(0, count));
  });

  it(`${EXIT_CODES.error}: wrong usage`, async () => {
    for (const args of [[], ["first/"], [at("first"), "--timeout", "soon"], [at("first"), "--fail-on", "high:old"]]) {
      expect(await cli(["wait", ...args], env)).toMatchObject({ code: EXIT_CODES.error, stdout: "" });
    }
  });

  it(`${EXIT_CODES.deadLettered}: in the dead-letter queue, with its reason and advice`, async () => {
    const { code, stdout } = await cli(["wait", at("first"), at("broken"), "--fail-on", "high:new"], env);
    expect(code).toBe(EXIT_CODES.deadLettered);
    expect(stdout).toMatch(/^dead-lettered {2}s3:\/\/\S+\/broken\/findings.json\n {10}findings-invalid: /m);
    expect(stdout).toContain("dojo-relay dlq show ");
    expect(stdout).toMatch(/^gate {6}FAILED: 1 of high:new\n {10}High {6}High 0 {2}http/m);
  });

  it(`${EXIT_CODES.timedOut}: no receipt in time, even if the queues are unreachable`, async () => {
    const nothing = await cli(["wait", at("nowhere"), "--timeout", "1s"], env);
    expect(nothing).toMatchObject({ code: EXIT_CODES.timedOut });
    expect(nothing.stdout).toContain("the findings do not exist yet");
    const unreachable = { ...env, AWS_ENDPOINT_URL_SQS: "http://127.0.0.1:1" };
    const blind = await cli(["wait", at("broken"), "--timeout", "1s"], unreachable);
    expect([blind.code, blind.stderr]).toEqual([
      EXIT_CODES.timedOut,
      expect.stringContaining("queues cannot be reached"),
    ]);
  });

  it(`${EXIT_CODES.leftOut}: annotated do-not-import`, async () => {
    await putScan(runtime.service.clients.s3, "left-out", { annotations: { "do-not-import": "true" } });
    expect(await cli(["wait", at("left-out")], env)).toMatchObject({ code: EXIT_CODES.leftOut });
  });

  describe("where nobody imports", () => {
    beforeAll(() => silence(runtime.service.clients.s3));

    it(`${EXIT_CODES.superseded}: replaced by a newer upload`, async () => {
      const { s3 } = runtime.service.clients;
      await putScan(s3, "again");
      const running = startCli(["wait", at("again"), "--timeout", "60s"], env);
      await running.lines(1);
      await putScan(s3, "again", { findings: findings("LOW") });
      const { code, stdout } = await running.result;
      expect([code, stdout]).toEqual([EXIT_CODES.superseded, expect.stringContaining("uploaded again")]);
    });

    it("does not accept an earlier run's receipt for a later run with the same findings", async () => {
      const sidecar = (uid: string) =>
        JSON.stringify({
          metadata: { name: "run", uid, annotations: { [`${ANNOTATION_PREFIX}product-name`]: "same" } },
          spec: { scanType: "subfinder" },
        });
      await putScan(runtime.service.clients.s3, "first", {
        sidecar: sidecar("later"),
        findings: findings("HIGH", "MEDIUM", "LOW"),
      });
      expect(await cli(["wait", at("first"), "--timeout", "1s"], env)).toMatchObject({ code: EXIT_CODES.timedOut });
    });

    it(`${EXIT_CODES.interrupted}: interrupted`, async () => {
      await putScan(runtime.service.clients.s3, "long");
      const running = startCli(["wait", at("long"), "--timeout", "60s"], env);
      await running.lines(1);
      running.kill("SIGINT");
      expect(await running.result).toMatchObject({ code: EXIT_CODES.interrupted });
    });
  });
});
