import { describe, expect, test } from "vitest";
import { bodiesOf, type QueueCapabilities, type QueuesUnderTest } from "./queue.contract.ts";

export function queueRestartTests(queues: QueuesUnderTest, { groupsWaitOverRestart }: QueueCapabilities): void {
  describe("restart of the server", () => {
    test("keeps messages, order, what is in flight, and what was sent before", async ({ skip }) => {
      const restart = queues.restart() ?? skip("The server is not ours to restart");
      const queue = await queues.createFifo({ VisibilityTimeout: "120" });
      const attribute = { DataType: "String", StringValue: "kept" };
      await queue.send("in flight", { MessageGroupId: "a", MessageAttributes: { attribute } });
      for (const body of ["1", "2"]) await queue.send(body, { MessageGroupId: "b", MessageDeduplicationId: body });
      await queue.send("behind it", { MessageGroupId: "a" });
      const [inFlight] = await queue.receive();
      expect(inFlight?.Body).toBe("in flight");
      await restart();
      await queue.send("again", { MessageGroupId: "b", MessageDeduplicationId: "2" });
      await queue.send("3", { MessageGroupId: "b" });
      const received = bodiesOf(await queue.receive({ MaxNumberOfMessages: 10 }));
      expect(received.filter((body) => body !== "behind it")).toEqual(["1", "2", "3"]);
      if (groupsWaitOverRestart) expect(received).not.toContain("behind it");
      await queue.delete(inFlight);
      if (groupsWaitOverRestart) expect(bodiesOf(await queue.receive())).toEqual(["behind it"]);
      else expect(received).toContain("behind it");
    });

    test("keeps the count of receives that leads to the dead letter queue", async ({ skip }) => {
      const restart = queues.restart() ?? skip("The server is not ours to restart");
      const queue = await queues.createFifo();
      await queue.send("body");
      await queue.receive({ VisibilityTimeout: 0 });
      await restart();
      const [message] = await queue.receive();
      expect(message?.Attributes?.ApproximateReceiveCount).toBe("2");
    });
  });
}
