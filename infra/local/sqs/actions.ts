import { z } from "zod";
import { transaction } from "../sqlite.ts";
import { SqsError } from "./errors.ts";
import { parseInput, SendEntry, VisibilityEntry } from "./input.ts";
import { messageSize } from "./message.ts";
import {
  createQueue,
  deleteQueue,
  getQueueAttributes,
  getQueueUrl,
  listQueues,
  purgeQueue,
  type Queue,
  queueOfUrl,
  setQueueAttributes,
} from "./queues.ts";
import { receiveMessage } from "./receive.ts";
import { sendMessage } from "./send.ts";
import { changeVisibility, deleteMessage } from "./settle.ts";
import type { SqsContext } from "./store.ts";

/** `clientGone` is aborted when the client disconnects before the response. */
export type SqsAction = (context: SqsContext, input: unknown, clientGone: AbortSignal) => object | Promise<object>;

const MAX_BATCH_ENTRIES = 10;
const MAX_BATCH_BYTES = 1_048_576;
const BATCH_ENTRY_ID = /^[\w-]{1,80}$/;

const queueUrl = { QueueUrl: z.string() };
const entryId = { Id: z.string() };

/** The supported actions. Any other returns UnsupportedOperation. */
export const ACTIONS: Readonly<Record<string, SqsAction>> = {
  CreateQueue: createQueue,
  DeleteQueue: deleteQueue,
  GetQueueAttributes: getQueueAttributes,
  GetQueueUrl: getQueueUrl,
  ListQueues: listQueues,
  PurgeQueue: purgeQueue,
  ReceiveMessage: receiveMessage,
  SetQueueAttributes: setQueueAttributes,
  SendMessage(context, input) {
    const { QueueUrl, ...entry } = parseInput(SendEntry.extend(queueUrl), input);
    const queue = queueOfUrl(context, QueueUrl);
    const sent = transaction(context.database, () => sendMessage(context, queue, entry));
    context.arrivals.announce(queue.name);
    return sent;
  },
  SendMessageBatch(context, input) {
    const { queue, entries } = batch(context, input, SendEntry.extend(entryId));
    const size = entries.reduce((sum, entry) => sum + messageSize(entry.MessageBody, entry.MessageAttributes ?? {}), 0);
    if (size > MAX_BATCH_BYTES) {
      const message = `Batch requests cannot be longer than ${MAX_BATCH_BYTES} bytes. You have sent ${size} bytes.`;
      throw new SqsError("BatchRequestTooLong", message);
    }
    const result = settleEach(context, entries, ({ Id: _, ...entry }) => sendMessage(context, queue, entry));
    context.arrivals.announce(queue.name);
    return result;
  },
  DeleteMessage(context, input) {
    const { QueueUrl, ReceiptHandle } = parseInput(z.strictObject({ ...queueUrl, ReceiptHandle: z.string() }), input);
    return deleteMessage(context, queueOfUrl(context, QueueUrl), ReceiptHandle);
  },
  DeleteMessageBatch(context, input) {
    const { queue, entries } = batch(context, input, z.strictObject({ ...entryId, ReceiptHandle: z.string() }));
    return settleEach(context, entries, ({ ReceiptHandle }) => deleteMessage(context, queue, ReceiptHandle));
  },
  ChangeMessageVisibility(context, input) {
    const { QueueUrl, ReceiptHandle, VisibilityTimeout } = parseInput(VisibilityEntry.extend(queueUrl), input);
    return changeVisibility(context, queueOfUrl(context, QueueUrl), ReceiptHandle, VisibilityTimeout);
  },
  ChangeMessageVisibilityBatch(context, input) {
    const { queue, entries } = batch(context, input, VisibilityEntry.extend(entryId));
    return settleEach(context, entries, ({ ReceiptHandle, VisibilityTimeout }) =>
      changeVisibility(context, queue, ReceiptHandle, VisibilityTimeout),
    );
  },
};

// --- utils ---

/** Reads a batch. An error of the batch fails the request; an error of an entry fails only that entry. */
function batch<T extends { readonly Id: string }>(
  context: SqsContext,
  input: unknown,
  schema: z.ZodType<T>,
): { queue: Queue; entries: readonly T[] } {
  const request = parseInput(z.strictObject({ ...queueUrl, Entries: z.array(z.unknown()) }), input);
  if (request.Entries.length === 0) {
    throw new SqsError("EmptyBatchRequest", "There should be at least one entry in the request.");
  }
  if (request.Entries.length > MAX_BATCH_ENTRIES) {
    const message = `Maximum number of entries per request are ${MAX_BATCH_ENTRIES}. You have sent ${request.Entries.length}.`;
    throw new SqsError("TooManyEntriesInBatchRequest", message);
  }
  const entries = request.Entries.map((entry) => parseInput(schema, entry));
  const invalid = entries.find((entry) => !BATCH_ENTRY_ID.test(entry.Id));
  if (invalid) {
    throw new SqsError("InvalidBatchEntryId", `The Id ${invalid.Id} must be 1 to 80 alphanumeric characters, - or _.`);
  }
  if (new Set(entries.map((entry) => entry.Id)).size < entries.length) {
    throw new SqsError("BatchEntryIdsNotDistinct", "Two or more batch entries have the same Id.");
  }
  return { queue: queueOfUrl(context, request.QueueUrl), entries };
}

function settleEach<T extends { readonly Id: string }>(
  { database }: SqsContext,
  entries: readonly T[],
  settle: (entry: T) => object,
): { Successful: object[]; Failed: object[] } {
  const [Successful, Failed]: [object[], object[]] = [[], []];
  transaction(database, () => {
    for (const entry of entries) {
      try {
        Successful.push({ Id: entry.Id, ...settle(entry) });
      } catch (error) {
        if (!(error instanceof SqsError)) throw error;
        Failed.push({ Id: entry.Id, SenderFault: true, Code: error.queryCode, Message: error.message });
      }
    }
  });
  return { Successful, Failed };
}
