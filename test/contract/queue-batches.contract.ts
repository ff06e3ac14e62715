import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  SendMessageBatchCommand,
  type SendMessageBatchRequestEntry,
} from "@aws-sdk/client-sqs";
import { describe, expect, test } from "vitest";
import { errorOf } from "./aws.ts";
import { bodiesOf, type QueueCapabilities, type QueuesUnderTest, type TestQueue } from "./queue.contract.ts";

export function queueBatchTests(queues: QueuesUnderTest, capabilities: QueueCapabilities): void {
  const sendAll = (queue: TestQueue, Entries: SendMessageBatchRequestEntry[]) =>
    queues.client().send(new SendMessageBatchCommand({ QueueUrl: queue.url, Entries }));
  const fifoEntries = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      Id: `id-${index}`,
      MessageBody: `body ${index}`,
      MessageGroupId: "g",
      MessageDeduplicationId: `d-${index}`,
    }));

  describe("batches", () => {
    test("send up to ten in order, and are deleted as one", async () => {
      const queue = await queues.createFifo();
      const { Successful = [], Failed } = await sendAll(queue, fifoEntries(10));
      expect(Failed ?? []).toEqual([]);
      expect(Successful.map(({ Id }) => Id)).toEqual(fifoEntries(10).map(({ Id }) => Id));
      const numbers = Successful.map(({ SequenceNumber = "" }) => BigInt(SequenceNumber));
      expect(numbers).toEqual(numbers.toSorted((left, right) => (left < right ? -1 : 1)));
      const messages = await queue.receive({ MaxNumberOfMessages: 10 });
      expect(bodiesOf(messages)).toEqual(fifoEntries(10).map(({ MessageBody }) => MessageBody));
      const Entries = messages.map(({ ReceiptHandle }, index) => ({ Id: `${index}`, ReceiptHandle }));
      const deleted = await queues.client().send(new DeleteMessageBatchCommand({ QueueUrl: queue.url, Entries }));
      expect(deleted.Successful).toHaveLength(10);
      await queue.send("next");
      expect(bodiesOf(await queue.receive({ MaxNumberOfMessages: 10 }))).toEqual(["next"]);
    });

    test("change the visibility of each", async () => {
      const queue = await queues.createFifo();
      await sendAll(queue, fifoEntries(3));
      const messages = await queue.receive({ MaxNumberOfMessages: 10 });
      const Entries = messages.map(({ ReceiptHandle }, index) => ({
        Id: `${index}`,
        ReceiptHandle,
        VisibilityTimeout: 0,
      }));
      const command = new ChangeMessageVisibilityBatchCommand({ QueueUrl: queue.url, Entries });
      expect((await queues.client().send(command)).Successful).toHaveLength(3);
      expect(bodiesOf(await queue.receive({ MaxNumberOfMessages: 10 }))).toEqual(["body 0", "body 1", "body 2"]);
    });

    test("fail by the entry", async () => {
      const queue = await queues.createFifo();
      const [good, , bad] = fifoEntries(3);
      if (!good || !bad) throw new Error("unreachable");
      const { MessageDeduplicationId: _, ...withoutId } = bad;
      const sent = await sendAll(queue, [good, withoutId]);
      expect(sent.Successful?.map(({ Id }) => Id)).toEqual(["id-0"]);
      expect(sent.Failed).toMatchObject([{ Id: "id-2", SenderFault: true, Code: expect.any(String) }]);
      const [message] = await queue.receive({ MaxNumberOfMessages: 10 });
      const Entries = [
        { Id: "good", ReceiptHandle: message?.ReceiptHandle },
        { Id: "bad", ReceiptHandle: "no handle" },
      ];
      const deleted = await queues.client().send(new DeleteMessageBatchCommand({ QueueUrl: queue.url, Entries }));
      expect(deleted.Successful).toMatchObject([{ Id: "good" }]);
      expect(deleted.Failed).toMatchObject([{ Id: "bad" }]);
    });

    const refused = async (queue: TestQueue, batches: Readonly<Record<string, SendMessageBatchRequestEntry[]>>) => {
      for (const [name, entries] of Object.entries(batches)) {
        expect(await errorOf(sendAll(queue, entries))).toMatchObject({ name, $metadata: { httpStatusCode: 400 } });
      }
      expect(await queue.receive()).toEqual([]);
    };

    test("that are too many or not distinct are refused as a whole", async () => {
      const same = fifoEntries(2).map((entry) => ({ ...entry, Id: "same" }));
      await refused(await queues.createFifo(), {
        TooManyEntriesInBatchRequest: fifoEntries(11),
        BatchEntryIdsNotDistinct: same,
      });
    });

    test.skipIf(!capabilities.limitsAreExact)(
      "that are empty, too large or of odd ids are refused as a whole",
      async () => {
        await refused(await queues.createFifo(), {
          EmptyBatchRequest: [],
          BatchRequestTooLong: fifoEntries(3).map((entry) => ({ ...entry, MessageBody: "x".repeat(400_000) })),
          InvalidBatchEntryId: fifoEntries(1).map((entry) => ({ ...entry, Id: "not allowed!" })),
        });
      },
    );
  });
}
