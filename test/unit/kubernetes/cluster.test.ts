import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { stringify } from "yaml";
import { type Cluster, openCluster, type ScanEvent } from "../../../cli/kubernetes/cluster.ts";
import { clusterScans } from "../../../cli/runtime/cluster-scans.ts";
import { readServiceConfig } from "../../../lib/config.ts";
import { aScanResource } from "../../helpers/cluster.ts";
import { type Handler, testServer } from "../../helpers/http-server.ts";
import { recorder } from "../../helpers/recorder.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";
import { someTurns } from "../../helpers/turns.ts";

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const clean of cleanUp.splice(0).toReversed()) await clean();
});

/** A server that answers as the Kubernetes API does, and the kubeconfig that leads to it. */
async function api(handle: Handler) {
  const server = await testServer(handle);
  const folder = await mkdtemp(join(tmpdir(), "kubeconfig-test-"));
  cleanUp.push(server.close, () => rm(folder, { recursive: true }));
  const KUBECONFIG = join(folder, "kubeconfig");
  // Without TLS the client insists on a server whose certificate is not looked at.
  const config = {
    ...{ apiVersion: "v1", kind: "Config", "current-context": "test" },
    clusters: [{ name: "test", cluster: { server: server.url, "insecure-skip-tls-verify": true } }],
    users: [{ name: "test", user: { token: "secret-token" } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
  };
  await writeFile(KUBECONFIG, stringify(config));
  return { ...server, env: { KUBECONFIG } };
}

const paths = ({ received }: { received: readonly { url: string }[] }) => received.map(({ url }) => decodeURI(url));
const line = (event: ScanEvent) => `${JSON.stringify(event)}\n`;
const ADDED: ScanEvent = { type: "ADDED", object: aScanResource() };

function watching(cluster: Cluster, signal = new AbortController().signal) {
  const events: ScanEvent[] = [];
  const ended = cluster.watchScans("scans", "5", (event) => void events.push(event), signal);
  return { events, ended };
}

describe("the Kubernetes API over HTTP", () => {
  it("is asked for pages, as the service account", async () => {
    const server = await api((_, response) => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ metadata: { resourceVersion: "5", continue: "" }, items: [aScanResource()] }));
    });
    const cluster = await openCluster(server.env);
    expect(await cluster.listScans("scans", "token")).toEqual({
      items: [aScanResource()],
      resourceVersion: "5",
      next: undefined,
    });
    const [path = ""] = paths(server);
    expect(path.split("?")[0]).toBe("/apis/execution.securecodebox.io/v1/namespaces/scans/scans");
    expect(Object.fromEntries(new URLSearchParams(path.split("?")[1]))).toEqual({ limit: "250", continue: "token" });
    expect(server.received[0]?.headers.authorization).toBe("Bearer secret-token");
  });

  it.each([
    [429, "cluster-unavailable"],
    [410, "cluster-unavailable"],
    [500, "cluster-unavailable"],
    [403, "cluster-refused"],
  ])("answers %d: that is %s, with the API's words and without the token", async (status, reason) => {
    const server = await api((_, response) => {
      response.writeHead(status, { "content-type": "application/json", "retry-after": "1" });
      response.end(JSON.stringify({ kind: "Status", message: "the API's words", code: status }));
    });
    const cluster = await openCluster(server.env);
    const error = await relayErrorBy(() => cluster.listScans(undefined));
    expect(error).toMatchObject({ reason, status, message: expect.stringContaining("the API's words") });
    expect(JSON.stringify([error, error?.message, error?.cause])).not.toContain("secret-token");
    expect(await relayErrorBy(() => watching(cluster).ended)).toMatchObject({ reason, status });
  });

  it("ends a watch in order, after its events", async () => {
    const server = await api((_, response) => void response.end(line(ADDED)));
    const { events, ended } = watching(await openCluster(server.env));
    await ended;
    expect(events).toEqual([ADDED]);
    expect(paths(server)).toEqual([
      "/apis/execution.securecodebox.io/v1/namespaces/scans/scans?watch=true&resourceVersion=5&allowWatchBookmarks=true&timeoutSeconds=25",
    ]);
  });

  it("breaks a watch off: that is no end in order", async () => {
    const server = await api((_, response) => void response.write(line(ADDED), () => response.destroy()));
    const cluster = await openCluster(server.env);
    expect(await relayErrorBy(() => watching(cluster).ended)).toMatchObject({ reason: "cluster-unavailable" });
  });

  it.each([
    ["before its answer", () => undefined],
    ["in the middle of a watch", (response: ServerResponse) => response.write(line(ADDED))],
  ])("falls silent %s: that is no end in order either, since events may be lost", async (_, begin) => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { server, reached } = await silent(begin);
    const cluster = await openCluster(server.env);
    const ended = vi.fn<(error: unknown) => void>();
    void watching(cluster).ended.then(() => ended(undefined), ended);
    await reached;
    while (ended.mock.calls.length === 0) {
      await vi.advanceTimersByTimeAsync(5_000);
      await someTurns(1);
    }
    expect(ended).toHaveBeenCalledWith(expect.objectContaining({ reason: "cluster-unavailable" }));
  });

  it("is left where the process stops", async () => {
    const server = await api((_, response) => void response.write(line(ADDED)));
    const stopping = new AbortController();
    const { events, ended } = watching(await openCluster(server.env), stopping.signal);
    await vi.waitFor(() => expect(events).toHaveLength(1), { timeout: 30_000 });
    stopping.abort();
    await ended;
  });
});

describe("the service's use of it", () => {
  it("ends soon after it is told to, although the API does not answer", async () => {
    const { server, reached } = await silent(() => undefined);
    const service = readServiceConfig({ TRIGGER: "kubernetes" });
    const scans = await clusterScans(service, server.env, recorder().log);
    await reached;
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const stopped = vi.fn<() => void>();
    void scans?.stop().then(stopped);
    await someTurns();
    expect(stopped).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(stopped).toHaveBeenCalled();
  });
});

// --- utils ---

/** An API server that takes requests and never ends its answers. */
async function silent(begin: (response: ServerResponse) => unknown) {
  let asked = () => {};
  const reached = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const server = await api((_, response) => {
    begin(response);
    asked();
  });
  return { server, reached };
}
