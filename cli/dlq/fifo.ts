import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { withServerDate } from "../http-date.ts";
import { ask } from "../operator.ts";

interface QueueCounts {
  /** Messages that can be received, subject to their groups' order. */
  readonly waiting: number;
  /** Messages that somebody has received. */
  readonly inFlight: number;
  /** Milliseconds since the epoch by the server's clock, rounded down to the second. */
  readonly serverNow: number;
}

/** The FIFO queue operations that commands need. */
export interface Fifo {
  readonly url: string;
  counts(): Promise<QueueCounts>;
  receive(options: { most: number; visibilitySeconds: number; waitSeconds: number }): Promise<Message[]>;
  /** Sends the message again to the end of its group, with these attributes added to its own. */
  sendAgain(message: Message, attributes: Readonly<Record<string, string>>, deduplicationId: string): Promise<void>;
  remove(message: Message): Promise<void>;
  /** Hides received messages for that long from now; 0 releases them. Messages that are no longer ours are left alone. */
  hide(messages: readonly Message[], seconds: number): Promise<void>;
}

const BATCH = 10;

export function fifo(sqs: SQSClient, url: string): Fifo {
  return {
    url,
    counts: async () => {
      const command = new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["All"] });
      const { answer, date } = await ask(
        url,
        withServerDate(command, () => sqs.send(command)),
      );
      const count = (name: string) => Number((answer.Attributes as Record<string, string> | undefined)?.[name] ?? 0);
      return {
        waiting: count("ApproximateNumberOfMessages") + count("ApproximateNumberOfMessagesDelayed"),
        inFlight: count("ApproximateNumberOfMessagesNotVisible"),
        serverNow: (date ?? new Date()).getTime(),
      };
    },
    receive: async ({ most, visibilitySeconds, waitSeconds }) => {
      const command = new ReceiveMessageCommand({
        QueueUrl: url,
        MaxNumberOfMessages: Math.min(BATCH, most),
        VisibilityTimeout: visibilitySeconds,
        WaitTimeSeconds: waitSeconds,
        MessageSystemAttributeNames: ["All"],
        MessageAttributeNames: ["All"],
      });
      return (await ask(url, sqs.send(command))).Messages ?? [];
    },
    sendAgain: async ({ Body, Attributes, MessageAttributes }, attributes, MessageDeduplicationId) => {
      const command = new SendMessageCommand({
        QueueUrl: url,
        MessageBody: Body,
        MessageGroupId: Attributes?.MessageGroupId,
        MessageDeduplicationId,
        MessageAttributes: withAttributes(MessageAttributes, attributes),
      });
      await ask(url, sqs.send(command));
    },
    remove: async ({ ReceiptHandle }) => {
      await ask(url, sqs.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle })));
    },
    hide: async (messages, seconds) => {
      for (let start = 0; start < messages.length; start += BATCH) {
        const Entries = messages.slice(start, start + BATCH).map(({ ReceiptHandle }, index) => ({
          Id: String(index),
          ReceiptHandle,
          VisibilityTimeout: seconds,
        }));
        await ask(url, sqs.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl: url, Entries })));
      }
    },
  };
}

/** A message's own attributes for sending again, with these added. */
function withAttributes(own: Message["MessageAttributes"], added: Readonly<Record<string, string>>) {
  const kept = Object.entries(own ?? {}).map(
    ([name, { DataType, StringValue, BinaryValue }]) =>
      [
        name,
        {
          DataType,
          ...(StringValue === undefined ? {} : { StringValue }),
          ...(BinaryValue === undefined ? {} : { BinaryValue }),
        },
      ] as const,
  );
  const texts = Object.entries(added).map(
    ([name, StringValue]) => [name, { DataType: "String", StringValue }] as const,
  );
  return Object.fromEntries([...kept, ...texts]);
}
