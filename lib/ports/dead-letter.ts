import { randomUUID } from "node:crypto";
import { describeError, type RelayError } from "../errors.ts";
import type { Queue } from "../ports/queue.ts";
import { sha256 } from "../util/digest.ts";

/** A dead letter: the message unchanged, so that a redrive repeats it. */
export interface Undeliverable {
  readonly body: string;
  readonly group: string;
  /** Number of attempts. */
  readonly attempts: number;
  /** Name of the scan, or the location of its findings. */
  readonly subject: string;
  /**
   * Whether the queue may drop an identical message with the same reason within five minutes, as for repeated notifications. Never for a job: it fails
   * again after a redrive, and would be lost.
   */
  readonly repeated?: boolean;
}

/** SQS counts attributes as part of the message's size; nobody reads more of an error. */
const LONGEST_MESSAGE = 1_000;

/**
 * Puts a message into the dead-letter queue with reason, class, advice and error as message attributes, for `dojo-relay dlq` and people.
 */
export async function deadLetter(
  dlq: Queue,
  { body, group, attempts, subject, repeated = false }: Undeliverable,
  error: RelayError,
  now: Date,
): Promise<void> {
  await dlq.send({
    body,
    group,
    deduplicationId: repeated ? sha256(JSON.stringify([error.reason, body])) : randomUUID(),
    attributes: {
      reason: error.reason,
      errorClass: error.errorClass,
      advice: error.advice,
      message: attributeText(describeError(error, LONGEST_MESSAGE)),
      subject: attributeText(subject.slice(0, LONGEST_MESSAGE)),
      attempts: String(attempts),
      failedAt: now.toISOString(),
    },
  });
}

/** Characters that SQS allows. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html */
function attributeText(text: string): string {
  return text.toWellFormed().replace(/[[\p{Cc}--[\t\n\r\u007f-\u009f]]\ufffe\uffff]/gv, "�");
}
