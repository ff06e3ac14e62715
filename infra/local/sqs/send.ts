import { randomUUID } from "node:crypto";
import { sha256 } from "../../../lib/util/digest.ts";
import { invalidParameter, SqsError } from "./errors.ts";
import type { MessageAttributes, SendEntry } from "./input.ts";
import {
  assertAttributesOfMessage,
  assertBody,
  assertIdentifier,
  md5,
  md5OfAttributes,
  messageSize,
} from "./message.ts";
import { numericAttribute, type Queue } from "./queues.ts";
import { type SqsContext, sequenceNumber } from "./store.ts";

const DEDUPLICATION_MS = 5 * 60 * 1000;

/** Enqueues a message. Call it in a transaction that commits before the response. */
export function sendMessage(context: SqsContext, queue: Queue, entry: SendEntry) {
  const { MessageBody: body, MessageAttributes: attributes = {}, MessageSystemAttributes: system = {} } = entry;
  assertBody(body);
  assertAttributesOfMessage(attributes);
  const limit = numericAttribute(queue, "MaximumMessageSize");
  if (messageSize(body, attributes) > limit) {
    throw invalidParameter(`One or more parameters are invalid. Reason: Message must be shorter than ${limit} bytes.`);
  }
  const trace = traceHeader(system);
  const { groupId, deduplicationId } = queue.isFifo ? fifoParameters(queue, entry) : standardParameters(entry);
  const digests = {
    MD5OfMessageBody: md5(body),
    MD5OfMessageAttributes: md5OfAttributes(attributes),
    MD5OfMessageSystemAttributes: md5OfAttributes(system),
  };
  const earlier =
    deduplicationId === undefined ? undefined : findEarlier(context, queue, groupId ?? "", deduplicationId);
  if (earlier) return { MessageId: earlier.message_id, ...digests, SequenceNumber: sequenceNumber(earlier.row_id) };

  const now = context.now();
  const delay = entry.DelaySeconds ?? numericAttribute(queue, "DelaySeconds");
  const messageId = randomUUID();
  const { lastInsertRowid } = context.database
    .prepare(
      `INSERT INTO messages (queue, message_id, body, attributes, trace_header, group_id, deduplication_id, sent_at,
        enqueued_at, visible_at, receive_count, received_here)
      VALUES (:queue, :messageId, :body, :attributes, :trace, :groupId, :deduplicationId, :now, :now, :visibleAt, 0, 0)`,
    )
    .run({
      queue: queue.name,
      messageId,
      body,
      attributes: JSON.stringify(attributes),
      trace: trace ?? null,
      groupId: groupId ?? null,
      deduplicationId: deduplicationId ?? null,
      now,
      visibleAt: now + delay * 1000,
    });
  const rowId = Number(lastInsertRowid);
  if (deduplicationId !== undefined) remember(context, queue, groupId ?? "", deduplicationId, messageId, rowId);
  return { MessageId: messageId, ...digests, SequenceNumber: queue.isFifo ? sequenceNumber(rowId) : undefined };
}

// --- utils ---

function fifoParameters(queue: Queue, entry: SendEntry): { groupId: string; deduplicationId: string } {
  const { MessageGroupId: groupId, DelaySeconds } = entry;
  if (groupId === undefined)
    throw new SqsError("MissingParameter", "The request must contain the parameter MessageGroupId.");
  assertIdentifier("MessageGroupId", groupId);
  if (DelaySeconds) {
    throw invalidParameter(
      `Value ${DelaySeconds} for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.`,
    );
  }
  const isContentBased = queue.attributes.ContentBasedDeduplication === "true";
  const deduplicationId = entry.MessageDeduplicationId ?? (isContentBased ? sha256(entry.MessageBody) : undefined);
  if (deduplicationId === undefined) {
    throw invalidParameter(
      "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    );
  }
  assertIdentifier("MessageDeduplicationId", deduplicationId);
  return { groupId, deduplicationId };
}

/** A standard queue stores a group id (SQS uses it for fairness) but does not order by it. */
function standardParameters(entry: SendEntry): { groupId: string | undefined; deduplicationId: undefined } {
  if (entry.MessageDeduplicationId !== undefined) {
    throw invalidParameter(
      "The request include parameter MessageDeduplicationId, which is not valid for this queue type.",
    );
  }
  if (entry.MessageGroupId !== undefined) assertIdentifier("MessageGroupId", entry.MessageGroupId);
  return { groupId: entry.MessageGroupId, deduplicationId: undefined };
}

function traceHeader(system: MessageAttributes): string | undefined {
  const { AWSTraceHeader: header, ...others } = system;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw invalidParameter(`Message system attribute name '${unknown}' is invalid.`);
  if (header && (header.DataType !== "String" || !header.StringValue)) {
    throw invalidParameter("The message system attribute 'AWSTraceHeader' must be a non-empty String.");
  }
  return header?.StringValue;
}

function findEarlier(context: SqsContext, queue: Queue, groupId: string, deduplicationId: string) {
  const now = context.now();
  context.database.prepare("DELETE FROM deduplications WHERE expires <= ?").run(now);
  return context.database
    .prepare("SELECT message_id, row_id FROM deduplications WHERE queue = ? AND scope = ? AND deduplication_id = ?")
    .get(queue.name, deduplicationScope(queue, groupId), deduplicationId) as
    | { message_id: string; row_id: number }
    | undefined;
}

function remember(
  context: SqsContext,
  queue: Queue,
  groupId: string,
  deduplicationId: string,
  messageId: string,
  rowId: number,
): void {
  context.database
    .prepare(
      "INSERT INTO deduplications (queue, scope, deduplication_id, message_id, row_id, expires) VALUES (?, ?, ?, ?, ?, ?)",
    )
    .run(
      queue.name,
      deduplicationScope(queue, groupId),
      deduplicationId,
      messageId,
      rowId,
      context.now() + DEDUPLICATION_MS,
    );
}

function deduplicationScope(queue: Queue, groupId: string): string {
  return queue.attributes.DeduplicationScope === "messageGroup" ? groupId : "";
}
