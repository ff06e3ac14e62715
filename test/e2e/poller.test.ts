import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GetQueueAttributesCommand, type SQSClient } from "@aws-sdk/client-sqs";
import type { SQSBatchResponse } from "aws-lambda";
import { afterEach, expect, it, vi } from "vitest";
import { fifo } from "../../cli/dlq/fifo.ts";
import { ensureQueues } from "../../cli/resources.ts";
import { startPoller } from "../../cli/runtime/poller.ts";
import { startEmbeddedSqs } from "../../infra/local/sqs/server.ts";
import { sqsQueue } from "../../lib/aws/sqs-queue.ts";
import { sqsClient } from "../contract/aws.ts";
import { recorder } from "../helpers/recorder.ts";

const HIDDEN_SECONDS = 600;

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** A queue with a long visibility timeout and one message per body, each in its own group. */
async function queueWith(...bodies: string[]) {
  const dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-poller-"));
  closers.push(() => rm(dataDir, { recursive: true, force: true }));
  let ahead = 0;
  const server = await startEmbeddedSqs({ dataDir, now: () => Date.now() + ahead });
  closers.push(server.close);
  const sqs = sqsClient(server.url);
  const { queueUrl } = await ensureQueues(sqs, HIDDEN_SECONDS);
  for (const body of bodies) await sqsQueue(sqs, queueUrl).send({ body, group: body, deduplicationId: body });
  const showHidden = () => {
    ahead += HIDDEN_SECONDS * 1_000;
  };
  return { sqs, queueUrl, showHidden };
}

async function inFlight(sqs: SQSClient, QueueUrl: string): Promise<string | undefined> {
  const name = "ApproximateNumberOfMessagesNotVisible";
  const { Attributes } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [name] }));
  return Attributes?.[name];
}

it("abandons a handler that never ends, receives the next message, and leaves the first in the queue", async () => {
  const { sqs, queueUrl, showHidden } = await queueWith("hangs", "ends");
  const { log, metrics, lines, counts } = recorder();
  const { promise: hung, resolve: wakeUp } = Promise.withResolvers<SQSBatchResponse>();
  const seen: { body: string; receives: string }[] = [];
  const poller = startPoller({
    sqs,
    queueUrl,
    handler: async ({ Records }) => {
      for (const { body, attributes } of Records) seen.push({ body, receives: attributes.ApproximateReceiveCount });
      return seen.length === 1 ? await hung : { batchItemFailures: [] };
    },
    ...{ concurrency: 1, timeoutMs: 100, breaksOffPolls: true, log, metrics },
  });
  closers.push(() => poller.stop(1_000));

  await vi.waitFor(() => expect(seen).toHaveLength(2), { timeout: 30_000 });
  expect(lines.filter(({ level }) => level === "error")).toMatchObject([
    {
      message: expect.stringContaining("the handler failed"),
      fields: { error: { message: /did not end within 5 s/ } },
    },
  ]);
  expect(counts.get("JobsRetried")).toBe(1);
  // "ends" is deleted only after its handler has returned; the clock must not make it visible earlier.
  await vi.waitFor(async () => expect(await inFlight(sqs, queueUrl)).toBe("1"), { timeout: 30_000 });
  // However it ends, the message no longer belongs to it.
  wakeUp({ batchItemFailures: [] });
  showHidden();
  await vi.waitFor(() => expect(seen).toHaveLength(3), { timeout: 30_000 });
  expect(seen).toEqual([
    { body: "hangs", receives: "1" },
    { body: "ends", receives: "1" },
    { body: "hangs", receives: "2" },
  ]);
});

it("does not delete messages that the handler reports as failed", async () => {
  const { sqs, queueUrl } = await queueWith("fails");
  let calls = 0;
  const poller = startPoller({
    sqs,
    queueUrl,
    handler: async ({ Records }) => {
      if (++calls === 3) return { batchItemFailures: [] };
      await sqsQueue(sqs, queueUrl).changeVisibility(Records[0]?.receiptHandle ?? "", 0);
      return { batchItemFailures: Records.map(({ messageId }) => ({ itemIdentifier: messageId })) };
    },
    ...{ concurrency: 1, timeoutMs: 60_000, breaksOffPolls: true, ...recorder() },
  });
  await vi.waitFor(() => expect(calls).toBe(3), { timeout: 30_000 });
  await poller.stop(2_000);
  expect(await fifo(sqs, queueUrl).counts()).toMatchObject({ waiting: 0, inFlight: 0 });
});
