import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { uri } from "../../lib/model/object-keys.ts";
import { cli, cliJson } from "./cli.ts";
import { BUCKET, put, putScan, startBucket, type TestBucket } from "./cli-bucket.ts";
import { aProductJob, startQueues, type TestQueues } from "./cli-queues.ts";

/** Clears the screen, sets colours, reverses the text direction, and fakes a new line. */
const EVIL = "a\u001b[2Jb\u009b31mc\u202ed\u007f\nsynced  e";
const KEY = `${EVIL}/findings.json`;
/** Everything that a terminal interprets, except our own line breaks. */
const OBEYED = /[^\P{Cc}\n]|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

describe("names from buckets and queues do not affect the terminal", { timeout: 120_000 }, () => {
  let bucket: TestBucket;
  let queues: TestQueues;
  let env: Record<string, string>;
  beforeAll(async () => {
    [bucket, queues] = await Promise.all([startBucket(), startQueues()]);
    env = { ...bucket.env, ...queues.env, DEFECTDOJO_URL: "http://127.0.0.1:9", DEFECTDOJO_APIKEY: "x" };
    await bucket.s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
    await putScan(bucket.s3, EVIL);
    await put(bucket.s3, `${EVIL}/defectdojo.json`, "{}");
    await queues.deadLetter({ ...aProductJob(1, EVIL), key: KEY });
  });
  afterAll(async () => {
    await queues[Symbol.asyncDispose]();
    await bucket[Symbol.asyncDispose]();
  });

  const idOf = async () => (await cliJson<{ id: string; findings: string }[]>(["dlq", "list"], env))[0]?.id ?? "";

  it.each([
    ["status", async () => ["status"]],
    ["backfill", async () => ["backfill", "--dry-run"]],
    ["dlq list", async () => ["dlq", "list"]],
    ["dlq show", async () => ["dlq", "show", await idOf()]],
    ["resync", async () => ["resync"]],
  ])("%s", async (_, args) => {
    const { stdout, stderr } = await cli(await args(), env);
    expect(`${stdout}${stderr}`).not.toMatch(OBEYED);
    expect(`${stdout}${stderr}`).not.toMatch(/^synced {2}e/m);
    expect(stdout + stderr).toContain("[2Jb\\u009b31mc\\u202ed\\u007f");
  });

  it("JSON contains them unchanged", async () => {
    const { open } = await cliJson<{ open: { key: string }[] }>(["status"], env);
    expect(open.map(({ key }) => key)).toEqual([KEY]);
    const [letter] = await cliJson<{ findings: string }[]>(["dlq", "list"], env);
    expect(letter?.findings).toBe(uri({ bucket: BUCKET, key: KEY }));
  });
});
