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

/** Features of AWS that not every server has. A test that needs a missing one is skipped. */
export interface QueueCapabilities {
  /** Unsupported features return UnsupportedOperation. */
  readonly unsupportedIsAnError: boolean;
  /** Sizes (including attributes), times and ids beyond AWS's limits are rejected with the documented errors. */
  readonly limitsAreExact: boolean;
  /** `app.*` requests all message attributes with that prefix. */
  readonly attributePrefixes: boolean;
  /** Deleting a message twice is no error. */
  readonly deletingTwiceIsNoError: boolean;
  /** A FIFO queue rejects a delete with a receipt handle whose visibility timeout has expired. */
  readonly expiredHandleIsRefused: boolean;
  /** Changing the visibility of a message that is not in flight is an error. */
  readonly notInflightIsAnError: boolean;
  /** A long poll whose client disconnected consumes no message. */
  readonly abandonedPollsTakeNothing: boolean;
  /** A message in the dead-letter queue names its source queue. */
  readonly deadLetterSource: boolean;
  /** A group with a message in flight still waits for it after a restart of the server. */
  readonly groupsWaitOverRestart: boolean;
}

export interface QueueSetup {
  readonly client: SQSClient;
  /** Restarts the server; client and URLs stay valid. */
  readonly restart?: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** The queue of one test, with its operations. */
export interface TestQueue {
  readonly url: string;
  send(body: string, more?: Partial<SendMessageCommandInput>): Promise<string>;
  receive(more?: Partial<ReceiveMessageCommandInput>): Promise<Message[]>;
  /** A long poll that the client cancels when the signal is aborted. */
  receiveUntil(abortSignal: AbortSignal): Promise<unknown>;
  delete(message: Message | undefined): Promise<void>;
}

export interface QueuesUnderTest {
  readonly client: () => SQSClient;
  /** Undefined if we cannot restart the server. */
  readonly restart: () => QueueSetup["restart"];
  createFifo(attributes?: Readonly<Record<string, string>>): Promise<TestQueue>;
  createStandard(attributes?: Readonly<Record<string, string>>): Promise<TestQueue>;
}

/** A unique queue name. */
export function uniqueName(suffix = ""): string {
  return `contract-${randomBytes(8).toString("hex")}${suffix}`;
}

export function bodiesOf(messages: readonly Message[]): (string | undefined)[] {
  return messages.map((message) => message.Body);
}

/** What dojo-relay requires of SQS. Every supported queue server passes it. */
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
    /** To a FIFO queue: by default in the group "g" with a unique deduplication id. */
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
