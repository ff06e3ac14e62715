import type { Message } from "@aws-sdk/client-sqs";
import { productName } from "../../lib/model/annotations.ts";
import { decodeJob, type Job } from "../../lib/model/job.ts";
import { uri } from "../../lib/model/object-keys.ts";

/** The reason of a message that SQS itself moved, by the queue's redrive policy. */
export const RECEIVED_TOO_OFTEN = "received-too-often";
const RECEIVED_TOO_OFTEN_ADVICE = "Its importer died repeatedly (memory, time, a crash): check its log, then redrive.";

/** A message of the dead-letter queue, as people see it. */
export interface DeadLetter {
  /** Stable while the message is in the queue, even when it is turned over. */
  readonly id: string;
  readonly reason: string;
  readonly errorClass: string;
  readonly advice: string;
  readonly error: string;
  /** Name of the scan with its namespace; else the findings' location; else the message. */
  readonly scan: string;
  /** `s3://bucket/key` of the findings, where the message is a job. */
  readonly findings: string | undefined;
  readonly product: string | undefined;
  readonly attempts: number;
  /** When it failed; for what SQS moved, when it was sent. */
  readonly failedAt: Date;
  readonly group: string;
  readonly body: string;
  readonly job: Job | undefined;
  readonly message: Message;
}

/** Attributes that keep the identity of a message that was turned over. */
const ID_ATTRIBUTE = "deadLetterId";

export function toDeadLetter(message: Message): DeadLetter {
  const { MessageId = "", Body: body = "", Attributes: system = {}, MessageAttributes = {} } = message;
  const attribute = (name: string) => MessageAttributes[name]?.StringValue;
  const reason = attribute("reason");
  const job = jobOf(body);
  const moved = reason === undefined;
  const name = job?.scan === undefined ? undefined : `${job.scan.namespace}/${job.scan.name}`;
  const findings = job === undefined ? undefined : uri(job);
  return {
    id: attribute(ID_ATTRIBUTE) ?? MessageId,
    reason: reason ?? RECEIVED_TOO_OFTEN,
    errorClass: attribute("errorClass") ?? "unknown",
    advice: attribute("advice") ?? (moved ? RECEIVED_TOO_OFTEN_ADVICE : ""),
    error: attribute("message") ?? (moved ? "SQS moved it here: it was received too often" : ""),
    scan: attribute("subject") ?? name ?? findings ?? `message ${MessageId}`,
    findings,
    product: job?.scan === undefined ? undefined : productName(job.scan),
    attempts: Number(attribute("attempts") ?? system.ApproximateReceiveCount ?? 0),
    failedAt: new Date(attribute("failedAt") ?? Number(system.SentTimestamp ?? 0)),
    group: system.MessageGroupId ?? "unknown",
    body,
    job,
    message,
  };
}

/** What a copy at the end of the group carries, so that {@link toDeadLetter} gives the same. */
export function carriedAttributes({ id, attempts, failedAt }: DeadLetter): Record<string, string> {
  return { [ID_ATTRIBUTE]: id, attempts: String(attempts), failedAt: failedAt.toISOString() };
}

function jobOf(body: string): Job | undefined {
  try {
    return decodeJob(body, "message");
  } catch {
    return undefined;
  }
}
