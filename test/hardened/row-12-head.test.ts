import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Runtime, startRuntime } from "../e2e/runtime.ts";

describe("hardened 12: HEAD", () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await startRuntime({ WEBHOOK_TOKEN: "token" });
  });
  afterAll(() => runtime.stop());

  it.each(["/", "/page.js", "/healthz", "/metrics", "/api/scans"])(
    "%s is answered, and without a body",
    async (path) => {
      const headers = { authorization: "Bearer token" };
      const signal = AbortSignal.timeout(5_000);
      const response = await fetch(runtime.service.url + path, { method: "HEAD", headers, signal });
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toMatch(path === "/api/scans" ? /^text\/event-stream/ : /./);
      expect(await response.text()).toBe("");
    },
  );
});
