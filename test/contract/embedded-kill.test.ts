import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutBucketNotificationConfigurationCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { CreateQueueCommand, GetQueueUrlCommand } from "@aws-sdk/client-sqs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startEmbeddedS3 } from "../../infra/local/s3/server.ts";
import { startEmbeddedSqs } from "../../infra/local/sqs/server.ts";
import { s3Client, sqsClient } from "./aws.ts";
import { testQueue } from "./queue.contract.ts";
import { startWebhook } from "./webhook.ts";

const Bucket = "killed";
const WRITERS = 8;

describe("a SIGKILL", () => {
  let directory: string;
  let child: ChildProcess;
  let urls: { s3: string; sqs: string };
  const closers: (() => unknown)[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "dojo-relay-kill-"));
    child = spawn(process.execPath, [join(import.meta.dirname, "embedded-child.ts"), directory], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    if (!child.stdout) throw new Error("unreachable");
    const [line] = await once(createInterface(child.stdout), "line");
    urls = JSON.parse(line);
  });
  afterEach(async () => {
    child.kill("SIGKILL");
    for (const close of closers.splice(0).toReversed()) await close();
    await rm(directory, { recursive: true });
  });

  const kill = async () => {
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  };
  /** Writes in parallel until the server dies, and returns the acknowledged writes. */
  const writeUntilKilled = async (write: (name: string) => Promise<unknown>): Promise<string[]> => {
    const acknowledged: string[] = [];
    const writers = Array.from({ length: WRITERS }, async (_, writer) => {
      for (let count = 0; ; count++) {
        const name = `${writer}-${count}`;
        try {
          await write(name);
        } catch {
          return;
        }
        acknowledged.push(name);
        if (acknowledged.length === 100) await kill();
      }
    });
    await Promise.all(writers);
    return acknowledged;
  };

  test("loses no acknowledged object, part or event, and leaves no orphans", async () => {
    const dying = s3Client(urls.s3);
    await dying.send(new CreateBucketCommand({ Bucket }));
    const QueueConfigurations = [
      { QueueArn: "arn:minio:sqs::relay:webhook", Events: ["s3:ObjectCreated:Put" as const] },
    ];
    const NotificationConfiguration = { QueueConfigurations };
    await dying.send(new PutBucketNotificationConfigurationCommand({ Bucket, NotificationConfiguration }));
    const upload = { Bucket, Key: "upload" };
    const { UploadId } = await dying.send(new CreateMultipartUploadCommand(upload));
    await dying.send(new UploadPartCommand({ ...upload, UploadId, PartNumber: 1, Body: "part" }));
    const bodyOf = (key: string) => `${key} `.repeat(2_000);
    const acknowledged = await writeUntilKilled((Key) =>
      dying.send(new PutObjectCommand({ Bucket, Key, Body: bodyOf(Key), IfNoneMatch: "*" })),
    );
    expect(acknowledged.length).toBeGreaterThanOrEqual(100);
    dying.destroy();

    const webhook = await startWebhook();
    closers.push(webhook.close);
    const relay = { endpoint: `http://127.0.0.1:${webhook.port}/`, authToken: "token" };
    const server = await startEmbeddedS3({ dataDir: join(directory, "s3"), targets: { relay } });
    const client = s3Client(server.url);
    closers.push(server.close, () => client.destroy());
    for (const Key of acknowledged) {
      const object = await client.send(new GetObjectCommand({ Bucket, Key }));
      expect(await object.Body?.transformToString()).toBe(bodyOf(Key));
    }
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }));
    expect(await readdir(join(directory, "s3", "bodies"))).toHaveLength(Contents.length + 1);
    const told = (await webhook.waitFor(Contents.length)).map(({ body }) => JSON.parse(body).Key as string);
    expect(told.toSorted()).toEqual(Contents.map(({ Key }) => `${Bucket}/${Key}`).sort());
  });

  test("loses no acknowledged message, deduplication id or delete", async () => {
    const dying = sqsClient(urls.sqs);
    const name = { QueueName: "killed.fifo" };
    const { QueueUrl = "" } = await dying.send(new CreateQueueCommand({ ...name, Attributes: { FifoQueue: "true" } }));
    const before = testQueue(() => dying, QueueUrl);
    await before.send("deleted", { MessageDeduplicationId: "deleted" });
    await before.delete((await before.receive())[0]);
    const acknowledged = await writeUntilKilled((body) =>
      before.send(body, { MessageDeduplicationId: body, MessageGroupId: body.split("-")[0] }),
    );
    dying.destroy();

    const server = await startEmbeddedSqs({ dataDir: join(directory, "sqs") });
    const client = sqsClient(server.url);
    closers.push(server.close, () => client.destroy());
    const found = await client.send(new GetQueueUrlCommand(name));
    const queue = testQueue(() => client, found.QueueUrl ?? "");
    await queue.send("deleted", { MessageDeduplicationId: "deleted" });
    for (const body of acknowledged) await queue.send(body, { MessageDeduplicationId: body });
    const received: string[] = [];
    for (;;) {
      const messages = await queue.receive({ MaxNumberOfMessages: 10 });
      if (messages.length === 0) break;
      for (const message of messages) {
        received.push(message.Body ?? "");
        await queue.delete(message);
      }
    }
    // Unacknowledged writes may exist or not; nothing exists twice.
    expect(new Set(received).size).toBe(received.length);
    expect(received).toEqual(expect.arrayContaining(acknowledged));
    for (let writer = 0; writer < WRITERS; writer++) {
      const counts = received.filter((body) => body.startsWith(`${writer}-`)).map((body) => Number(body.split("-")[1]));
      expect(counts).toEqual(counts.toSorted((left, right) => left - right));
    }
  });
});
