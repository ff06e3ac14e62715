import { randomBytes } from "node:crypto";
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  type Message,
  ReceiveMessageCommand,
  type ReceiveMessageCommandInput,
  SendMessageCommand,
  type SendMessageCommandInput,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe } from "vitest";
import { queueBatchTests } from "./queue-batches.contract.ts";
import { queueFifoTests } from "./queue-fifo.contract.ts";
import { queueManagementTests } from "./queue-management.contract.ts";
import { queueMessageTests } from "./queue-messages.contract.ts";
import { queueRedriveTests } from "./queue-redrive.contract.ts";
import { queueRestartTests } from "./queue-restart.contract.ts";

/** What AWS does, but not every server. A test that needs one of these is skipped, by name, where it is missing. */
export interface QueueCapabilities {
  /** What is not supported is answered with UnsupportedOperation. */
  readonly unsupportedIsAnError: boolean;
  /** Sizes (attributes counted), times and ids beyond what AWS allows are refused, with the errors that AWS documents. */
  readonly limitsAreExact: boolean;
  /** `app.*` asks for all message attributes whose names begin so. */
  readonly attributePrefixes: boolean;
  /** Deleting a message that was deleted is no error. */
  readonly deletingTwiceIsNoError: boolean;
  /** A FIFO queue refuses to delete by a receipt handle whose visibility timeout has run out. */
  readonly expiredHandleIsRefused: boolean;
  /** Changing the visibility of a message that is not in flight is an error. */
  readonly notInflightIsAnError: boolean;
  /** A long poll whose client went away takes no message out of the queue. */
  readonly abandonedPollsTakeNothing: boolean;
  /** A message in the dead letter queue names the queue that it came from. */
  readonly deadLetterSource: boolean;
  /** A group with a message in flight still waits for it when the server was restarted. */
  readonly groupsWaitOverRestart: boolean;
}

export interface QueueSetup {
  readonly client: SQSClient;
  /** Stops and starts the server; the client and URLs stay good. */
  readonly restart?: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** A queue of one test, with what tests do to it. */
export interface TestQueue {
  readonly url: string;
  send(body: string, more?: Partial<SendMessageCommandInput>): Promise<string>;
  receive(more?: Partial<ReceiveMessageCommandInput>): Promise<Message[]>;
  /** A long poll that the client gives up when the signal is aborted. */
  receiveUntil(abortSignal: AbortSignal): Promise<unknown>;
  delete(message: Message | undefined): Promise<void>;
}

export interface QueuesUnderTest {
  readonly client: () => SQSClient;
  /** Undefined when the server is not ours to restart. */
  readonly restart: () => QueueSetup["restart"];
  createFifo(attributes?: Readonly<Record<string, string>>): Promise<TestQueue>;
  createStandard(attributes?: Readonly<Record<string, string>>): Promise<TestQueue>;
}

/** A queue's name that no other test has. */
export function uniqueName(suffix = ""): string {
  return `contract-${randomBytes(8).toString("hex")}${suffix}`;
}

export function bodiesOf(messages: readonly Message[]): (string | undefined)[] {
  return messages.map((message) => message.Body);
}

/** What dojo-relay asks of an SQS. Every queue that we claim to work with passes it. */
export function queueContract(name: string, capabilities: QueueCapabilities, setup: () => Promise<QueueSetup>): void {
  describe(`queue contract: ${name}`, () => {
    let current: QueueSetup | undefined;
    const urls: string[] = [];
    const client = () => {
      if (!current) throw new Error("The queue is not set up");
      return current.client;
    };
    const create = async (suffix: string, Attributes: Readonly<Record<string, string>>) => {
      const { QueueUrl = "" } = await client().send(
        new CreateQueueCommand({ QueueName: uniqueName(suffix), Attributes: { ...Attributes } }),
      );
      urls.push(QueueUrl);
      return testQueue(client, QueueUrl);
    };
    const queues: QueuesUnderTest = {
      client,
      restart: () => current?.restart,
      createFifo: (attributes = {}) => create(".fifo", { FifoQueue: "true", ...attributes }),
      createStandard: (attributes = {}) => create("", attributes),
    };
    beforeAll(async () => {
      current = await setup();
    });
    afterAll(async () => {
      for (const QueueUrl of urls) await client().send(new DeleteQueueCommand({ QueueUrl }));
      await current?.close();
    });
    queueManagementTests(queues, capabilities);
    queueMessageTests(queues, capabilities);
    queueBatchTests(queues, capabilities);
    queueFifoTests(queues, capabilities);
    queueRedriveTests(queues, capabilities);
    queueRestartTests(queues, capabilities);
  });
}

export function testQueue(client: () => SQSClient, QueueUrl: string): TestQueue {
  let sent = 0;
  const unique = () => `${process.pid}-${Date.now()}-${sent++}`;
  const isFifo = QueueUrl.endsWith(".fifo");
  return {
    url: QueueUrl,
    /** To a FIFO queue: in the group "g" with a deduplication id of its own, unless told otherwise. */
    async send(MessageBody, more = {}) {
      const fifo = isFifo ? { MessageGroupId: "g", MessageDeduplicationId: unique() } : {};
      const { MessageId = "" } = await client().send(
        new SendMessageCommand({ QueueUrl, MessageBody, ...fifo, ...more }),
      );
      return MessageId;
    },
    async receive(more = {}) {
      const { Messages = [] } = await client().send(
        new ReceiveMessageCommand({
          QueueUrl,
          MessageSystemAttributeNames: ["All"],
          MessageAttributeNames: ["All"],
          ...more,
        }),
      );
      return Messages;
    },
    receiveUntil: (abortSignal) =>
      client().send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 20 }), { abortSignal }),
    async delete(message) {
      await client().send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message?.ReceiptHandle }));
    },
  };
}
