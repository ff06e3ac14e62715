import { processPartialResponse, SqsFifoPartialProcessorAsync } from "@aws-lambda-powertools/batch";
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda";
import { RelayError } from "../errors.ts";
import { importRecord } from "../importer/process-message.ts";
import type { RecordSettings } from "../importer/settings.ts";
import type { RecordPorts } from "../importer/settle-message.ts";
import { until } from "../util/until.ts";

/** What is read of Lambda's context; the embedded runtime passes its own. */
export type RunContext = Pick<Context, "getRemainingTimeInMillis" | "awsRequestId"> & {
  /** Says when the call was given up; whatever it does ends then. */
  readonly end?: AbortSignal;
};

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
    await releaseUnfinished(event, response, tried, ports);
    return response;
  };
}

/**
 * Messages behind a failed one of their group were not tried. They are made visible at once: as long as they are hidden, SQS hands out nothing of the
 * group, the failed one included.
 */
async function releaseUnfinished(
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
