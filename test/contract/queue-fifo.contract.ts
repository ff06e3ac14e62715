import { ChangeMessageVisibilityCommand, SendMessageCommand } from "@aws-sdk/client-sqs";
import { describe, expect, test } from "vitest";
import { statusOf } from "./aws.ts";
import { bodiesOf, type QueueCapabilities, type QueuesUnderTest } from "./queue.contract.ts";

export function queueFifoTests(queues: QueuesUnderTest, capabilities: QueueCapabilities): void {
  describe("order of FIFO queues", () => {
    test("delivers a group's messages one at a time, in the order sent", async () => {
      const queue = await queues.createFifo();
      const sent = Array.from({ length: 12 }, (_, index) => `message ${index}`);
      for (const body of sent) await queue.send(body);
      const received: (string | undefined)[] = [];
      for (let count = 0; count < sent.length; count++) {
        const [message] = await queue.receive();
        received.push(message?.Body);
        await queue.delete(message);
      }
      expect(received).toEqual(sent);
    });

    test("blocks a group while one of its messages is in flight, but no other group", async () => {
      const queue = await queues.createFifo();
      for (const [body, MessageGroupId] of [
        ["a1", "a"],
        ["a2", "a"],
        ["b1", "b"],
        ["a3", "a"],
        ["b2", "b"],
      ] as const) {
        await queue.send(body, { MessageGroupId });
      }
      const [a1] = await queue.receive();
      const [b1] = await queue.receive();
      expect([a1?.Body, b1?.Body]).toEqual(["a1", "b1"]);
      expect(await queue.receive()).toEqual([]);
      await queue.delete(b1);
      expect(bodiesOf(await queue.receive())).toEqual(["b2"]);
      await queue.delete(a1);
      expect(bodiesOf(await queue.receive())).toEqual(["a2"]);
    });

    test("may return several messages of a group in one receive, in order, and then waits for all of them", async () => {
      const queue = await queues.createFifo();
      for (const body of ["1", "2", "3", "4"]) await queue.send(body);
      const [one, two, three] = await queue.receive({ MaxNumberOfMessages: 3 });
      expect([one?.Body, two?.Body, three?.Body]).toEqual(["1", "2", "3"]);
      await queue.delete(one);
      await queue.delete(three);
      expect(await queue.receive()).toEqual([]);
      await queue.delete(two);
      expect(bodiesOf(await queue.receive())).toEqual(["4"]);
    });

    test("delivers a returned message before those behind it", async () => {
      const queue = await queues.createFifo();
      for (const body of ["1", "2"]) await queue.send(body);
      const [message] = await queue.receive();
      const back = { QueueUrl: queue.url, ReceiptHandle: message?.ReceiptHandle, VisibilityTimeout: 0 };
      await queues.client().send(new ChangeMessageVisibilityCommand(back));
      expect(bodiesOf(await queue.receive({ MaxNumberOfMessages: 10 }))).toEqual(["1", "2"]);
    });

    test("concurrent receivers never share a group or receive a message twice", async () => {
      const queue = await queues.createFifo();
      for (let index = 0; index < 12; index++) await queue.send(`${index}`, { MessageGroupId: `group-${index % 4}` });
      const received = (await Promise.all(Array.from({ length: 12 }, () => queue.receive()))).flat();
      expect(bodiesOf(received).sort()).toEqual(["0", "1", "2", "3"]);
    });

    test("sequence numbers increase", async () => {
      const queue = await queues.createFifo();
      const numbers: bigint[] = [];
      for (const id of ["1", "2", "3"]) {
        const input = { QueueUrl: queue.url, MessageBody: id, MessageGroupId: "g", MessageDeduplicationId: id };
        numbers.push(BigInt((await queues.client().send(new SendMessageCommand(input))).SequenceNumber ?? 0));
      }
      expect(numbers[0]).toBeLessThan(numbers[1] ?? 0n);
      expect(numbers[1]).toBeLessThan(numbers[2] ?? 0n);
    });
  });

  describe("deduplication", () => {
    test("accepts and drops a second message with the same id, even after the first was deleted", async () => {
      const queue = await queues.createFifo();
      const first = await queue.send("first", { MessageDeduplicationId: "same" });
      expect(await queue.send("second", { MessageDeduplicationId: "same", MessageGroupId: "other" })).toBe(first);
      const messages = await queue.receive({ MaxNumberOfMessages: 10 });
      expect(bodiesOf(messages)).toEqual(["first"]);
      await queue.delete(messages[0]);
      await queue.send("third", { MessageDeduplicationId: "same" });
      expect(await queue.receive()).toEqual([]);
    });

    test("by content if enabled; an explicit id takes precedence", async () => {
      const queue = await queues.createFifo({ ContentBasedDeduplication: "true" });
      const send = (MessageBody: string, more = {}) =>
        queues
          .client()
          .send(new SendMessageCommand({ QueueUrl: queue.url, MessageBody, MessageGroupId: "g", ...more }));
      await send("same");
      await send("same");
      await send("different");
      await send("same", { MessageDeduplicationId: "own" });
      expect(bodiesOf(await queue.receive({ MaxNumberOfMessages: 10 }))).toEqual(["same", "different", "same"]);
    });

    test("ten concurrent senders of one id leave one message", async () => {
      const queue = await queues.createFifo();
      const ids = await Promise.all(
        Array.from({ length: 10 }, () => queue.send("x", { MessageDeduplicationId: "same" })),
      );
      expect(new Set(ids).size).toBe(1);
      expect(await queue.receive({ MaxNumberOfMessages: 10 })).toHaveLength(1);
    });

    test("requires a group id, and a deduplication id or content-based deduplication", async () => {
      const queue = await queues.createFifo();
      const send = (input: object) =>
        queues.client().send(new SendMessageCommand({ QueueUrl: queue.url, MessageBody: "x", ...input }));
      expect(await statusOf(send({ MessageDeduplicationId: "d" }))).toBe(400);
      expect(await statusOf(send({ MessageGroupId: "g" }))).toBe(400);
      expect(await statusOf(send({ MessageGroupId: "g", MessageDeduplicationId: "d".repeat(129) }))).toBe(400);
      expect(await statusOf(send({ MessageGroupId: "with space", MessageDeduplicationId: "d" }))).toBe(400);
    });
  });

  describe("stale receipt handles", () => {
    test("do not delete a message that was received again", async () => {
      const queue = await queues.createFifo({ VisibilityTimeout: "2" });
      await queue.send("body");
      const [first] = await queue.receive();
      const [second] = await queue.receive({ WaitTimeSeconds: 20, VisibilityTimeout: 60 });
      expect(second?.Body).toBe("body");
      expect(await statusOf(queue.delete(first))).toBe(400);
      await queue.delete(second);
    });

    test.skipIf(!capabilities.expiredHandleIsRefused)("are rejected after their visibility timeout", async () => {
      const queue = await queues.createFifo();
      await queue.send("body");
      const [message] = await queue.receive({ VisibilityTimeout: 0 });
      expect(await statusOf(queue.delete(message))).toBe(400);
      expect(bodiesOf(await queue.receive())).toEqual(["body"]);
    });
  });
}
