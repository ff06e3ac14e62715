import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { ensureQueues, type Queues } from "../../cli/resources.ts";
import { startEmbeddedSqs } from "../../infra/local/sqs/server.ts";
import { sqsClient } from "../../lib/aws/clients.ts";
import { sqsQueue } from "../../lib/aws/sqs-queue.ts";
import { type Reason, RelayError } from "../../lib/errors.ts";
import { encodeJob, type Job, messageGroup } from "../../lib/model/job.ts";
import { deadLetter } from "../../lib/ports/dead-letter.ts";

export interface TestQueues extends Queues {
  readonly sqs: SQSClient;
  readonly env: Readonly<Record<string, string>>;
  /** Dead-letters a job like the importer. */
  deadLetter(job: Job, reason?: Reason, failedAt?: Date): Promise<void>;
  /** Moves a message to the dead-letter queue like SQS's redrive policy: without a reason. */
  moveAside(body: string, group: string): Promise<void>;
  /** Receives all messages. */
  drain(queue: "queue" | "dlq"): Promise<Message[]>;
  count(queue: "queue" | "dlq"): Promise<{ waiting: number; inFlight: number }>;
  /** Advances the server's clock, so that messages in flight become visible again. */
  later(milliseconds: number): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A job of a scan of that product. */
export function aProductJob(number: number, product: string): Job {
  return {
    version: 1,
    kind: "import",
    bucket: "securecodebox",
    key: `scan-${number}/findings.json`,
    etag: `etag${number}`,
    scan: {
      name: `scan-${number}`,
      namespace: "default",
      scanType: "nmap",
      parameters: [],
      annotations: { "product-name": product },
    },
  };
}

/** The embedded queue server in a temporary folder, with both queues. */
export async function startQueues(): Promise<TestQueues> {
  let ahead = 0;
  const now = () => Date.now() + ahead;
  const dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-cli-"));
  const server = await startEmbeddedSqs({ dataDir, now });
  const env = { AWS_ENDPOINT_URL_SQS: server.url };
  const sqs = sqsClient({ ...env, AWS_REGION: "us-east-1", AWS_ENDPOINT_URL_S3: undefined }, {});
  const queues = await ensureQueues(sqs, 120);
  const urlOf = (queue: "queue" | "dlq") => (queue === "dlq" ? queues.dlqUrl : queues.queueUrl);
  return {
    ...queues,
    sqs,
    env,
    deadLetter: async (job, reason = "dojo-unreachable", failedAt = new Date(now())) => {
      const aside = {
        body: encodeJob(job),
        group: messageGroup(job),
        attempts: 5,
        subject: `default/${job.scan?.name}`,
      };
      const error = new RelayError(reason, `${job.key}: it failed`);
      await deadLetter(sqsQueue(sqs, queues.dlqUrl), aside, error, failedAt);
    },
    moveAside: async (body, group) => {
      await sqs.send(
        new SendMessageCommand({
          QueueUrl: queues.dlqUrl,
          MessageBody: body,
          MessageGroupId: group,
          MessageDeduplicationId: randomUUID(),
        }),
      );
    },
    drain: async (queue) => {
      const QueueUrl = urlOf(queue);
      const all: Message[] = [];
      for (;;) {
        const { Messages = [] } = await sqs.send(
          new ReceiveMessageCommand({
            QueueUrl,
            MaxNumberOfMessages: 10,
            MessageSystemAttributeNames: ["All"],
            MessageAttributeNames: ["All"],
          }),
        );
        if (Messages.length === 0) return all;
        for (const message of Messages) {
          all.push(message);
          await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }));
        }
      }
    },
    count: async (queue) => {
      const { Attributes = {} } = await sqs.send(
        new GetQueueAttributesCommand({ QueueUrl: urlOf(queue), AttributeNames: ["All"] }),
      );
      return {
        waiting: Number(Attributes.ApproximateNumberOfMessages),
        inFlight: Number(Attributes.ApproximateNumberOfMessagesNotVisible),
      };
    },
    later: (milliseconds) => {
      ahead += milliseconds;
    },
    [Symbol.asyncDispose]: async () => {
      sqs.destroy();
      await server.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
