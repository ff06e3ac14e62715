import { afterEach, describe, expect, it } from "vitest";
import { readNotifyConfig } from "../../../lib/config.ts";
import { describeError } from "../../../lib/errors.ts";
import { configuredWebhook } from "../../../lib/webhook/notify-ports.ts";
import { httpWebhook } from "../../../lib/webhook/webhook.ts";
import { type Handler, json, type TestServer, testServer } from "../../helpers/http-server.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

let servers: TestServer[] = [];
const serve = async (handle: Handler) => {
  const server = await testServer(handle);
  servers.push(server);
  return server;
};
afterEach(async () => {
  await Promise.all(servers.map(({ close }) => close()));
  servers = [];
});
const SECRET = "T0PSECRET/B0123456789/abcdefghijklmnop";
const to = (url: string, timeoutMs = 5_000) => httpWebhook({ url: async () => url, timeoutMs });

describe("a webhook", () => {
  it("gets JSON with an id to recognize repeats", async () => {
    const server = await serve((_, response) => void response.end("ok"));
    await to(`${server.url}/hook?x=1`).send({ a: "ü" }, "id-1");
    expect(server.received).toMatchObject([
      { method: "POST", url: "/hook?x=1", headers: { "idempotency-key": "id-1", "content-type": "application/json" } },
    ]);
    expect(JSON.parse(server.received[0]?.body.toString() ?? "")).toEqual({ a: "ü" });
  });

  it.each([
    [400, "webhook-refused", "permanent"],
    [404, "webhook-refused", "permanent"],
    [410, "webhook-refused", "permanent"],
    [408, "webhook-unavailable", "transient"],
    [500, "webhook-unavailable", "transient"],
    [503, "webhook-unavailable", "transient"],
  ])("that answers %i: %s", async (status, reason, errorClass) => {
    const server = await serve((_, response) => json(response, status, { error: "no_service" }));
    const error = await relayErrorBy(() => to(server.url).send({}, "x"));
    expect(error).toMatchObject({ reason, errorClass, status });
    expect(error.message).toContain(`HTTP ${status}: {"error":"no_service"}`);
  });

  it.each([
    ["7", 7],
    ["99999", 3_600],
    ["soon", undefined],
    [new Date(Date.now() + 60_000).toUTCString(), expect.any(Number)],
  ])("that throttles tells when: %s", async (retryAfter, seconds) => {
    const server = await serve((_, response) => json(response, 429, {}, { "retry-after": retryAfter }));
    expect((await relayErrorBy(() => to(server.url).send({}, "x"))).retryAfterSeconds).toEqual(seconds);
  });

  it("does not follow redirects", async () => {
    const elsewhere = await serve((_, response) => void response.end("ok"));
    const server = await serve((_, response) => void response.writeHead(307, { location: elsewhere.url }).end());
    const error = await relayErrorBy(() => to(server.url).send({}, "x"));
    expect(error).toMatchObject({ reason: "webhook-refused", message: expect.stringContaining("not followed") });
    expect(elsewhere.received).toEqual([]);
  });

  it("appears in errors by its host alone, as its URL is secret", async () => {
    const server = await serve((request, response) => json(response, 403, `no such hook: ${request.url}`));
    const refused = await relayErrorBy(() => to(`${server.url}/${SECRET}`).send({}, "x"));
    await server.close();
    servers = [];
    const away = await relayErrorBy(() => to(`${server.url}/${SECRET}`).send({}, "x"));
    for (const error of [refused, away]) {
      expect(describeError(error)).not.toContain(SECRET);
      expect(error.message).toContain(`webhook 127.0.0.1:${server.port}`);
    }
    expect(away.reason).toBe("webhook-unavailable");
  });

  it("blocks nothing when it does not answer or never stops", async () => {
    const silent = await serve(() => undefined);
    expect(await relayErrorBy(() => to(silent.url, 50).send({}, "x"))).toMatchObject({ reason: "webhook-unavailable" });
    const endless = await serve((_, response) => {
      response.writeHead(400);
      response.write("x".repeat(200_000));
    });
    expect(await relayErrorBy(() => to(endless.url).send({}, "x"))).toMatchObject({ reason: "webhook-refused" });
  });
});

describe("NOTIFY_URL", () => {
  it.each(["https://hooks.example.com/x", "http://127.0.0.1:1/x", "http://localhost/x", "http://[::1]:9/x"])(
    "may be %s",
    (url) => {
      expect(readNotifyConfig({ NOTIFY_URL: url })).toMatchObject({ NOTIFY_URL: url });
    },
  );

  it.each(["http://hooks.example.com/x", "ftp://x/y", "https://user:pass@x/y", "http://localhost.example.com/", "x"])(
    "may not be %s, and the error does not repeat it",
    async (url) => {
      const error = await relayErrorBy(() => readNotifyConfig({ NOTIFY_URL: url }));
      expect(error).toMatchObject({ reason: "config-invalid", message: expect.stringContaining("NOTIFY_URL: ") });
      expect(error.message).not.toContain("example.com");
    },
  );

  it("is off without a URL; takes a severity in any case; checks the title's placeholders", async () => {
    expect(configuredWebhook(readNotifyConfig({}), {})).toBeUndefined();
    expect(configuredWebhook(readNotifyConfig({ NOTIFY_URL: "https://x/y" }), {})).toBeDefined();
    expect(configuredWebhook(readNotifyConfig({ NOTIFY_URL_SECRET: "s" }), {})).toBeDefined();
    expect(configuredWebhook(readNotifyConfig({ NOTIFY_URL_PARAMETER: "p" }), {})).toBeDefined();
    expect(readNotifyConfig({ NOTIFY_MINIMUM_SEVERITY: "high" }).NOTIFY_MINIMUM_SEVERITY).toBe("High");
    for (const bad of [
      { NOTIFY_MINIMUM_SEVERITY: "huge" },
      { NOTIFY_TITLE: "{nwe} findings" },
      { NOTIFY_FORMAT: "irc" },
    ])
      expect((await relayErrorBy(() => readNotifyConfig(bad))).reason).toBe("config-invalid");
  });
});
