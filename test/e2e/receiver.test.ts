import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { s3Event } from "../helpers/events.ts";
import { cli } from "./cli.ts";
import { type Runtime, startRuntime } from "./runtime.ts";

const TOKEN = "receiver-token";
const authorization = `Bearer ${TOKEN}`;
const SIDECAR = { metadata: { name: "other" }, spec: { scanType: "nmap" } };

describe("the receiver", () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await startRuntime({ WEBHOOK_TOKEN: TOKEN, BUCKET: "mine" });
  });
  afterAll(() => runtime.stop());

  it("accepts notifications of its own bucket only", async () => {
    await runtime.put("scan-abc/scan.json", JSON.stringify(SIDECAR));
    await runtime.put("scan-abc/findings.json", "[]");
    expect(await runtime.ended("scan-abc/findings.json")).toMatchObject({ state: "done" });
    const body = JSON.stringify(s3Event());
    expect(body).toContain('"name":"securecodebox"');
    const response = await fetch(`${runtime.service.url}/events`, { method: "POST", headers: { authorization }, body });
    expect(await response.json()).toMatchObject({ enqueued: [], ignored: 1, deadLettered: 0 });
    expect(await runtime.takeDeadLetters()).toEqual([]);
  });

  it("serves every path in the help, including the page", async () => {
    const { stdout } = await cli(["start", "--help"]);
    const paths = [...stdout.matchAll(/(GET|POST) (\/[\w/]*)/g)].map(([, method = "", path = ""]) => [method, path]);
    expect(paths).toEqual(
      expect.arrayContaining([
        ["GET", "/"],
        ["POST", "/events"],
        ["GET", "/metrics"],
      ]),
    );
    for (const [method = "", path = ""] of paths) {
      const response = await fetch(runtime.service.url + path, { method });
      await response.body?.cancel();
      expect(response.status, path).not.toBe(404);
    }
  });
});
