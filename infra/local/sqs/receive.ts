import { randomUUID } from "node:crypto";
import { transaction } from "../sqlite.ts";
import { type MessageAttributes, parseInput, ReceiveInput } from "./input.ts";
import { md5, md5OfAttributes } from "./message.ts";
import { deadLetterQueue, numericAttribute, type Queue, queueOfUrl } from "./queues.ts";
import { ACCOUNT, type MessageRow, queueArn, type SqsContext, sequenceNumber } from "./store.ts";

/**
 * A group delivers nothing while one of its messages is in flight or an earlier one is delayed.
 * One response may contain several messages of a group, in order. One index covers the whole query: a long
 * queue with only busy groups is scanned without reading its messages.
 */
const GROUP_IS_FREE = `
  AND group_id NOT IN (SELECT group_id FROM messages WHERE queue = :queue AND visible_at > :now AND received_here > 0)
  AND NOT EXISTS (SELECT 1 FROM messages AS earlier WHERE earlier.queue = :queue AND earlier.visible_at > :now
    AND earlier.group_id = message.group_id AND earlier.id < message.id)`;

function nextMessages(isFifo: boolean): string {
  return `SELECT * FROM messages WHERE id IN (
    SELECT id FROM messages AS message INDEXED BY messages_by_order WHERE queue = :queue AND visible_at <= :now
    ${isFifo ? GROUP_IS_FREE : ""} ORDER BY id LIMIT :limit) ORDER BY id`;
}

/** ReceiveMessage. A long poll ends with the first message, at its time limit, or when the client disconnects or the server stops. */
export async function receiveMessage(context: SqsContext, input: unknown, clientGone: AbortSignal) {
  const options = parseInput(ReceiveInput, input);
  const queue = queueOfUrl(context, options.QueueUrl);
  const wait = options.WaitTimeSeconds ?? numericAttribute(queue, "ReceiveMessageWaitTimeSeconds");
  const ended = AbortSignal.any([clientGone, context.stopped]);
  const describe = messageDescriber(options);
  const deadline = performance.now() + wait * 1000;
  for (;;) {
    // A message delivered to a disconnected client would stay hidden from all others until its visibility timeout.
    if (clientGone.aborted) return {};
    const current = queueOfUrl(context, options.QueueUrl);
    const timeout = options.VisibilityTimeout ?? numericAttribute(current, "VisibilityTimeout");
    const rows = takeMessages(context, current, options.MaxNumberOfMessages, timeout);
    if (rows.length > 0) return { Messages: rows.map(describe) };
    const left = deadline - performance.now();
    if (left <= 0 || ended.aborted) return {};
    await nextArrival(context, queue.name, left, ended);
  }
}

// --- utils ---

function takeMessages(context: SqsContext, queue: Queue, limit: number, timeout: number): MessageRow[] {
  const { database } = context;
  const select = database.prepare(nextMessages(queue.isFifo));
  const update = database.prepare(
    `UPDATE messages SET visible_at = :visibleAt, receipt = :receipt, received_here = received_here + 1,
      receive_count = receive_count + 1, first_received_at = coalesce(first_received_at, :now) WHERE id = :id RETURNING *`,
  );
  const deadLetters = deadLetterQueue(context, queue);
  let moved = false;
  const taken = transaction(database, () => {
    const now = context.now();
    removeExpired(context, queue, now);
    for (;;) {
      const rows = select.all({ queue: queue.name, now, limit }) as unknown as MessageRow[];
      const exhausted = rows.filter((row) => deadLetters && row.received_here >= deadLetters.maxReceiveCount);
      if (!deadLetters || exhausted.length === 0) {
        return rows.map((row) => {
          const receipt = Buffer.from(`${row.message_id} ${randomUUID()}`).toString("base64");
          return update.get({ id: row.id, visibleAt: now + timeout * 1000, receipt, now }) as unknown as MessageRow;
        });
      }
      // Messages behind these may be available now; look again.
      for (const row of exhausted) moveToDeadLetters(context, queue, deadLetters.name, row, now);
      moved = true;
    }
  });
  if (moved && deadLetters) context.arrivals.announce(deadLetters.name);
  return taken;
}

