import { processPartialResponse, SqsFifoPartialProcessorAsync } from "@aws-lambda-powertools/batch";
import type { Context, SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda";
import { RelayError } from "../errors.ts";
import { importRecord } from "../importer/process-message.ts";
import type { RecordSettings } from "../importer/settings.ts";
import type { RecordPorts } from "../importer/settle-message.ts";
import { until } from "../util/until.ts";

/** The part of Lambda's context that is used; the embedded runtime passes its own. */
export type RunContext = Pick<Context, "getRemainingTimeInMillis" | "awsRequestId"> & {
  /** Aborts when the call is abandoned; all its work then ends. */
  readonly end?: AbortSignal;
};

/**
 * The importer function: jobs from the FIFO queue, one by one. A failed job holds back only the later ones of its product.
 */
export function importerHandler(ports: RecordPorts, settings: RecordSettings) {
  return async (event: SQSEvent, context: RunContext): Promise<SQSBatchResponse> => {
    // Per batch: the embedded runtime processes several at once.
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
 * Messages behind a failed one of their group were not tried. They are released at once: while they are hidden, SQS delivers nothing of the
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
      .catch((error: unknown) => log.warn("a message could not be released", { messageId, error }));
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
