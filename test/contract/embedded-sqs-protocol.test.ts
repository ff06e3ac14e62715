import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateQueueCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { EmbeddedServer } from "../../infra/local/http-listener.ts";
import { startEmbeddedSqs } from "../../infra/local/sqs/server.ts";
import { sqsClient } from "./aws.ts";
import { bodiesOf, type TestQueue, testQueue, uniqueName } from "./queue.contract.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

let dataDir: string;
let server: EmbeddedServer;
let client: SQSClient;
let ahead = 0;
const now = () => Date.now() + ahead;

beforeEach(async () => {
  ahead = 0;
  dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-sqs-"));
  server = await startEmbeddedSqs({ dataDir, now });
  client = sqsClient(server.url);
});
afterEach(async () => {
  client.destroy();
  await server.close();
  await rm(dataDir, { recursive: true });
});

async function createFifo(attributes: Record<string, string> = {}): Promise<TestQueue> {
  const Attributes = { FifoQueue: "true", ...attributes };
  const { QueueUrl = "" } = await client.send(new CreateQueueCommand({ QueueName: uniqueName(".fifo"), Attributes }));
  return testQueue(() => client, QueueUrl);
}

describe("what takes minutes", () => {
  test("a deduplication id is remembered for five minutes, over a restart too", async () => {
    const before = await createFifo();
    const same = { MessageDeduplicationId: "same" };
    await before.send("1", same);
    ahead += 4.9 * MINUTE;
    const { origin } = new URL(before.url);
    client.destroy();
    await server.close();
    server = await startEmbeddedSqs({ dataDir, now });
    client = sqsClient(server.url);
    const queue = testQueue(() => client, before.url.replace(origin, server.url));
    await queue.send("2", same);
    ahead += 0.2 * MINUTE;
    await queue.send("3", same);
    await queue.send("4", same);
    expect(bodiesOf(await queue.receive({ MaxNumberOfMessages: 10 }))).toEqual(["1", "3"]);
  });

  test("a message is kept for the retention period, received or not", async () => {
    const queue = await createFifo({ MessageRetentionPeriod: "3600", VisibilityTimeout: "43200" });
    await queue.send("received", { MessageGroupId: "a" });
    await queue.receive();
    await queue.send("old", { MessageGroupId: "b" });
    ahead += HOUR - MINUTE;
    await queue.send("young", { MessageGroupId: "c" });
    ahead += 2 * MINUTE;
    expect(bodiesOf(await queue.receive({ MaxNumberOfMessages: 10 }))).toEqual(["young"]);
    ahead += 12 * HOUR;
    expect(await queue.receive({ MaxNumberOfMessages: 10 })).toEqual([]);
  });

  test("a message in the dead letter queue of a FIFO queue is kept from its arrival there", async () => {
    const deadLetters = await createFifo({ MessageRetentionPeriod: "7200" });
    const deadLetterTargetArn = `arn:aws:sqs:us-east-1:000000000000:${deadLetters.url.split("/").at(-1)}`;
    const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: "1" });
    const queue = await createFifo({ RedrivePolicy });
    await queue.send("poison");
    await queue.receive({ VisibilityTimeout: 1 });
    ahead += 10 * HOUR;
    expect(await queue.receive()).toEqual([]);
    ahead += HOUR;
    const [dead] = await deadLetters.receive();
    expect(dead).toMatchObject({ Body: "poison", Attributes: { ApproximateReceiveCount: "2" } });
  });
});

describe("deduplication by group", () => {
  test("keeps ids apart by group, if the queue is told so", async () => {
    const queue = await createFifo({ DeduplicationScope: "messageGroup", FifoThroughputLimit: "perMessageGroupId" });
    for (const MessageGroupId of ["a", "b", "a"])
      await queue.send(MessageGroupId, { MessageGroupId, MessageDeduplicationId: "same" });
    expect(bodiesOf(await queue.receive({ MaxNumberOfMessages: 10 }))).toEqual(["a", "b"]);
  });
});

describe("the trace header", () => {
  test("travels with the message", async () => {
    const queue = await createFifo();
    const AWSTraceHeader = { DataType: "String", StringValue: "Root=1-5759e988-bd862e3fe1be46a994272793" };
    await queue.send("traced", { MessageSystemAttributes: { AWSTraceHeader } });
    const [message] = await queue.receive();
    expect(message?.Attributes?.AWSTraceHeader).toBe(AWSTraceHeader.StringValue);
  });
});