/** Moves the message to the end of the other queue; it keeps its id, attributes, group and counts. */
function moveToDeadLetters({ database }: SqsContext, queue: Queue, target: string, row: MessageRow, now: number): void {
  database
    .prepare(
      `INSERT INTO messages (queue, message_id, body, attributes, trace_header, group_id, deduplication_id, source_arn,
        sent_at, enqueued_at, visible_at, first_received_at, receive_count, received_here)
      SELECT :target, message_id, body, attributes, trace_header, group_id, deduplication_id, :source,
        sent_at, iif(:isFifo, :now, enqueued_at), :now, first_received_at, receive_count, 0 FROM messages WHERE id = :id`,
    )
    .run({ target, source: queueArn(queue.name), isFifo: queue.isFifo ? 1 : 0, now, id: row.id });
  database.prepare("DELETE FROM messages WHERE id = ?").run(row.id);
}

function removeExpired({ database }: SqsContext, queue: Queue, now: number): void {
  const retention = numericAttribute(queue, "MessageRetentionPeriod") * 1000;
  database.prepare("DELETE FROM messages WHERE queue = ? AND enqueued_at < ?").run(queue.name, now - retention);
}

/** Waits until a message may have become visible: one was sent or returned, or a timeout expired. */
function nextArrival(context: SqsContext, queue: string, milliseconds: number, ended: AbortSignal): Promise<void> {
  const row = context.database
    .prepare("SELECT min(visible_at) AS next FROM messages WHERE queue = ? AND visible_at > ?")
    .get(queue, context.now());
  const untilVisible = row?.next === null ? milliseconds : Number(row?.next) - context.now() + 1;
  return new Promise((resolve) => {
    const timer = setTimeout(done, Math.min(milliseconds, untilVisible));
    const unlisten = context.arrivals.listen(queue, done);
    ended.addEventListener("abort", done, { once: true });
    function done(): void {
      clearTimeout(timer);
      unlisten();
      ended.removeEventListener("abort", done);
      resolve();
    }
  });
}

/** Renders a message with the requested attributes. */
function messageDescriber(
  options: ReturnType<typeof ReceiveInput.parse>,
): (row: MessageRow) => Record<string, unknown> {
  const wantedSystem = new Set([...(options.AttributeNames ?? []), ...(options.MessageSystemAttributeNames ?? [])]);
  const wanted = options.MessageAttributeNames ?? [];
  return (row) => {
    const system = Object.entries(systemAttributes(row)).filter(
      ([name, value]) => value !== undefined && (wantedSystem.has("All") || wantedSystem.has(name)),
    );
    const all = Object.entries(JSON.parse(row.attributes) as MessageAttributes);
    const attributes = Object.fromEntries(all.filter(([name]) => wanted.some((pattern) => matchesName(pattern, name))));
    return {
      MessageId: row.message_id,
      ReceiptHandle: row.receipt,
      Body: row.body,
      MD5OfBody: md5(row.body),
      ...(system.length > 0 && { Attributes: Object.fromEntries(system) }),
      ...(Object.keys(attributes).length > 0 && {
        MessageAttributes: attributes,
        MD5OfMessageAttributes: md5OfAttributes(attributes),
      }),
    };
  };
}

function systemAttributes(row: MessageRow): Record<string, string | undefined> {
  return {
    SenderId: ACCOUNT,
    SentTimestamp: String(row.sent_at),
    ApproximateReceiveCount: String(row.receive_count),
    ApproximateFirstReceiveTimestamp: String(row.first_received_at),
    SequenceNumber: row.deduplication_id === null ? undefined : sequenceNumber(row.id),
    MessageDeduplicationId: row.deduplication_id ?? undefined,
    MessageGroupId: row.group_id ?? undefined,
    AWSTraceHeader: row.trace_header ?? undefined,
    DeadLetterQueueSourceArn: row.source_arn ?? undefined,
  };
}

/** `All`, `.*`, a name, or a prefix such as `bar.*`. */
function matchesName(pattern: string, name: string): boolean {
  if (pattern === "All" || pattern === ".*") return true;
  return pattern.endsWith(".*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
