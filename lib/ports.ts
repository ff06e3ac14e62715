import type { S3Client } from "@aws-sdk/client-s3";
import type { SQSClient } from "@aws-sdk/client-sqs";
import { apiKeySource } from "./api-key.ts";
import { systemClock } from "./clock.ts";
import type { CommonConfig, DojoConfig, Env, ImporterConfig } from "./config.ts";
import { dojoClient } from "./defectdojo/client.ts";
import { httpTransport } from "./defectdojo/http.ts";
import type { DefectDojo } from "./defectdojo/port.ts";
import type { RecordPorts } from "./import-record.ts";
import type { IngestPorts } from "./ingest.ts";
import type { Observer } from "./observe.ts";
import { sqsQueue } from "./queue.ts";
import { s3Storage } from "./storage.ts";

/** DefectDojo as the configuration says. */
export function dojoPort(config: DojoConfig, proxyEnv: Env): DefectDojo {
  const transport = httpTransport({
    baseUrl: config.DEFECTDOJO_URL,
    apiKey: apiKeySource(config),
    timeoutMs: config.DEFECTDOJO_TIMEOUT_SECONDS * 1000,
    proxyEnv,
  });
  return dojoClient(transport, { baseUrl: config.DEFECTDOJO_URL, readConcurrency: config.READ_CONCURRENCY });
}

export interface Clients {
  readonly s3: S3Client;
  readonly sqs: SQSClient;
}

/** What ingest reaches the world through. */
export function ingestPorts(config: CommonConfig, observer: Observer, { s3, sqs }: Clients): IngestPorts {
  return {
    ...observer,
    storage: s3Storage(s3),
    queue: sqsQueue(sqs, config.QUEUE_URL),
    dlq: sqsQueue(sqs, config.DLQ_URL),
    clock: systemClock,
  };
}

/** What the importer reaches the world through. */
export function importerPorts(
  config: ImporterConfig,
  observer: Observer,
  clients: Clients,
  proxyEnv: Env,
): RecordPorts {
  return { ...ingestPorts(config, observer, clients), dojo: dojoPort(config, proxyEnv) };
}