describe("the protocol", () => {
  const post = async (target: string, body: string) => {
    const headers = { "x-amz-target": target, "content-type": "application/x-amz-json-1.0" };
    const response = await fetch(server.url, { method: "POST", headers, body });
    return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) };
  };

  test("errors carry type, message and the query protocol's code", async () => {
    const { status, headers, body } = await post("AmazonSQS.GetQueueUrl", '{"QueueName":"absent"}');
    expect([status, headers.get("content-type")]).toEqual([400, "application/x-amz-json-1.0"]);
    expect(headers.get("x-amzn-query-error")).toBe("AWS.SimpleQueueService.NonExistentQueue;Sender");
    expect(headers.get("x-amzn-requestid")).toMatch(/^[\da-f-]{36}$/);
    expect(body).toEqual({
      __type: "com.amazonaws.sqs#QueueDoesNotExist",
      message: "The specified queue does not exist.",
    });
  });

  test.for([
    ["AmazonSQS.Unheard", "{}", "UnsupportedOperation"],
    ["AmazonSQS.constructor", "{}", "UnsupportedOperation"],
    ["DynamoDB_20120810.ListTables", "{}", "UnsupportedOperation"],
    ["AmazonSQS.ListQueues", "no JSON", "InvalidParameterValue"],
    ["AmazonSQS.ListQueues", '{"Unheard":1}', "UnsupportedOperation"],
    ["AmazonSQS.ListQueues", '{"MaxResults":"many"}', "InvalidParameterValue"],
    ["AmazonSQS.GetQueueUrl", "{}", "MissingParameter"],
    ["AmazonSQS.CreateQueue", '{"QueueName":"no.fifo"}', "InvalidParameterValue"],
    ["AmazonSQS.CreateQueue", '{"QueueName":"a b"}', "InvalidParameterValue"],
    ["AmazonSQS.CreateQueue", '{"QueueName":"a","Attributes":{"Unheard":"1"}}', "InvalidAttributeName"],
    ["AmazonSQS.CreateQueue", '{"QueueName":"a","Attributes":{"DelaySeconds":"901"}}', "InvalidParameterValue"],
    ["AmazonSQS.CreateQueue", '{"QueueName":"a","Attributes":{"toString":"1"}}', "InvalidAttributeName"],
  ] as const)("%s of %s is %s", async ([target, input, code]) => {
    const { status, body } = await post(target, input);
    expect([status, body.__type]).toEqual([400, `com.amazonaws.sqs#${code}`]);
  });

  test("the query protocol is refused", async () => {
    const response = await fetch(server.url, { method: "POST", body: new URLSearchParams({ Action: "ListQueues" }) });
    expect(response.status).toBe(400);
    expect((await fetch(server.url)).status).toBe(400);
  });

  test("URLs are those of this server, and lead here whatever their host", async () => {
    const queue = await createFifo();
    expect(queue.url).toMatch(new RegExp(`^${server.url}/000000000000/contract-[\\da-f]+\\.fifo$`));
    const QueueUrl = queue.url.replace(server.url, "http://elsewhere:1");
    const { status } = await post("AmazonSQS.PurgeQueue", JSON.stringify({ QueueUrl }));
    expect(status).toBe(200);
  });
});

describe("the server", () => {
  test("ends long polls when it stops, without waiting for them", async () => {
    const queue = await createFifo();
    const started = performance.now();
    const poll = queue.receive({ WaitTimeSeconds: 20 }).catch(() => []);
    await new Promise((resolve) => setTimeout(resolve, 100));
    client.destroy();
    await server.close();
    expect(await poll).toEqual([]);
    expect(performance.now() - started).toBeLessThan(19_000);
    server = await startEmbeddedSqs({ dataDir, now });
  });

  test("has its directory for itself, and listens on loopback only", async () => {
    await expect(startEmbeddedSqs({ dataDir })).rejects.toThrow(/in use by another process/);
    await expect(startEmbeddedSqs({ dataDir: join(dataDir, "other"), host: "0.0.0.0" })).rejects.toThrow(/loopback/);
  });
});
