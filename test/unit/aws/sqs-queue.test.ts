import { ChangeMessageVisibilityCommand, SendMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { mockClient } from "aws-sdk-client-mock";
import { beforeEach, describe, expect, it } from "vitest";
import { sqsQueue } from "../../../lib/aws/sqs-queue.ts";
import "../../helpers/no-network.ts";
import { relayErrorBy } from "../../helpers/thrown.ts";

const URL = "https://sqs.eu-central-1.amazonaws.com/1/jobs.fifo";
const mock = mockClient(SQSClient);
const queue = sqsQueue(new SQSClient({ region: "eu-central-1" }), URL);
beforeEach(() => void mock.reset());

describe("send", () => {
  it("sends body, group, deduplication id and attributes", async () => {
    mock.on(SendMessageCommand).resolves({});
    await queue.send({ body: "b", group: "g", deduplicationId: "d", attributes: { reason: "dojo-busy", message: "" } });
    expect(mock.commandCalls(SendMessageCommand)[0]?.args[0].input).toEqual({
      QueueUrl: URL,
      MessageBody: "b",
      MessageGroupId: "g",
      MessageDeduplicationId: "d",
      MessageAttributes: {
        reason: { DataType: "String", StringValue: "dojo-busy" },
        message: { DataType: "String", StringValue: "-" },
      },
    });
  });

  it("fails as an unavailable queue, named by its URL", async () => {
    mock.on(SendMessageCommand).rejects(Object.assign(new Error("slow down"), { code: "Throttling" }));
    const error = await relayErrorBy(() => queue.send({ body: "b", group: "g", deduplicationId: "d" }));
    expect(error).toMatchObject({ reason: "queue-unavailable", errorClass: "transient", object: URL });
    expect(error.message).toContain("slow down (Throttling)");
  });
});

describe("changeVisibility", () => {
  it.each([
    [30, 30],
    [0, 0],
    [0.4, 0],
    [1.5, 2],
    [-5, 0],
    [1e9, 43_200],
  ])("of %d seconds asks SQS for %d", async (seconds, expected) => {
    mock.on(ChangeMessageVisibilityCommand).resolves({});
    await queue.changeVisibility("handle", seconds);
    expect(mock.commandCalls(ChangeMessageVisibilityCommand)[0]?.args[0].input).toEqual({
      QueueUrl: URL,
      ReceiptHandle: "handle",
      VisibilityTimeout: expected,
    });
  });

  it("fails as an unavailable queue", async () => {
    mock.on(ChangeMessageVisibilityCommand).rejects(new Error("gone"));
    expect(await relayErrorBy(() => queue.changeVisibility("handle", 1))).toMatchObject({
      reason: "queue-unavailable",
      object: URL,
    });
  });
});
