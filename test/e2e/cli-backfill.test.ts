import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { importNeeded } from "../../cli/backfill-scans.ts";
import { jobKey } from "../../lib/model/job.ts";
import { ownMetadata, type Receipt } from "../../lib/model/receipt.ts";
import { cli, cliJson, startCli } from "./cli.ts";
import { BUCKET, put, putScan, remove, silence, someFindings, startBucket, type TestBucket } from "./cli-bucket.ts";
import { startQueues } from "./cli-queues.ts";
import { startRuntime } from "./runtime.ts";

interface Backfill {
  readonly scans: readonly { key: string; outcome: string; why: string; reason?: string }[];
  readonly enqueued: number;
  readonly done: number;
  readonly notSelected: number;
  readonly failed: number;
  readonly lastKey: string | null;
}

const whys = ({ scans }: Backfill) => Object.fromEntries(scans.map(({ key, why }) => [key.split("/")[0], why]));
const keysOf = (messages: readonly { Body?: string | undefined }[]) =>
  messages.map(({ Body = "" }) => (JSON.parse(Body) as { key: string }).key);

describe("an import is needed", () => {
  const ref = { bucket: BUCKET, key: "scan/findings.json" };
  const job = { ...ref, version: 1, kind: "import", etag: "e1" } as const;
  const upload = (etag: string) => ({ etag, size: 1, lastModified: undefined, metadata: {} });
  const writtenBack = { etag: "own", size: 1, lastModified: undefined, metadata: ownMetadata(job) };
  const receipt = (etag: string, changes: Partial<Receipt> = {}) =>
    ({ jobKey: jobKey({ ...ref, etag }), etag, outcome: "synced", ...changes }) as Receipt;
  it.each([
    ["no receipt", upload("e1"), undefined, "e1"],
    ["a receipt of an older upload", upload("e2"), receipt("e1"), "e2"],
    ["synced, and uploaded again", upload("e1"), receipt("e1"), "e1"],
    ["a receipt copied from another folder", upload("e1"), receipt("e1", { jobKey: "other" }), "e1"],
    ["written back without a receipt", writtenBack, undefined, "e1"],
    ["written back with another upload's receipt", writtenBack, receipt("e0"), "e1"],
    ["synced", writtenBack, receipt("e1"), undefined],
    ["imported in read-only mode", upload("e1"), receipt("e1", { outcome: "imported" }), undefined],
    ["outdated", upload("e1"), receipt("e1", { outcome: "outdated" }), undefined],
    ["outdated, and uploaded anew", upload("e2"), receipt("e1", { outcome: "outdated" }), "e2"],
    ["outdated, and forced", upload("e1"), receipt("e1", { outcome: "outdated" }), "e1", true],
    ["imported in read-only mode, and forced", upload("e1"), receipt("e1", { outcome: "imported" }), undefined, true],
  ])("%s", (_, head, stored, etag, force = false) => {
    expect(importNeeded(ref, head, stored, force)?.etag).toBe(etag);
  });
});

