import { processPartialResponse, SqsFifoPartialProcessorAsync } from "@aws-lambda-powertools/batch";
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda";
import { RelayError } from "../errors.ts";
import { importRecord, type RecordPorts, type RecordSettings } from "../importer/process-message.ts";
import { type IngestPorts, type IngestResult, type IngestSettings, ingest } from "../ingest/ingest.ts";
import { until } from "../util/until.ts";

/** What is read of Lambda's context; the embedded runtime passes its own. */
export type RunContext = Pick<Context, "getRemainingTimeInMillis" | "awsRequestId"> & {
  /** Says when the call was given up; whatever it does ends then. */
  readonly end?: AbortSignal;
};

export type IngestAnswer = IngestResult & SQSBatchResponse;

/**
 * The ingest function. Notifications out of SQS fail one by one; any other event fails whole if a piece of it may still succeed, so that whoever sent
 * it sends it again: a piece that was enqueued then is the same message to the FIFO queue.
 * @throws RelayError the first failure that a retry may mend
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

/**
 * The importer function: jobs out of the FIFO queue, one after another. A job that fails holds back those of its product behind it, and no others.
 */
export function importerHandler(ports: RecordPorts, settings: RecordSettings) {
  return async (event: SQSEvent, context: RunContext): Promise<SQSBatchResponse> => {
    // It holds the batch: the embedded runtime works on several at once.
    const processor = new SqsFifoPartialProcessorAsync();
    const tried = new Set<string>();
    const work = async (record: SQSRecord) => {
      tried.add(record.messageId);
      const delivery = { remainingMs: () => context.getRemainingTimeInMillis() };
      const outcome = await until(context.end, () => importRecord(toMessage(record), ports, settings, delivery));
      if (!outcome.settled) throw outcome.error;
    };
    const response = await processPartialResponse(event, work, processor, {
      context: context as unknown as Context,
      skipGroupOnError: true,
      throwOnFullBatchFailure: false,
    });
    await giveBack(event, response, tried, ports);
    return response;
  };
}

/**
 * Messages behind a failed one of their group were not tried. They are made visible at once: as long as they are hidden, SQS hands out nothing of the
 * group, the failed one included.
 */
async function giveBack(
  event: SQSEvent,
  { batchItemFailures }: SQSBatchResponse,
  tried: ReadonlySet<string>,
  { queue, log }: RecordPorts,
) {
  const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
  const untried = event.Records.filter(({ messageId }) => failed.has(messageId) && !tried.has(messageId));
  for (const { messageId, receiptHandle } of untried) {
    await queue
      .changeVisibility(receiptHandle, 0)
      .catch((error: unknown) => log.warn("a message could not be given back", { messageId, error }));
  }
}

function toMessage({ messageId, body, receiptHandle, attributes }: SQSRecord) {
  if (typeof messageId !== "string" || typeof body !== "string") {
    throw new RelayError("job-invalid", "a record without message id or body", { object: "record" });
  }
  return {
    messageId,
    body,
    receiptHandle,
    group: attributes.MessageGroupId ?? "unknown",
    receiveCount: Number(attributes.ApproximateReceiveCount ?? 1),
  };
}
