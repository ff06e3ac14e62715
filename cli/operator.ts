import type { S3Client } from "@aws-sdk/client-s3";
import { GetQueueUrlCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { s3Client, sqsClient } from "../lib/aws/clients.ts";
import { s3Storage } from "../lib/aws/s3-storage.ts";
import { type Env, type OperatorConfig, readOperatorConfig } from "../lib/config.ts";
import type { Storage } from "../lib/ports/storage.ts";
import { CommandError } from "./command-error.ts";
import { DLQ_NAME, QUEUE_NAME } from "./resources.ts";

/** What the commands of operators work with. */
export interface Operator {
  readonly config: OperatorConfig;
  readonly s3: S3Client;
  readonly sqs: SQSClient;
  readonly storage: Storage;
}

export interface QueueUrls {
  readonly queueUrl: string;
  readonly dlqUrl: string;
}

/**
 * The environment plus the endpoints of the store and queue embedded in `dojo-relay start`, if S3_PORT and SQS_PORT name their ports: so a
 * command works with the service's own environment.
 */
export function withOwnServers(env: Env): Env {
  const at = (port: string | undefined) => (Number(port) > 0 ? `http://127.0.0.1:${Number(port)}` : undefined);
  return {
    ...env,
    AWS_ENDPOINT_URL_S3: endpointOf(env, "S3") || at(env.S3_PORT),
    AWS_ENDPOINT_URL_SQS: endpointOf(env, "SQS") || at(env.SQS_PORT),
  };
}

/** Whether the store is the one embedded in `dojo-relay start`, which loses no event. */
export const isOwnStore = (env: Env): boolean => !endpointOf(env, "S3") && Number(env.S3_PORT) > 0;

/** An external server of this service, if one is set. */
const endpointOf = (env: Env, service: "S3" | "SQS") => env[`AWS_ENDPOINT_URL_${service}`] || env.AWS_ENDPOINT_URL;

/** @throws RelayError `config-invalid` */
export function operator(env: Env): Operator {
  const config = readOperatorConfig(withOwnServers(env));
  const s3 = s3Client(config, env);
  return { config, s3, sqs: sqsClient(config, env), storage: s3Storage(s3) };
}

/** The queues' names: the last part of their URLs, or the defaults. */
export function queueNames({ QUEUE_URL, DLQ_URL }: Pick<OperatorConfig, "QUEUE_URL" | "DLQ_URL">) {
  const nameOf = (url: string | undefined, usual: string) => url?.slice(url.lastIndexOf("/") + 1) ?? usual;
  return { queue: nameOf(QUEUE_URL, QUEUE_NAME), dlq: nameOf(DLQ_URL, DLQ_NAME) };
}

/** With an external store and no queue server: the service embeds a queue, on a port that only its log shows. */
export const ownQueue = (config: OperatorConfig) =>
  config.AWS_ENDPOINT_URL_S3 !== undefined &&
  config.AWS_ENDPOINT_URL_SQS === undefined &&
  (config.QUEUE_URL === undefined || config.DLQ_URL === undefined);

/** The queues by QUEUE_URL and DLQ_URL, else by their usual names. @throws CommandError if there are none */
export async function findQueues({ config, sqs }: Pick<Operator, "config" | "sqs">): Promise<QueueUrls> {
  if (ownQueue(config)) throw new CommandError("no queue server is configured", OWN_QUEUE_ADVICE);
  const find = async (given: string | undefined, name: string) => {
    if (given !== undefined) return given;
    const { QueueUrl } = await ask(`queue ${name}`, sqs.send(new GetQueueUrlCommand({ QueueName: name })));
    return QueueUrl ?? "";
  };
  const names = queueNames(config);
  const [queueUrl, dlqUrl] = await Promise.all([find(config.QUEUE_URL, names.queue), find(config.DLQ_URL, names.dlq)]);
  return { queueUrl, dlqUrl };
}

const SQS_ADVICE =
  "Check AWS_ENDPOINT_URL_SQS (`dojo-relay start` logs the one of its own queue), AWS_REGION and the credentials.";
const OWN_QUEUE_ADVICE =
  "Set AWS_ENDPOINT_URL_SQS; for the queue of `dojo-relay start` itself, set SQS_PORT for the service and for this command.";
const NO_QUEUE_ADVICE = "Create the queues with `dojo-relay setup`, or set QUEUE_URL and DLQ_URL.";

/** The response to a request to SQS. @throws CommandError that names the object and what to check */
export async function ask<T>(what: string, request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    throw new CommandError(what, noSuchQueue(error) ? NO_QUEUE_ADVICE : SQS_ADVICE, error);
  }
}

/** SQS and compatible servers have two names for it. */
function noSuchQueue(error: unknown): boolean {
  return error instanceof Error && /NonExistentQueue|QueueDoesNotExist/.test(error.name);
}
