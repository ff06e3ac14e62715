import type { S3Client } from "@aws-sdk/client-s3";
import type { SQSClient } from "@aws-sdk/client-sqs";
import type { CommonConfig } from "../config.ts";
import type { IngestPorts } from "../ingest/ingest.ts";
import type { Observer } from "../observe.ts";
import { systemClock } from "../util/clock.ts";
import { s3Storage } from "./s3-storage.ts";
import { sqsQueue } from "./sqs-queue.ts";

export interface Clients {
  readonly s3: S3Client;
  readonly sqs: SQSClient;
}

/** The ports that ingest uses. */
export function ingestPorts(config: CommonConfig, observer: Observer, { s3, sqs }: Clients): IngestPorts {
  return {
    ...observer,
    storage: s3Storage(s3),
    queue: sqsQueue(sqs, config.QUEUE_URL),
    dlq: sqsQueue(sqs, config.DLQ_URL),
    clock: systemClock,
  };
}
