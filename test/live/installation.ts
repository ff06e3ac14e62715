import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { GetObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import {
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import { vi } from "vitest";
import { DLQ_NAME, ensureBucket, QUEUE_NAME } from "../../cli/resources.ts";
import type { UploadedScan } from "../../cli/scan-folder.ts";
import type { SetupResult } from "../../cli/setup.ts";
import { s3Storage } from "../../lib/aws/s3-storage.ts";
import { receiptOf } from "../../lib/model/object-keys.ts";
import { type Receipt, receiptSchema } from "../../lib/model/receipt.ts";
import { ANY_CREDENTIALS, s3Client, sqsClient } from "../contract/aws.ts";
import { collect } from "../helpers/collect.ts";
import type { LiveDojo } from "./dojo.ts";
import { reservePort, temporaryFolder } from "./processes.ts";
import { command, type Env, type RelayProcess, relayProcess } from "./relay.ts";
import { type LiveServer, type Minio, startElasticMq, startMinio, type WebhookTarget } from "./servers.ts";

export interface InstallationOptions {
  readonly dojo: LiveDojo;
  /** The service's embedded store and queue take the place of what is left out. */
  readonly servers: { readonly minio?: boolean; readonly elasticmq?: boolean };
  readonly env?: Env;
  /** A second relay beside the first, on the same store and queue. */
  readonly second?: boolean;
  /** Whether MinIO notifies the relay of findings. @default true */
  readonly notifies?: boolean;
  /** Further receivers of MinIO's events. */
  readonly targets?: readonly WebhookTarget[];
}

export interface DeadLetter {
  readonly body: string;
  readonly attributes: Readonly<Record<string, string | undefined>>;
}

/** The relay as in production: its own process next to real servers. */
export interface Installation {
  readonly relay: RelayProcess;
  /** The relays: one, or two. */
  readonly relays: readonly RelayProcess[];
  readonly minio: Minio | undefined;
  readonly elasticmq: LiveServer | undefined;
  readonly s3: S3Client;
  readonly bucket: string;
  readonly token: string;
  /** Puts scan folders into the bucket by `dojo-relay upload`. @returns the keys of the findings */
  upload(folders: readonly string[], prefix?: string): Promise<string[]>;
  /** The object's bytes, or undefined if it does not exist. */
  get(key: string): Promise<Buffer | undefined>;
  /** Keys of the bucket with that prefix and suffix. */
  keys(prefix?: string, suffix?: string): Promise<string[]>;
  /** Waits for the receipt of these findings. */
  receipt(key: string): Promise<Receipt>;
  /** Enqueues missed scans with `dojo-relay backfill`. @returns their number */
  backfill(): Promise<number>;
  /** Waits until the queue is empty, with nothing in flight. */
  idle(): Promise<void>;
  /** Fails with the awaited condition and the relay's warnings. */
  readonly eventually: Eventually;
  /** Receives and deletes all dead letters. */
  takeDeadLetters(): Promise<DeadLetter[]>;
  stop(): Promise<void>;
}

/** Long waits are for slow machines; the tests assert events, not times. */
const PATIENCE = { timeout: 500_000, interval: 200 };

/** Polls until there is a result. */
type Eventually = <T>(what: string, ask: () => Promise<T | undefined | false>) => Promise<T>;

const eventually =
  (relays: readonly RelayProcess[]): Eventually =>
  (what, ask) =>
    vi.waitFor(async () => {
      const answer = await ask();
      if (answer === undefined || answer === false)
        throw new Error(
          [`this never came: ${what}`, ...relays.flatMap((relay) => relay.complaints().slice(-10))].join("\n"),
        );
      return answer;
    }, PATIENCE);

export async function startInstallation(options: InstallationOptions): Promise<Installation> {
  const { dojo, servers, targets = [] } = options;
  const closers: (() => unknown)[] = [];
  const stop = async () => {
    for (const close of closers.splice(0).toReversed()) await close();
  };
  try {
    const folder = await temporaryFolder("relay");
    closers.push(() => folder[Symbol.asyncDispose]());
    const token = randomBytes(12).toString("hex");
    const bucket = `live-${randomBytes(6).toString("hex")}`;
    const ports = [await reservePort(), await reservePort(), await reservePort(), await reservePort()] as const;
    const [port, s3Port, sqsPort, secondPort] = ports.map(({ number }) => number);
    const endpoint = `http://127.0.0.1:${port}/events`;
    const minio = servers.minio
      ? await startMinio({ region: "us-east-1", targets: [{ name: "RELAY", endpoint, token }, ...targets] })
      : undefined;
    if (minio) closers.push(minio.stop);
    const elasticmq = servers.elasticmq ? await startElasticMq() : undefined;
    if (elasticmq) closers.push(elasticmq.stop);

    const credentials = minio?.credentials ?? ANY_CREDENTIALS;
    const s3 = s3Client(minio?.url ?? `http://127.0.0.1:${s3Port}`, credentials);
    const sqs = sqsClient(elasticmq?.url ?? `http://127.0.0.1:${sqsPort}`, credentials);
    closers.push(
      () => s3.destroy(),
      () => sqs.destroy(),
    );
    const store = {
      BUCKET: bucket,
      AWS_ENDPOINT_URL_S3: minio?.url ?? `http://127.0.0.1:${s3Port}`,
      AWS_ENDPOINT_URL_SQS: elasticmq?.url ?? `http://127.0.0.1:${sqsPort}`,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    };
    // An empty variable counts as unset: the service starts its own store or queue.
    const env = {
      ...store,
      ...dojo.env,
      ...(minio === undefined ? { AWS_ENDPOINT_URL_S3: "", S3_PORT: String(s3Port) } : {}),
      ...(elasticmq === undefined ? { AWS_ENDPOINT_URL_SQS: "", SQS_PORT: String(sqsPort) } : {}),
      PORT: String(port),
      WEBHOOK_TOKEN: token,
      DATA_DIR: folder.path,
      ...options.env,
    };
    const relay = relayProcess(env);
    const second = relayProcess({ ...env, PORT: String(secondPort), DATA_DIR: join(folder.path, "second") });
    const relays = options.second ? [relay, second] : [relay];
    closers.push(...relays.map((one) => () => one.end("SIGKILL")));
    for (const { release } of ports) await release();
    if (options.notifies === false) await ensureBucket(s3, bucket);
    for (const one of relays) await one.start();
    if (minio && options.notifies !== false) await command<SetupResult>(["setup"], { ...store, ...options.env });

    const until = eventually(relays);
    const get = async (key: string) => {
      try {
        const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
        return Buffer.from((await Body?.transformToByteArray()) ?? []);
      } catch (error) {
        if (error instanceof Error && error.name === "NoSuchKey") return undefined;
        throw error;
      }
    };
    return {
      relay,
      relays,
      minio,
      elasticmq,
      s3,
      bucket,
      token,
      get,
      upload: async (folders, prefix = "") => {
        const uploaded = await command<UploadedScan[]>(["upload", ...folders, "--prefix", prefix], store);
        return uploaded.map(({ findingsKey }) => findingsKey);
      },
      keys: async (prefix = "", suffix = "") => {
        const found = await collect(s3Storage(s3).list(bucket, prefix));
        return found.map(({ key }) => key).filter((key) => key.endsWith(suffix));
      },
      receipt: (key) =>
        until(`the receipt of ${key}`, async () => {
          const bytes = await get(receiptOf({ bucket, key }).key);
          return bytes && receiptSchema.parse(JSON.parse(bytes.toString("utf8")));
        }),
      backfill: async () => (await command<{ enqueued: number }>(["backfill"], store)).enqueued,
      idle: async () => {
        await until("an empty queue", async () => (await messages(sqs, QUEUE_NAME)) === 0);
      },
      eventually: until,
      takeDeadLetters: () => takeAll(sqs, DLQ_NAME),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

// --- utils ---

async function urlOf(sqs: SQSClient, QueueName: string): Promise<string> {
  return (await sqs.send(new GetQueueUrlCommand({ QueueName }))).QueueUrl ?? "";
}

async function messages(sqs: SQSClient, name: string): Promise<number> {
  const QueueUrl = await urlOf(sqs, name);
  const { Attributes = {} } = await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }));
  const { ApproximateNumberOfMessages, ApproximateNumberOfMessagesNotVisible } = Attributes;
  return Number(ApproximateNumberOfMessages) + Number(ApproximateNumberOfMessagesNotVisible);
}

async function takeAll(sqs: SQSClient, name: string): Promise<DeadLetter[]> {
  const QueueUrl = await urlOf(sqs, name);
  const taken: DeadLetter[] = [];
  for (;;) {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, MessageAttributeNames: ["All"] }),
    );
    if (Messages.length === 0) return taken;
    for (const { Body = "", ReceiptHandle, MessageAttributes = {} } of Messages) {
      const values = Object.entries(MessageAttributes).map(([key, { StringValue }]) => [key, StringValue]);
      taken.push({ body: Body, attributes: Object.fromEntries(values) });
      await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    }
  }
}
