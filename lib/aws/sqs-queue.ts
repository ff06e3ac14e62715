import { ChangeMessageVisibilityCommand, SendMessageCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { describeError, RelayError } from "../errors.ts";
import type { Queue } from "../ports/queue.ts";

/** SQS' own limit: twelve hours. */
const LONGEST_VISIBILITY = 43_200;

/** The queue port over SQS and compatible queues. */
export function sqsQueue(client: SQSClient, queueUrl: string): Queue {
  return {
    send: async ({ body, group, deduplicationId, attributes = {} }) => {
      try {
        await client.send(
          new SendMessageCommand({
            QueueUrl: queueUrl,
            MessageBody: body,
            MessageGroupId: group,
            MessageDeduplicationId: deduplicationId,
            MessageAttributes: Object.fromEntries(
              Object.entries(attributes).map(([name, value]) => [
                name,
                { DataType: "String", StringValue: value || "-" },
              ]),
            ),
          }),
        );
      } catch (error) {
        throw queueError(error, queueUrl);
      }
    },
    changeVisibility: async (receiptHandle, seconds) => {
      try {
        await client.send(
          new ChangeMessageVisibilityCommand({
            QueueUrl: queueUrl,
            ReceiptHandle: receiptHandle,
            VisibilityTimeout: Math.max(0, Math.min(LONGEST_VISIBILITY, Math.round(seconds))),
          }),
        );
      } catch (error) {
        throw queueError(error, queueUrl);
      }
    },
  };
}

function queueError(error: unknown, queueUrl: string): RelayError {
  return new RelayError("queue-unavailable", `${queueUrl}: ${describeError(error)}`, {
    object: queueUrl,
    cause: error,
  });
}
