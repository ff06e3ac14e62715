import { GetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import { describe, expect, test } from "vitest";
import { bodiesOf, type QueueCapabilities, type QueuesUnderTest, type TestQueue } from "./queue.contract.ts";

export function queueRestartTests(queues: QueuesUnderTest, { groupsWaitOverRestart }: QueueCapabilities): void {
  /** A server may answer before it has read its messages back: ElasticMQ starts to listen first (1.7.1, ElasticMQServer.start). */
  const untilHeld = (queue: TestQueue, messages: number) =>
    expect.poll(() => countOf(queues, queue), { timeout: 30_000, interval: 50 }).toBe(messages);

  describe("restart of the server", () => {
    test("keeps messages, their order, in-flight messages and deduplication ids", async ({ skip }) => {
      const restart = queues.restart() ?? skip("The server is not ours to restart");
      const queue = await queues.createFifo({ VisibilityTimeout: "120" });
      const attribute = { DataType: "String", StringValue: "kept" };
      await queue.send("in flight", { MessageGroupId: "a", MessageAttributes: { attribute } });
      for (const body of ["1", "2"]) await queue.send(body, { MessageGroupId: "b", MessageDeduplicationId: body });
      await queue.send("behind it", { MessageGroupId: "a" });
      const [inFlight] = await queue.receive();
      expect(inFlight?.Body).toBe("in flight");
      await restart();
      await untilHeld(queue, 4);
      await queue.send("again", { MessageGroupId: "b", MessageDeduplicationId: "2" });
      await queue.send("3", { MessageGroupId: "b" });
      const received = bodiesOf(await queue.receive({ MaxNumberOfMessages: 10 }));
      expect(received.filter((body) => body !== "behind it")).toEqual(["1", "2", "3"]);
      if (groupsWaitOverRestart) expect(received).not.toContain("behind it");
      await queue.delete(inFlight);
      if (groupsWaitOverRestart) expect(bodiesOf(await queue.receive())).toEqual(["behind it"]);
      else expect(received).toContain("behind it");
    });

    test("keeps the receive count that leads to the dead-letter queue", async ({ skip }) => {
      const restart = queues.restart() ?? skip("The server is not ours to restart");
      const queue = await queues.createFifo();
      await queue.send("body");
      await queue.receive({ VisibilityTimeout: 0 });
      await restart();
      await untilHeld(queue, 1);
      const [message] = await queue.receive();
      expect(message?.Attributes?.ApproximateReceiveCount).toBe("2");
    });
  });
}

async function countOf(queues: QueuesUnderTest, { url }: TestQueue): Promise<number> {
  const { Attributes = {} } = await queues.client().send(
    new GetQueueAttributesCommand({
      QueueUrl: url,
      AttributeNames: ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    }),
  );
  return Object.values(Attributes).reduce((sum, value) => sum + Number(value), 0);
}
