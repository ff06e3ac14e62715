import { GetQueueAttributesCommand, SetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import { describe, expect, test } from "vitest";
import { statusOf } from "./aws.ts";
import { bodiesOf, type QueueCapabilities, type QueuesUnderTest, type TestQueue } from "./queue.contract.ts";

export function queueRedriveTests(queues: QueuesUnderTest, capabilities: QueueCapabilities): void {
  const arnOf = async ({ url: QueueUrl }: TestQueue) => {
    const command = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] });
    return (await queues.client().send(command)).Attributes?.QueueArn ?? "";
  };
  const redrivePolicy = async (deadLetters: TestQueue, maxReceiveCount: number) =>
    JSON.stringify({ deadLetterTargetArn: await arnOf(deadLetters), maxReceiveCount });

  describe("dead letter queues", () => {
    test("receive a message unchanged, one receive after the last allowed one", async () => {
      const deadLetters = await queues.createFifo();
      const queue = await queues.createFifo({ RedrivePolicy: await redrivePolicy(deadLetters, 2) });
      const MessageAttributes = { reason: { DataType: "String", StringValue: "kept" } };
      const MessageId = await queue.send("poison", { MessageAttributes, MessageGroupId: "poisoned" });
      for (const ApproximateReceiveCount of ["1", "2"]) {
        const [message] = await queue.receive({ VisibilityTimeout: 0 });
        expect(message).toMatchObject({ Body: "poison", Attributes: { ApproximateReceiveCount } });
        expect(await deadLetters.receive()).toEqual([]);
      }
      expect(await queue.receive()).toEqual([]);
      const [dead] = await deadLetters.receive({ WaitTimeSeconds: 5 });
      expect(dead).toMatchObject({
        MessageId,
        Body: "poison",
        MessageAttributes,
        Attributes: { MessageGroupId: "poisoned" },
      });
      await deadLetters.delete(dead);
      expect(await queue.receive()).toEqual([]);
    });

    test.skipIf(!capabilities.deadLetterSource)("name the source queue of a message", async () => {
      const deadLetters = await queues.createFifo();
      const queue = await queues.createFifo({ RedrivePolicy: await redrivePolicy(deadLetters, 1) });
      await queue.send("poison");
      await queue.receive({ VisibilityTimeout: 0 });
      await queue.receive();
      const [dead] = await deadLetters.receive({ WaitTimeSeconds: 5 });
      expect(dead?.Attributes?.DeadLetterQueueSourceArn).toBe(await arnOf(queue));
    });

    test("unblock the rest of the group", async () => {
      const deadLetters = await queues.createFifo();
      const queue = await queues.createFifo({ RedrivePolicy: await redrivePolicy(deadLetters, 1) });
      for (const body of ["poison", "good"]) await queue.send(body);
      await queue.receive({ VisibilityTimeout: 0 });
      const [good] = await queue.receive({ WaitTimeSeconds: 5 });
      expect(good?.Body).toBe("good");
      await queue.delete(good);
      expect(bodiesOf(await deadLetters.receive({ WaitTimeSeconds: 5 }))).toEqual(["poison"]);
    });

    test("can be emptied manually: receive, send with a new deduplication id, delete", async () => {
      const deadLetters = await queues.createFifo();
      const queue = await queues.createFifo({ RedrivePolicy: await redrivePolicy(deadLetters, 1) });
      await queue.send("again", { MessageDeduplicationId: "first" });
      await queue.receive({ VisibilityTimeout: 0 });
      await queue.receive();
      const [dead] = await deadLetters.receive({ WaitTimeSeconds: 5 });
      await queue.send(dead?.Body ?? "", { MessageDeduplicationId: "second" });
      await deadLetters.delete(dead);
      const [again] = await queue.receive({ WaitTimeSeconds: 5 });
      expect(again).toMatchObject({ Body: "again", Attributes: { ApproximateReceiveCount: "1" } });
      expect(await deadLetters.receive()).toEqual([]);
    });

    test("of standard queues work alike", async () => {
      const deadLetters = await queues.createStandard();
      const queue = await queues.createStandard({ RedrivePolicy: await redrivePolicy(deadLetters, 1) });
      await queue.send("poison");
      await queue.receive({ VisibilityTimeout: 0 });
      expect(await queue.receive()).toEqual([]);
      expect(bodiesOf(await deadLetters.receive({ WaitTimeSeconds: 5 }))).toEqual(["poison"]);
    });

    test("can be set and changed later, and must exist", async () => {
      const deadLetters = await queues.createFifo();
      const queue = await queues.createFifo();
      const set = (RedrivePolicy: string) =>
        queues.client().send(new SetQueueAttributesCommand({ QueueUrl: queue.url, Attributes: { RedrivePolicy } }));
      const policy = await redrivePolicy(deadLetters, 5);
      await set(policy);
      const command = new GetQueueAttributesCommand({ QueueUrl: queue.url, AttributeNames: ["RedrivePolicy"] });
      const { Attributes } = await queues.client().send(command);
      expect(JSON.parse(Attributes?.RedrivePolicy ?? "{}")).toMatchObject({
        deadLetterTargetArn: await arnOf(deadLetters),
      });
      expect(Number(JSON.parse(Attributes?.RedrivePolicy ?? "{}").maxReceiveCount)).toBe(5);
      expect(await statusOf(set(policy.replace(".fifo", "-absent.fifo")))).toBe(400);
    });
  });
}
