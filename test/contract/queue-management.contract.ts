import {
  AddPermissionCommand,
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListDeadLetterSourceQueuesCommand,
  ListMessageMoveTasksCommand,
  ListQueuesCommand,
  ListQueueTagsCommand,
  PurgeQueueCommand,
  type QueueAttributeName,
  ReceiveMessageCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  StartMessageMoveTaskCommand,
  TagQueueCommand,
} from "@aws-sdk/client-sqs";
import { describe, expect, test } from "vitest";
import { errorOf, statusOf } from "./aws.ts";
import { type QueueCapabilities, type QueuesUnderTest, type TestQueue, uniqueName } from "./queue.contract.ts";

export function queueManagementTests(queues: QueuesUnderTest, capabilities: QueueCapabilities): void {
  const attributesOf = async (queue: TestQueue, AttributeNames: QueueAttributeName[] = ["All"]) => {
    const command = new GetQueueAttributesCommand({ QueueUrl: queue.url, AttributeNames });
    return (await queues.client().send(command)).Attributes ?? {};
  };

  describe("queues", () => {
    test("are created once; creating them again with the same attributes returns their URL", async () => {
      const QueueName = uniqueName(".fifo");
      const create = (Attributes: Record<string, string>) =>
        queues.client().send(new CreateQueueCommand({ QueueName, Attributes: { FifoQueue: "true", ...Attributes } }));
      const first = await create({ VisibilityTimeout: "42" });
      expect(first.QueueUrl).toMatch(new RegExp(`/${QueueName}$`));
      expect((await create({ VisibilityTimeout: "42" })).QueueUrl).toBe(first.QueueUrl);
      expect(await statusOf(create({ VisibilityTimeout: "43" }))).toBe(400);
      await queues.client().send(new DeleteQueueCommand({ QueueUrl: first.QueueUrl }));
    });

    test("are found by name and listed by prefix", async () => {
      const queue = await queues.createStandard();
      const name = queue.url.split("/").at(-1) ?? "";
      const { QueueUrl } = await queues.client().send(new GetQueueUrlCommand({ QueueName: name }));
      expect(QueueUrl).toBe(queue.url);
      const listed = await queues.client().send(new ListQueuesCommand({ QueueNamePrefix: name.slice(0, -3) }));
      expect(listed.QueueUrls).toEqual([queue.url]);
    });

    test("cause an error of the SDK's class if they do not exist", async () => {
      const error = await errorOf(queues.client().send(new GetQueueUrlCommand({ QueueName: uniqueName() })));
      expect(error).toMatchObject({ name: "QueueDoesNotExist", $metadata: { httpStatusCode: 400 } });
      const queue = await queues.createStandard();
      const QueueUrl = queue.url.replace(/[^/]+$/, uniqueName());
      expect((await errorOf(queues.client().send(new SendMessageCommand({ QueueUrl, MessageBody: "x" })))).name).toBe(
        "QueueDoesNotExist",
      );
      expect((await errorOf(queues.client().send(new ReceiveMessageCommand({ QueueUrl })))).name).toBe(
        "QueueDoesNotExist",
      );
    });

    test("return and change their attributes", async () => {
      const queue = await queues.createFifo({ VisibilityTimeout: "7", ContentBasedDeduplication: "true" });
      const name = queue.url.split("/").at(-1);
      expect(await attributesOf(queue)).toMatchObject({
        FifoQueue: "true",
        ContentBasedDeduplication: "true",
        VisibilityTimeout: "7",
        QueueArn: expect.stringMatching(new RegExp(`^arn:aws:sqs:[^:]+:\\d{12}:${name}$`)),
        CreatedTimestamp: expect.stringMatching(/^\d{10}$/),
        ApproximateNumberOfMessages: "0",
      });
      const Attributes = { VisibilityTimeout: "11" };
      await queues.client().send(new SetQueueAttributesCommand({ QueueUrl: queue.url, Attributes }));
      expect(await attributesOf(queue, ["VisibilityTimeout"])).toEqual({ VisibilityTimeout: "11" });
    });

    test("count visible, in-flight and delayed messages", async () => {
      const queue = await queues.createStandard();
      await queue.send("visible");
      await queue.send("delayed", { DelaySeconds: 60 });
      await queue.send("in flight");
      await queue.receive();
      expect(await attributesOf(queue)).toMatchObject({
        ApproximateNumberOfMessages: "1",
        ApproximateNumberOfMessagesNotVisible: "1",
        ApproximateNumberOfMessagesDelayed: "1",
      });
    });

    test("are empty when purged, and gone when deleted", async () => {
      const queue = await queues.createFifo();
      await queue.send("one");
      await queues.client().send(new PurgeQueueCommand({ QueueUrl: queue.url }));
      expect(await queue.receive()).toEqual([]);
      const other = await queues.createFifo();
      await other.send("one");
      await queues.client().send(new DeleteQueueCommand({ QueueUrl: other.url }));
      expect((await errorOf(other.receive())).name).toBe("QueueDoesNotExist");
      const [QueueName] = other.url.split("/").slice(-1);
      await queues.client().send(new CreateQueueCommand({ QueueName, Attributes: { FifoQueue: "true" } }));
      expect(await other.receive()).toEqual([]);
    });
  });

  describe.skipIf(!capabilities.unsupportedIsAnError)("what is not supported is an error", () => {
    const requests: Readonly<Record<string, (queue: TestQueue) => Promise<unknown>>> = {
      "attribute KmsMasterKeyId": ({ url: QueueUrl }) =>
        queues
          .client()
          .send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { KmsMasterKeyId: "alias/aws/sqs" } })),
      "attribute Policy": ({ url: QueueUrl }) =>
        queues.client().send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { Policy: "{}" } })),
      "attribute RedriveAllowPolicy": ({ url: QueueUrl }) =>
        queues.client().send(
          new SetQueueAttributesCommand({
            QueueUrl,
            Attributes: { RedriveAllowPolicy: '{"redrivePermission":"denyAll"}' },
          }),
        ),
      "list of dead letter sources": ({ url: QueueUrl }) =>
        queues.client().send(new ListDeadLetterSourceQueuesCommand({ QueueUrl })),
      "list of move tasks": () =>
        queues.client().send(new ListMessageMoveTasksCommand({ SourceArn: "arn:aws:sqs:us-east-1:000000000000:x" })),
      "move task": () =>
        queues.client().send(new StartMessageMoveTaskCommand({ SourceArn: "arn:aws:sqs:us-east-1:000000000000:x" })),
      permissions: ({ url: QueueUrl }) =>
        queues
          .client()
          .send(new AddPermissionCommand({ QueueUrl, Label: "l", AWSAccountIds: ["111122223333"], Actions: ["*"] })),
      "receive request attempt id": ({ url: QueueUrl }) =>
        queues.client().send(new ReceiveMessageCommand({ QueueUrl, ReceiveRequestAttemptId: "a" })),
      "tags, read": ({ url: QueueUrl }) => queues.client().send(new ListQueueTagsCommand({ QueueUrl })),
      "tags, written": ({ url: QueueUrl }) => queues.client().send(new TagQueueCommand({ QueueUrl, Tags: { a: "b" } })),
      "tags of a new queue": () =>
        queues.client().send(new CreateQueueCommand({ QueueName: uniqueName(), tags: { a: "b" } })),
    };

    test.for(Object.entries(requests))("%s", async ([, request]) => {
      const queue = await queues.createFifo();
      expect((await errorOf(request(queue))).name).toMatch(/UnsupportedOperation/);
    });
  });
}
