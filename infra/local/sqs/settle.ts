import { invalidParameter, SqsError } from "./errors.ts";
import type { Queue } from "./queues.ts";
import type { MessageRow, SqsContext } from "./store.ts";

const RECEIPT = /^([\da-f-]{36}) [\da-f-]{36}$/;

/**
 * DeleteMessage. Deleting a message twice is no error. A FIFO queue rejects a handle that is not the latest or whose visibility
 * timeout has expired; a standard queue accepts an expired handle and ignores an older one.
 */
export function deleteMessage(context: SqsContext, queue: Queue, receipt: string): object {
  const row = findMessage(context, queue, receipt);
  if (!row) return {};
  const isLast = row.receipt === receipt;
  if (queue.isFifo && (!isLast || row.visible_at <= context.now())) throw expired(receipt);
  if (!isLast) return {};
  context.database.prepare("DELETE FROM messages WHERE id = ?").run(row.id);
  // The next message of its group is available now.
  context.arrivals.announce(queue.name);
  return {};
}

/** ChangeMessageVisibility, counted from now; 0 returns the message to the queue at once. */
export function changeVisibility(context: SqsContext, queue: Queue, receipt: string, seconds: number): object {
  const row = findMessage(context, queue, receipt);
  if (!row || row.receipt !== receipt) {
    const reason = "Message does not exist or is not available for visibility timeout change.";
    throw invalidParameter(`Value ${receipt} for parameter ReceiptHandle is invalid. Reason: ${reason}`);
  }
  if (row.visible_at <= context.now())
    throw new SqsError("MessageNotInflight", "The message referred to isn't in flight.");
  context.database
    .prepare("UPDATE messages SET visible_at = ? WHERE id = ?")
    .run(context.now() + seconds * 1000, row.id);
  context.arrivals.announce(queue.name);
  return {};
}

// --- utils ---

function findMessage({ database }: SqsContext, queue: Queue, receipt: string): MessageRow | undefined {
  const [, messageId] = RECEIPT.exec(Buffer.from(receipt, "base64").toString("latin1")) ?? [];
  if (messageId === undefined) {
    throw new SqsError(
      "ReceiptHandleIsInvalid",
      `The input receipt handle "${receipt}" is not a valid receipt handle.`,
    );
  }
  const row = database.prepare("SELECT * FROM messages WHERE queue = ? AND message_id = ?").get(queue.name, messageId);
  return row as unknown as MessageRow | undefined;
}

function expired(receipt: string): SqsError {
  return invalidParameter(
    `Value ${receipt} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.`,
  );
}
