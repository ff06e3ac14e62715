import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ensureQueues } from "../../cli/resources.ts";
import { startPoller } from "../../cli/runtime/poller.ts";
import { startEmbeddedSqs } from "../../infra/local/sqs/server.ts";
import { s3Client, sqsClient } from "../../lib/aws/clients.ts";
import { sqsQueue } from "../../lib/aws/sqs-queue.ts";
import { dojoApi } from "../../lib/defectdojo/api.ts";
import { dojoClient } from "../../lib/defectdojo/client.ts";
import { httpTransport } from "../../lib/defectdojo/http.ts";
import { verdictFeed } from "../../lib/defectdojo/verdict-feed.ts";
import { RelayError } from "../../lib/errors.ts";
import type { DefectDojo } from "../../lib/ports/defectdojo.ts";
import { systemClock } from "../../lib/util/clock.ts";
import { until } from "../../lib/util/until.ts";
import { collect } from "../helpers/collect.ts";
import { HOSTILE_LISTS, type HostileList, startHostileDojo } from "../helpers/hostile-dojo.ts";
import { recorder } from "../helpers/recorder.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const transportTo = (baseUrl: string) =>
  httpTransport({ baseUrl, apiKey: async () => "hostile-key-1", timeoutMs: 30_000 });
const dojoAt = (baseUrl: string) => dojoClient(transportTo(baseUrl), { baseUrl, readConcurrency: 4 });

/** One row per list that an import or a resync reads. */
const READS: Record<string, (dojo: DefectDojo, url: string) => Promise<unknown>> = {
  "tests of a build id": (dojo) => dojo.testsByBuildId("another key"),
  engagements: (dojo) =>
    dojo.engagement({
      productId: 1,
      name: "none",
      version: "",
      tags: [],
      branchTag: "",
      deduplicateOnEngagement: false,
      leadId: 1,
      start: "2026-01-01",
      end: "2026-01-01",
      orchestrated: false,
    }),
  "product types": (dojo) => dojo.productType("none", false),
  users: (dojo) => dojo.userNamed("none"),
  "a test type": (dojo) => dojo.hasTestType("none"),
  "test types": (dojo) => dojo.testType("none"),
  "findings of a test": (dojo) => drain(dojo.findingPages(1, undefined)),
  "findings in the feed": (_, url) => drain(verdictFeed(dojoApi(transportTo(url))).statusChanges()),
};

describe("hardened 2: endless lists of a broken DefectDojo", () => {
  for (const list of Object.keys(HOSTILE_LISTS) as HostileList[])
    it.each(Object.keys(READS))(`${list}: %s end, within bounds of requests and memory`, async (what) => {
      const dojo = await startHostileDojo(list);
      closers.push(dojo.close);
      const ended = await READS[what]?.(dojoAt(dojo.url), dojo.url).then(
        () => undefined,
        (error: unknown) => error,
      );
      // The error is a RelayError, but not a fault of dojo-relay.
      if (ended !== undefined) expect(ended).toBeInstanceOf(RelayError);
      if (ended instanceof RelayError) expect(ended.reason).not.toBe("internal");
      expect(dojo.requests()).toBeLessThan(2_500);
      expect(dojo.bytes()).toBeLessThan(64 * 1024 * 1024);
    });

  it("reads a consistent list to its end, even if a page has fewer items than requested", async () => {
    const all = Array.from({ length: 250 }, (_, index) => ({ id: index + 1, build_id: "key", engagement: 1 }));
    const dojo = await startHostileDojo("a count that is none", (request, response) => {
      const offset = Number(new URL(request.url ?? "", "http://x").searchParams.get("offset") ?? 0);
      response.end(JSON.stringify({ count: all.length, results: all.slice(offset, offset + 60) }));
      return true;
    });
    closers.push(dojo.close);
    expect(await dojoAt(dojo.url).testsByBuildId("key")).toHaveLength(250);
  });
});

describe("hardened 2: a job's work ends with its delivery", () => {
  it("starts no request, page, wait or store access after the end", async () => {
    const slow = await startHostileDojo("endless, growing", (_, response) => {
      setTimeout(() => response.end('{"count": 100000, "results": []}'), 50_000).unref();
      return true;
    });
    closers.push(slow.close);
    const s3 = s3Client(
      { AWS_REGION: "us-east-1", AWS_ENDPOINT_URL_S3: slow.url, AWS_ENDPOINT_URL_SQS: undefined },
      {},
    );
    const over = new AbortController();
    const works: (() => Promise<unknown>)[] = [
      () => dojoAt(slow.url).findingCount(1),
      () => systemClock.sleep(600_000),
      async () => {
        for (;;) await s3.send(new ListObjectsV2Command({ Bucket: "b" })).catch(() => systemClock.sleep(10));
      },
    ];
    const ends = works.map((work) => until(over.signal, work).catch((error: unknown) => error));
    // One of each is in flight, and neither gets a response before the end.
    await vi.waitFor(() => expect(slow.requests()).toBe(2), { timeout: 30_000 });
    const before = slow.requests();
    over.abort(new Error("the delivery is over"));
    for (const error of await Promise.all(ends)) expect(String(error)).toMatch(/over|abort/i);
    await sleep(300);
    expect(slow.requests()).toBe(before);
    await expect(until(over.signal, () => dojoAt(slow.url).findingCount(1))).rejects.toThrow(/the delivery is over/);
    expect(slow.requests()).toBe(before);
  });

  it("also if the poller abandons the handler", async () => {
    const dojo = await startHostileDojo("endless, growing", (_, response) => {
      setTimeout(() => response.end('{"count": 1}'), 20).unref();
      return true;
    });
    closers.push(dojo.close);
    const dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-end-"));
    closers.push(() => rm(dataDir, { recursive: true, force: true }));
    const server = await startEmbeddedSqs({ dataDir });
    closers.push(server.close);
    const sqs = sqsClient(
      { AWS_REGION: "us-east-1", AWS_ENDPOINT_URL_S3: undefined, AWS_ENDPOINT_URL_SQS: server.url },
      {},
    );
    const { queueUrl } = await ensureQueues(sqs, 60);
    await sqsQueue(sqs, queueUrl).send({ body: "x", group: "g", deduplicationId: "d" });
    const { log, metrics, counts } = recorder();
    const poller = startPoller({
      sqs,
      queueUrl,
      handler: (_, { end }) =>
        until(end, async () => {
          const client = dojoAt(dojo.url);
          for (;;) await client.findingCount(1);
        }),
      ...{ concurrency: 1, timeoutMs: 100, breaksOffPolls: true, log, metrics },
    });
    closers.push(() => poller.stop(100));
    await vi.waitFor(() => expect(counts.get("JobsRetried")).toBe(1), { timeout: 30_000 });
    const at = dojo.requests();
    expect(at).toBeGreaterThan(10);
    await sleep(500);
    expect(dojo.requests() - at).toBeLessThan(2);
  });
});

/** Reads and discards, like a stage. */
async function drain(items: AsyncIterable<unknown>): Promise<void> {
  await collect(items);
}
