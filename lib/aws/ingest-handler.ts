import type { SQSBatchResponse } from "aws-lambda";
import { type IngestPorts, type IngestResult, ingest } from "../ingest/ingest.ts";
import type { IngestSettings } from "../ingest/settings.ts";

export type IngestAnswer = IngestResult & SQSBatchResponse;

/**
 * The ingest function. Notifications from SQS fail one by one; any other event fails as a whole if a piece of it may still succeed, so that its
 * sender repeats it: the FIFO queue drops pieces that were enqueued before.
 * @throws RelayError the first failure that a retry may fix
 */
export function ingestHandler(ports: IngestPorts, settings: IngestSettings) {
  return async (event: unknown): Promise<IngestAnswer> => {
    const result = await ingest(event, ports, settings);
    const direct = result.failed.find(({ messageId }) => messageId === undefined);
    if (direct !== undefined) throw direct.error;
    const failed = new Set(result.failed.flatMap(({ messageId }) => messageId ?? []));
    return { ...result, batchItemFailures: [...failed].map((itemIdentifier) => ({ itemIdentifier })) };
  };
}