describe("backfill over 300 scans", { timeout: 120_000 }, () => {
  const SCANS = 300;
  const expected = Array.from({ length: SCANS }, (_, n) => `nightly/scan-${String(n).padStart(3, "0")}/findings.json`);
  let bucket: TestBucket;

  beforeAll(async () => {
    bucket = await startBucket();
    await bucket.s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
    for (let at = 0; at < SCANS; at += 30) {
      const some = expected.slice(at, at + 30).map((key) => key.replace("/findings.json", ""));
      await Promise.all(some.map((folder) => putScan(bucket.s3, folder)));
    }
    await putScan(bucket.s3, "other/bad-1", { sidecar: "" });
    await putScan(bucket.s3, "other/bad-2", { sidecar: "{}" });
    await putScan(bucket.s3, "other/not-this", { annotations: { "do-not-import": "true" } });
  });
  afterAll(() => bucket[Symbol.asyncDispose]());

  it("enqueues each scan once, reports a malformed one without stopping, and skips unselected ones", async () => {
    await using queues = await startQueues();
    const env = { ...bucket.env, ...queues.env };
    const dry = await cliJson<Backfill>(["backfill", "--dry-run"], env);
    expect(dry).toMatchObject({ enqueued: SCANS, done: 0, notSelected: 1, failed: 2 });
    expect(await queues.count("queue")).toEqual({ waiting: 0, inFlight: 0 });

    const { code, stdout } = await cli(["backfill"], env);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /^failed {2}s3:\/\/securecodebox\/other\/bad-1\/findings\.json {2}\(.*scan\.json does not exist/m,
    );
    expect(stdout).toMatch(
      /^enqueued {2}s3:\/\/securecodebox\/nightly\/scan-000\/findings\.json {2}\(never imported\)$/m,
    );
    expect(stdout).toMatch(/^303 scans: 300 enqueued, 0 done, 1 not selected, 2 failed$/m);
    // Once more at once: the same messages to the queue.
    expect(await cliJson(["backfill", "nightly/"], env)).toMatchObject({ enqueued: SCANS, failed: 0 });
    expect(keysOf(await queues.drain("queue")).sort()).toEqual(expected);
  });

  it("continues where it stopped", async () => {
    await using queues = await startQueues();
    const env = { ...bucket.env, ...queues.env };
    const running = startCli(["backfill", "nightly/", "--rate", "40", "--json"], env);
    while ((await queues.count("queue")).waiting < 40) await new Promise((resolve) => setTimeout(resolve, 5));
    running.kill("SIGINT");
    const { code, stdout, stderr } = await running.result;
    expect(code).toBe(130);
    const { lastKey, enqueued } = JSON.parse(stdout) as Backfill;
    expect(stderr).toContain(`continue with: dojo-relay backfill 'nightly/' --after '${lastKey}'`);
    const rest = await cliJson<Backfill>(["backfill", "nightly/", "--after", lastKey ?? ""], env);
    expect(enqueued + rest.enqueued).toBe(SCANS);
    expect(keysOf(await queues.drain("queue")).sort()).toEqual(expected);
  });
});

describe("backfill while the service runs", () => {
  it("finds scans with lost notifications or later changes, and imports nothing twice", {
    timeout: 120_000,
  }, async () => {
    const runtime = await startRuntime();
    try {
      const { clients, s3Endpoint, sqsEndpoint } = runtime.service;
      const { s3 } = clients;
      const env = { AWS_ENDPOINT_URL_S3: s3Endpoint, AWS_ENDPOINT_URL_SQS: sqsEndpoint };
      await silence(s3);
      const names = ["one", "two", "three", "four", "five"];
      const keys = await Promise.all(names.map((name) => putScan(s3, name, { annotations: { "product-name": name } })));
      expect(await cliJson(["backfill"], env)).toMatchObject({ enqueued: 5, failed: 0 });
      await Promise.all(keys.map((key) => runtime.ended(key)));
      expect(runtime.standin.state.tests.size).toBe(5);
      expect(await cliJson(["backfill"], env)).toMatchObject({ enqueued: 0, done: 5, scans: [] });

      await put(s3, "one/findings.json", someFindings("another one", 2));
      await put(s3, "two/findings.json", someFindings("two"));
      await remove(s3, "three/defectdojo.json");
      const again = await cliJson<Backfill>(["backfill"], env);
      expect(whys(again)).toEqual({
        one: "a newer upload than what was imported",
        two: "the same findings were uploaded again",
        three: "written back, but without its receipt",
      });
      await Promise.all(["one", "two", "three"].map((name) => runtime.ended(`${name}/findings.json`, 1)));
      expect(runtime.standin.state.tests.size).toBe(6);
      expect(await runtime.receipt("three/findings.json")).toMatchObject({ outcome: "synced" });
      expect(await cliJson(["backfill", "--since", "1h"], env)).toMatchObject({ enqueued: 0, done: 5 });
      expect(await cliJson(["backfill", "--since", "2100-01-01"], env)).toMatchObject({ enqueued: 0, done: 0 });
    } finally {
      await runtime.stop();
    }
  });

  it.each(["yesterday", "7", "x2026"])("rejects --since %s", async (since) => {
    const { code, stderr } = await cli(["backfill", "--since", since]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/must be a date .* or an age/);
  });
});
