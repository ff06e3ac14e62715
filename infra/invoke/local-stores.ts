import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import type { S3Client } from "@aws-sdk/client-s3";
import type { SQSClient } from "@aws-sdk/client-sqs";
import { fifo } from "../../cli/dlq/fifo.ts";
import { ensureBucket, ensureQueues } from "../../cli/resources.ts";
import { findScanFolders, uploadScan } from "../../cli/scan-folder.ts";
import { s3Client, sqsClient } from "../../lib/aws/clients.ts";
import { s3Storage } from "../../lib/aws/s3-storage.ts";
import type { Env } from "../../lib/config.ts";
import { startStandin } from "../local/defectdojo/server.ts";
import { listenOnLoopback } from "../local/http-listener.ts";
import { startEmbeddedS3 } from "../local/s3/server.ts";
import { startEmbeddedSqs } from "../local/sqs/server.ts";

/** If any of these is set, a store, queue or account is configured and nothing is started. */
const NAMES_A_STORE = [
  "AWS_ENDPOINT_URL",
  "AWS_ENDPOINT_URL_S3",
  "AWS_ENDPOINT_URL_SQS",
  "AWS_ACCESS_KEY_ID",
  "QUEUE_URL",
  "DLQ_URL",
];

const BUCKET = "securecodebox";
const FINDINGS_NAME = "findings.json";

export interface LocalStores {
  /** Environment variables through which a function finds them. */
  readonly env: Env;
  /** Human-readable lines: the contents of the queues and the bucket. */
  report(): Promise<string>;
  stop(): Promise<void>;
}

/** Whether the environment configures no store, queue or account. An empty variable counts as unset. */
export const isBare = (env: Env): boolean => NAMES_A_STORE.every((name) => !env[name]?.trim());

/**
 * Starts the embedded store and queue and, unless DEFECTDOJO_URL is set, the stand-in DefectDojo, all on free loopback ports,
 * and uploads the scan folders next to the event.
 * @param eventFile path of the event; `-` for stdin, which has no scans next to it
 */
export async function startLocalStores(env: Env, eventFile: string): Promise<LocalStores> {
  const dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-invoke-"));
  const closers = [() => rm(dataDir, { recursive: true, force: true })];
  const stop = async () => {
    for (const close of closers.toReversed()) await close();
  };
  try {
    const s3Server = await startEmbeddedS3({ dataDir: join(dataDir, "s3") });
    closers.push(s3Server.close);
    const sqsServer = await startEmbeddedSqs({ dataDir: join(dataDir, "sqs") });
    closers.push(sqsServer.close);
    const aws = {
      AWS_REGION: "us-east-1",
      AWS_ENDPOINT_URL_S3: s3Server.url,
      AWS_ENDPOINT_URL_SQS: sqsServer.url,
    };
    const credentials = { AWS_ACCESS_KEY_ID: "local", AWS_SECRET_ACCESS_KEY: "local" };
    const [s3, sqs] = [s3Client(aws, {}), sqsClient(aws, {})];
    closers.push(async () => {
      s3.destroy();
      sqs.destroy();
    });
    const { queueUrl, dlqUrl } = await ensureQueues(sqs, 120);
    await uploadBeside(s3, eventFile);
    const dojo = env["DEFECTDOJO_URL"]?.trim() ? {} : await startDojo(closers);
    const told: string[] = [];
    const webhook = env["NOTIFY_URL"]?.trim() ? {} : await startWebhook(told, closers);
    return {
      env: { ...aws, ...credentials, BUCKET, QUEUE_URL: queueUrl, DLQ_URL: dlqUrl, ...dojo, ...webhook },
      report: async () => [...told, await describeQueues(sqs, queueUrl, dlqUrl), await describeBucket(s3)].join("\n"),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startDojo(closers: (() => Promise<void>)[]) {
  const standin = await startStandin();
  closers.push(standin.close);
  return { DEFECTDOJO_URL: standin.url, DEFECTDOJO_APIKEY: standin.apiKey };
}

/** A receiver of notifications. The sample scan only has Info findings, so these are included. */
async function startWebhook(told: string[], closers: (() => Promise<void>)[]) {
  const server = await listenOnLoopback("127.0.0.1", 0, async (request, response) => {
    told.push(`the webhook was sent: ${await text(request)}`);
    response.end();
  });
  closers.push(server.close);
  return { NOTIFY_URL: server.url, NOTIFY_MINIMUM_SEVERITY: "Info" };
}

async function uploadBeside(s3: S3Client, eventFile: string): Promise<void> {
  await ensureBucket(s3, BUCKET);
  if (eventFile === "-") return;
  const where = { bucket: BUCKET, prefix: "", findingsName: FINDINGS_NAME };
  for (const folder of await findScanFolders([dirname(eventFile)], FINDINGS_NAME)) await uploadScan(s3, folder, where);
}

async function describeQueues(sqs: SQSClient, queueUrl: string, dlqUrl: string): Promise<string> {
  const lines = await Promise.all(
    [
      ["queue", queueUrl],
      ["dead-letter queue", dlqUrl],
    ].map(async ([name = "", url = ""]) => {
      const messages = await fifo(sqs, url).receive({ most: 10, visibilitySeconds: 0, waitSeconds: 0 });
      return [`${name}: ${messages.length} message(s)`, ...messages.map(({ Body }) => `  ${Body ?? ""}`)];
    }),
  );
  return lines.flat().join("\n");
}

async function describeBucket(s3: S3Client): Promise<string> {
  const lines = [`s3://${BUCKET}:`];
  for await (const { key, size } of s3Storage(s3).list(BUCKET, "")) lines.push(`  ${key}  ${size} bytes`);
  return lines.join("\n");
}
