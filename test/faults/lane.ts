import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { S3Client } from "@aws-sdk/client-s3";
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { ensureBucket, ensureQueues } from "../../cli/resources.ts";
import type { StandinOptions } from "../../infra/local/defectdojo/options.ts";
import { type Standin, startStandin } from "../../infra/local/defectdojo/server.ts";
import { startEmbeddedS3 } from "../../infra/local/s3/server.ts";
import { startEmbeddedSqs } from "../../infra/local/sqs/server.ts";
import { s3Client, sqsClient } from "../../lib/aws/clients.ts";
import { s3Storage } from "../../lib/aws/s3-storage.ts";
import type { Storage } from "../../lib/ports/storage.ts";
import type { Service } from "./call-names.ts";
import { type Nursery, nursery } from "./children.ts";
import { type Call, type CallProxy, startProxy, type Watch } from "./proxy.ts";

export const BUCKET = "securecodebox";

/** Its own bucket, queues and DefectDojo, each behind a proxy, and importers to kill. */
export interface Lane {
  readonly storage: Storage;
  readonly queue: LaneQueue;
  readonly dlq: LaneQueue;
  readonly children: Nursery;
  /** The importers' environment: the URLs of the proxies. */
  env(): Record<string, string>;
  /** Sets the observer of the proxies' calls. */
  watch(watch: Watch): void;
  /** Replaces DefectDojo with one that behaves this way. */
  useDojo(options: StandinOptions): Promise<Standin>;
  dojo(): Standin;
  close(): Promise<void>;
}

/** Direct access to a queue, without the proxy. */
interface LaneQueue {
  send(body: string, group: string, deduplicationId: string): Promise<void>;
  /** The number of messages, in flight or not. */
  size(): Promise<number>;
  /** Makes the message of this receipt visible at once; it may be gone. */
  release(receiptHandle: string): Promise<void>;
  /** Removes all messages. */
  takeAll(): Promise<readonly { body: string; group: string; reason: string }[]>;
}

const NOBODY: Watch = { cut: () => undefined, kill: async () => undefined, answered: () => undefined };
/** Longer than any run: redeliveries are released explicitly. */
const VISIBILITY_SECONDS = 120;

export async function openLane(): Promise<Lane> {
  const dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-faults-"));
  const s3 = await startEmbeddedS3({ dataDir: join(dataDir, "s3") });
  const sqs = await startEmbeddedSqs({ dataDir: join(dataDir, "sqs") });
  const addresses = { AWS_REGION: "us-east-1", AWS_ENDPOINT_URL_S3: s3.url, AWS_ENDPOINT_URL_SQS: sqs.url };
  const clients: { s3: S3Client; sqs: SQSClient } = { s3: s3Client(addresses, {}), sqs: sqsClient(addresses, {}) };
  await ensureBucket(clients.s3, BUCKET);
  const { queueUrl, dlqUrl } = await ensureQueues(clients.sqs, VISIBILITY_SECONDS);
  let current = NOBODY;
  let standin = await startStandin();
  const proxyOf = (service: Service, url: string) => startProxy(service, url, () => current);
  const proxies = { s3: await proxyOf("S3", s3.url), sqs: await proxyOf("SQS", sqs.url) };
  let dojoProxy: CallProxy = await proxyOf("DefectDojo", standin.url);
  const children = nursery();
  const closeDojo = async () => {
    await dojoProxy.close();
    await standin.close();
  };
  return {
    storage: s3Storage(clients.s3),
    queue: laneQueue(clients.sqs, queueUrl),
    dlq: laneQueue(clients.sqs, dlqUrl),
    children,
    env: () => ({
      ...{ AWS_REGION: "us-east-1", AWS_ENDPOINT_URL_S3: proxies.s3.url, AWS_ENDPOINT_URL_SQS: proxies.sqs.url },
      ...{ QUEUE_URL: queueUrl.replace(sqs.url, proxies.sqs.url), DLQ_URL: dlqUrl.replace(sqs.url, proxies.sqs.url) },
      ...{ DEFECTDOJO_URL: dojoProxy.url, DEFECTDOJO_APIKEY: standin.apiKey },
    }),
    watch: (watch) => {
      current = watch;
    },
    useDojo: async (options) => {
      await closeDojo();
      standin = await startStandin(options);
      dojoProxy = await proxyOf("DefectDojo", standin.url);
      return standin;
    },
    dojo: () => standin,
    close: async () => {
      await children.close();
      await closeDojo();
      for (const proxy of Object.values(proxies)) await proxy.close();
      clients.s3.destroy();
      clients.sqs.destroy();
      await s3.close();
      await sqs.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

function laneQueue(sqs: SQSClient, url: string): LaneQueue {
  return {
    send: async (body, group, deduplicationId) => {
      await sqs.send(
        new SendMessageCommand({
          ...{ QueueUrl: url, MessageBody: body, MessageGroupId: group, MessageDeduplicationId: deduplicationId },
        }),
      );
    },
    size: async () => {
      const names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"] as const;
      const { Attributes = {} } = await sqs.send(
        new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: [...names] }),
      );
      return names.reduce((sum, name) => sum + Number(Attributes[name]), 0);
    },
    release: async (ReceiptHandle) => {
      await sqs
        .send(new ChangeMessageVisibilityCommand({ QueueUrl: url, ReceiptHandle, VisibilityTimeout: 0 }))
        .catch(() => undefined);
    },
    takeAll: async () => {
      const taken: { body: string; group: string; reason: string }[] = [];
      for (;;) {
        const { Messages = [] } = await sqs.send(
          new ReceiveMessageCommand({
            ...{ QueueUrl: url, MaxNumberOfMessages: 10, MessageAttributeNames: ["All"] },
            MessageSystemAttributeNames: ["All"],
          }),
        );
        if (Messages.length === 0) return taken;
        for (const { Body = "", ReceiptHandle, Attributes, MessageAttributes } of Messages) {
          const reason = MessageAttributes?.reason?.StringValue ?? "";
          taken.push({ body: Body, group: Attributes?.MessageGroupId ?? "", reason });
          await sqs.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle }));
        }
      }
    },
  };
}

/** `S3 PUT findings.json`, with a count for repeated names. */
export const nameOf = ({ service, name, nth }: Call) => `${service} ${name}${nth > 0 ? ` (${nth + 1})` : ""}`;
