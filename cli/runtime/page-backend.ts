import type { Clients } from "../../lib/aws/ingest-ports.ts";
import { s3Storage } from "../../lib/aws/s3-storage.ts";
import { sqsQueue } from "../../lib/aws/sqs-queue.ts";
import type { ImporterConfig, ServiceConfig } from "../../lib/config.ts";
import type { Log } from "../../lib/observe.ts";
import { fifo } from "../dlq/fifo.ts";
import type { Activity } from "./activity.ts";
import { findingsIndex } from "./history/findings-index.ts";
import { startHistory } from "./history/history.ts";
import { openScanIndex } from "./history/scan-index.ts";
import type { PageBackend } from "./page-api.ts";
import { deadLetters } from "./page-letters.ts";

/** The page's view of bucket and queues. Starts to look at both. */
export async function openPageBackend(
  { config, clients }: { readonly config: ImporterConfig; readonly clients: Clients },
  { service, activity, log }: { readonly service: ServiceConfig; readonly activity: Activity; readonly log: Log },
): Promise<PageBackend & { close(): Promise<void> }> {
  const storage = s3Storage(clients.s3);
  const queue = sqsQueue(clients.sqs, config.QUEUE_URL);
  // The embedded store has a different port at each start.
  const { BUCKET: bucket, AWS_ENDPOINT_URL_S3: endpoint = "" } = service;
  const index = await openScanIndex(service.DATA_DIR, JSON.stringify([endpoint, bucket]), log);
  const history = startHistory({ storage, bucket, index, log });
  const findings = findingsIndex(storage);
  const letters = deadLetters({ dlq: fifo(clients.sqs, config.DLQ_URL), queue, activity }, log);
  void letters.look();
  return {
    ...{ bucket, findingsName: config.FINDINGS_NAME, storage, queue, history, findings, letters, log },
    close: async () => {
      await history.stop();
      findings.close();
    },
  };
}
