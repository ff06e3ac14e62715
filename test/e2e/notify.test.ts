import { afterEach, describe, expect, it } from "vitest";
import { type Handler, type TestServer, testServer } from "../helpers/http-server.ts";
import { cli, cliJson } from "./cli.ts";
import { putScan } from "./cli-bucket.ts";
import { type Runtime, startRuntime } from "./runtime.ts";

const findings = (...severities: string[]) =>
  JSON.stringify(
    severities.map((severity, index) => ({ name: `${severity} ${index}`, severity, category: "c", description: "d" })),
  );

describe("start notifies NOTIFY_URL about receipts", { timeout: 120_000 }, () => {
  let runtime: Runtime | undefined;
  let receiver: TestServer | undefined;
  afterEach(async () => {
    await runtime?.stop();
    await receiver?.close();
    [runtime, receiver] = [undefined, undefined];
  });
  const start = async (answer: Handler, env: Record<string, string> = {}) => {
    receiver = await testServer(answer);
    const url = `${receiver.url}/hooks/T0PSECRET/0123456789`;
    runtime = await startRuntime({ NOTIFY_URL: url, ...env });
    const { s3Endpoint, clients } = runtime.service;
    return { runtime, receiver, s3: clients.s3, env: { AWS_ENDPOINT_URL_S3: s3Endpoint, NOTIFY_URL: url } };
  };
  const bodies = (server: TestServer) =>
    server.received.map(({ body }) => JSON.parse(body.toString()) as Record<string, unknown>);
  const until = async (what: () => boolean) => {
    while (!what()) await new Promise((resolve) => setTimeout(resolve, 20));
  };

  it("with new real findings, without known ones, and with each verdict once", async () => {
    const { runtime, receiver, s3 } = await start((_, response) => void response.end(), { FOLLOW_SECONDS: "1" });
    const same = { annotations: { "product-name": "Shop" }, findings: findings("HIGH", "MEDIUM", "LOW") };
    await runtime.ended(await putScan(s3, "monday", same));
    await until(() => receiver.received.length >= 1);
    expect(bodies(receiver)[0]).toMatchObject({ title: "2 new findings in Shop (monday)", new: { count: 2 } });
    await runtime.ended(await putScan(s3, "tuesday", same));
    const [high] = JSON.parse((await runtime.get("monday/findings.json"))?.toString() ?? "[]") as {
      attributes: Record<string, number>;
    }[];
    await fetch(`${runtime.standin.url}/api/v2/findings/${high?.attributes["defectdojo.org/finding-id"]}/`, {
      method: "PATCH",
      headers: { authorization: `Token ${runtime.standin.apiKey}`, "content-type": "application/json" },
      body: JSON.stringify({ false_p: true, active: false, verified: false }),
    });
    const ofMonday = () =>
      bodies(receiver)
        .slice(1)
        .filter(({ scan }) => (scan as { name: string }).name === "monday");
    await until(() => ofMonday().length > 0);
    const told = ofMonday();
    expect(told).toMatchObject([
      { new: { count: 0 }, changed: { findings: [{ change: expect.stringContaining("false positive") }] } },
    ]);
  });

  it("repeatedly until the receiver is back, and after a restart from the notes in the bucket", async () => {
    let down = true;
    const { runtime, receiver, s3, env } = await start((_, response) => {
      response.statusCode = down ? 400 : 200;
      response.end();
    });
    await runtime.ended(await putScan(s3, "lost", { findings: findings("HIGH") }));
    await until(() => receiver.received.length >= 1);
    expect(await runtime.keys(".dojo-relay/notify/open/")).toHaveLength(1);
    down = false;
    expect(await cliJson(["notify"], env)).toEqual({ sent: 1, nothing: 0, failed: 0 });
    expect(await cliJson(["notify"], env)).toEqual({ sent: 0, nothing: 1, failed: 0 });
    expect(await runtime.keys(".dojo-relay/notify/open/")).toEqual([]);
    expect(receiver.received.map(({ headers }) => headers["idempotency-key"])).toEqual(
      Array(2).fill(receiver.received[0]?.headers["idempotency-key"]),
    );
  });

  it("through a command that reports its actions and never shows the URL", async () => {
    const { runtime, receiver, s3, env } = await start((_, response) => {
      response.statusCode = 403;
      response.end();
    });
    await runtime.ended(await putScan(s3, "refused", { findings: findings("HIGH") }));
    const { code, stdout, stderr } = await cli(["notify"], env);
    expect([code, stdout]).toEqual([1, "0 sent, 0 without news, 1 failed\n"]);
    expect(stderr).toContain("HTTP 403");
    expect(stdout + stderr).not.toContain("T0PSECRET");
    expect(await cliJson(["notify", "--mark"], env)).toMatchObject({ nothing: 1 });
    expect(await cliJson(["notify"], env)).toEqual({ sent: 0, nothing: 1, failed: 0 });
    const test = await cli(["notify", "--test"], { ...env, NOTIFY_FORMAT: "slack" });
    expect([test.code, test.stderr]).toEqual([1, expect.stringContaining("HTTP 403")]);
    expect(JSON.parse(receiver.received.at(-1)?.body.toString() ?? "")).toMatchObject({
      text: expect.stringContaining("Test message"),
    });
    expect(await cli(["notify"], { AWS_ENDPOINT_URL_S3: env.AWS_ENDPOINT_URL_S3 })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("NOTIFY_URL is not set"),
    });
  });
});
