import { createHash } from "node:crypto";
import { ChangeMessageVisibilityCommand, type Message, SendMessageCommand } from "@aws-sdk/client-sqs";
import { describe, expect, test } from "vitest";
import { errorOf, statusOf } from "./aws.ts";
import { bodiesOf, type QueueCapabilities, type QueuesUnderTest, type TestQueue } from "./queue.contract.ts";

const MAX_BYTES = 1_048_576;
/** The allowed difference between the server's clock and ours. */
const CLOCK_MS = 100;

export function queueMessageTests(queues: QueuesUnderTest, capabilities: QueueCapabilities): void {
  const setVisibility = (queue: TestQueue, message: Message | undefined, VisibilityTimeout: number) =>
    queues.client().send(
      new ChangeMessageVisibilityCommand({
        QueueUrl: queue.url,
        ReceiptHandle: message?.ReceiptHandle,
        VisibilityTimeout,
      }),
    );

  describe("messages", () => {
    test("arrive as sent, with attributes and digests", async () => {
      const queue = await queues.createFifo();
      const MessageBody = '{"text":"ümlaut 😀\\n\\u0000 <&>\t"}\n';
      const MessageAttributes = {
        string: { DataType: "String", StringValue: "wért" },
        number: { DataType: "Number", StringValue: "-1.5" },
        "custom.type": { DataType: "String.json", StringValue: "{}" },
        binary: { DataType: "Binary", BinaryValue: Uint8Array.of(0, 1, 254, 255) },
      };
      const command = { QueueUrl: queue.url, MessageBody, MessageAttributes, MessageGroupId: "g1!" };
      const sent = await queues.client().send(new SendMessageCommand({ ...command, MessageDeduplicationId: "d-1" }));
      expect(sent.MD5OfMessageBody).toBe(createHash("md5").update(MessageBody).digest("hex"));
      expect(sent.SequenceNumber).toMatch(/^\d+$/);
      const [message, ...others] = await queue.receive();
      expect(others).toEqual([]);
      expect(message).toMatchObject({
        MessageId: sent.MessageId,
        Body: MessageBody,
        MD5OfBody: sent.MD5OfMessageBody,
        MD5OfMessageAttributes: sent.MD5OfMessageAttributes,
        Attributes: {
          ApproximateReceiveCount: "1",
          MessageGroupId: "g1!",
          MessageDeduplicationId: "d-1",
          SequenceNumber: sent.SequenceNumber,
          SentTimestamp: expect.stringMatching(/^\d{13}$/),
          ApproximateFirstReceiveTimestamp: expect.stringMatching(/^\d{13}$/),
        },
      });
      expect(message?.MessageAttributes).toMatchObject({
        string: { DataType: "String", StringValue: "wért" },
        number: { DataType: "Number", StringValue: "-1.5" },
        "custom.type": { DataType: "String.json", StringValue: "{}" },
        binary: { DataType: "Binary" },
      });
      expect([...(message?.MessageAttributes?.binary?.BinaryValue ?? [])]).toEqual([0, 1, 254, 255]);
    });

    test("have the digest of attributes that AWS documents", async () => {
      const queue = await queues.createStandard();
      const MessageAttributes = { a: { DataType: "String", StringValue: "b" } };
      const command = new SendMessageCommand({ QueueUrl: queue.url, MessageBody: "x", MessageAttributes });
      const block = (text: string) => Buffer.concat([Buffer.of(0, 0, 0, text.length), Buffer.from(text)]);
      const input = Buffer.concat([block("a"), block("String"), Buffer.of(1), block("b")]);
      const { MD5OfMessageAttributes } = await queues.client().send(command);
      expect(MD5OfMessageAttributes).toBe(createHash("md5").update(input).digest("hex"));
    });

    test("contain only the requested attributes", async () => {
      const queue = await queues.createStandard();
      const attribute = { DataType: "String", StringValue: "x" };
      await queue.send("body", { MessageAttributes: { "app.one": attribute, "app.two": attribute, other: attribute } });
      const namesFor = async (MessageAttributeNames: string[]) => {
        const [message] = await queue.receive({
          MessageAttributeNames,
          MessageSystemAttributeNames: [],
          VisibilityTimeout: 0,
        });
        expect(message?.Attributes).toBeUndefined();
        return Object.keys(message?.MessageAttributes ?? {}).sort();
      };
      expect(await namesFor([])).toEqual([]);
      expect(await namesFor(["other"])).toEqual(["other"]);
      if (capabilities.attributePrefixes) expect(await namesFor(["app.*"])).toEqual(["app.one", "app.two"]);
      expect(await namesFor(["All"])).toEqual(["app.one", "app.two", "other"]);
    });

    test("support the older name of system attributes too", async () => {
      const queue = await queues.createStandard();
      await queue.send("body");
      const [message] = await queue.receive({
        MessageSystemAttributeNames: [],
        AttributeNames: ["All"],
      });
      expect(message?.Attributes).toMatchObject({ ApproximateReceiveCount: "1" });
    });

    test("may have at most 1 MiB", async () => {
      const queue = await queues.createStandard({ MaximumMessageSize: String(MAX_BYTES) });
      const largest = "x".repeat(MAX_BYTES);
      await queue.send(largest);
      expect(bodiesOf(await queue.receive())).toEqual([largest]);
      expect(await statusOf(queue.send(`${largest}x`))).toBe(400);
    });

    test.skipIf(!capabilities.limitsAreExact)("are measured in bytes, including attributes", async () => {
      const queue = await queues.createStandard();
      const MessageAttributes = { name: { DataType: "String", StringValue: "value" } };
      const largest = `${"ü".repeat((MAX_BYTES - "nameStringvalue".length - 1) / 2)}x`;
      await queue.send(largest, { MessageAttributes });
      expect(await statusOf(queue.send(`${largest}x`, { MessageAttributes }))).toBe(400);
    });

    test("are rejected if empty or with control characters", async () => {
      const queue = await queues.createStandard();
      expect(await statusOf(queue.send(""))).toBe(400);
      expect(await statusOf(queue.send("a\u0000b"))).toBe(400);
      expect(await statusOf(queue.send("a\uffffb"))).toBe(400);
    });

    test("are gone when deleted", async () => {
      const queue = await queues.createStandard();
      await queue.send("body");
      const [message] = await queue.receive({ VisibilityTimeout: 4 });
      await queue.delete(message);
      if (capabilities.deletingTwiceIsNoError) await queue.delete(message);
      expect(await queue.receive({ WaitTimeSeconds: 5 })).toEqual([]);
    });

    test("cannot be deleted with an invalid receipt handle", async () => {
      const queue = await queues.createStandard();
      expect(await statusOf(queue.delete({ ReceiptHandle: "no handle" }))).toBe(400);
    });
  });

  describe("visibility", () => {
    test("a message is redelivered after its timeout, with its receive count", async () => {
      const queue = await queues.createFifo({ VisibilityTimeout: "2" });
      await queue.send("body");
      const started = performance.now();
      const [first] = await queue.receive();
      const [second] = await queue.receive({ WaitTimeSeconds: 20 });
      expect(performance.now() - started).toBeGreaterThan(2_000 - CLOCK_MS);
      expect(second?.Attributes).toMatchObject({
        ApproximateReceiveCount: "2",
        ApproximateFirstReceiveTimestamp: first?.Attributes?.ApproximateFirstReceiveTimestamp,
      });
      expect(second).toMatchObject({ MessageId: first?.MessageId, Body: "body" });
      expect(second?.ReceiptHandle).not.toBe(first?.ReceiptHandle);
    });

    test("0 returns a message to the queue at once", async () => {
      const queue = await queues.createFifo();
      await queue.send("body");
      const [message] = await queue.receive();
      expect(await queue.receive()).toEqual([]);
      await setVisibility(queue, message, 0);
      expect(bodiesOf(await queue.receive())).toEqual(["body"]);
    });

    test("a longer one counts from now", async () => {
      const queue = await queues.createFifo({ VisibilityTimeout: "4" });
      await queue.send("body");
      const [message] = await queue.receive();
      await setVisibility(queue, message, 60);
      expect(await queue.receive({ WaitTimeSeconds: 5 })).toEqual([]);
      await queue.delete(message);
    });

    test.skipIf(!capabilities.limitsAreExact)("cannot exceed twelve hours", async () => {
      const queue = await queues.createFifo();
      await queue.send("body");
      const [message] = await queue.receive({ VisibilityTimeout: 43_200 });
      expect(await statusOf(setVisibility(queue, message, 43_201))).toBe(400);
      expect(await statusOf(queue.receive({ VisibilityTimeout: 43_201 }))).toBe(400);
    });

    test("of a deleted message cannot be changed", async () => {
      const queue = await queues.createFifo();
      await queue.send("body");
      const [message] = await queue.receive();
      await queue.delete(message);
      expect(await statusOf(setVisibility(queue, message, 10))).toBe(400);
    });

    test.skipIf(!capabilities.notInflightIsAnError)(
      "of a message that is not in flight cannot be changed",
      async () => {
        const queue = await queues.createFifo();
        await queue.send("body");
        const [message] = await queue.receive();
        await setVisibility(queue, message, 0);
        expect((await errorOf(setVisibility(queue, message, 10))).name).toBe("MessageNotInflight");
      },
    );
  });

  describe("delays and long polls", () => {
    test("a message's own delay hides it", async () => {
      const queue = await queues.createStandard();
      const started = performance.now();
      await queue.send("later", { DelaySeconds: 2 });
      expect(bodiesOf(await queue.receive({ WaitTimeSeconds: 20 }))).toEqual(["later"]);
      expect(performance.now() - started).toBeGreaterThan(2_000 - CLOCK_MS);
    });

    test("the queue's delay hides every message", async () => {
      const queue = await queues.createFifo({ DelaySeconds: "2" });
      const started = performance.now();
      await queue.send("one");
      expect(bodiesOf(await queue.receive({ WaitTimeSeconds: 20 }))).toEqual(["one"]);
      expect(performance.now() - started).toBeGreaterThan(2_000 - CLOCK_MS);
    });

    test("a long poll ends as soon as a message arrives", async () => {
      const queue = await queues.createFifo();
      const started = performance.now();
      // It ends by itself after that.
      const poll = queue.receive({ WaitTimeSeconds: 20 });
      await new Promise((resolve) => setTimeout(resolve, 200));
      await queue.send("awaited");
      expect(bodiesOf(await poll)).toEqual(["awaited"]);
      expect(performance.now() - started).toBeLessThan(19_000);
    });

    test("a long poll ends after its wait time", async () => {
      const queue = await queues.createFifo();
      const started = performance.now();
      expect(await queue.receive({ WaitTimeSeconds: 1 })).toEqual([]);
      expect(performance.now() - started).toBeGreaterThan(900);
    });

    test("only one of many long polls receives the message", async () => {
      const queue = await queues.createStandard({ ReceiveMessageWaitTimeSeconds: "4", VisibilityTimeout: "120" });
      const polls = Array.from({ length: 5 }, () => queue.receive());
      await queue.send("for one of them");
      expect((await Promise.all(polls)).flat()).toHaveLength(1);
    });

    test.skipIf(!capabilities.abandonedPollsTakeNothing)(
      "a client that goes away takes no message with it",
      async () => {
        const queue = await queues.createFifo();
        const abort = new AbortController();
        const poll = queue.receiveUntil(abort.signal);
        await new Promise((resolve) => setTimeout(resolve, 200));
        abort.abort();
        await expect(poll).rejects.toThrow();
        await new Promise((resolve) => setTimeout(resolve, 200));
        await queue.send("stays");
        expect(bodiesOf(await queue.receive({ WaitTimeSeconds: 20 }))).toEqual(["stays"]);
      },
    );
  });
}
