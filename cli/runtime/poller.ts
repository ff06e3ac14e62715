import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  type Message,
  ReceiveMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import type { SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda";
import type { RunContext } from "../../lib/aws/importer-handler.ts";
import type { Log, Metrics } from "../../lib/observe.ts";
import { within } from "../../lib/util/within.ts";

export interface PollerOptions {
  readonly sqs: SQSClient;
  readonly queueUrl: string;
  readonly handler: (event: SQSEvent, context: RunContext) => Promise<SQSBatchResponse>;
  /** Concurrent messages, like Lambda's `MaximumConcurrency`; each is its own event. */
  readonly concurrency: number;
  /** How long one call of the handler may take; one that runs longer is abandoned soon after. */
  readonly timeoutMs: number;
  /**
   * Whether a long poll may be aborted. ElasticMQ may hand a message to a client that has gone, which hides it and its group for the whole
   * visibility timeout.
   */
  readonly breaksOffPolls?: boolean;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface Poller {
  /** Whether the queue responded recently. */
  ready(): boolean;
  /** Messages in flight. */
  busy(): number;
  /**
   * Takes no more messages, gives handlers `graceMs` to finish, aborts the rest and releases their messages.
   */
  stop(graceMs: number): Promise<void>;
}

/** Stopping waits for polls in progress. */
const WAIT_SECONDS = 5;
const PAUSE_AFTER_ERROR_MS = 2_000;
/** A handler cleans up before its time is up; this much later it counts as stuck. */
const GIVE_UP_MS = 5_000;
/** Handlers are aborted this long before their messages are released: a heartbeat in transit would hide them again. */
const LAST_SIGN_MS = 1_000;
/** An unreachable queue does not delay the shutdown. */
const HAND_BACK_MS = 3_000;

/** Does what Lambda's event source mapping does: receives messages, calls the handler, deletes what did not fail. */
export function startPoller(options: PollerOptions): Poller {
  const { queueUrl, concurrency, breaksOffPolls = false, log } = options;
  const stopping = new AbortController();
  const polling = new AbortController();
  const queue = polledQueue(options, polling.signal);
  const { inFlight, work, endBy } = deliveries(options, queue);
  let lastAnswer = 0;

  const poll = async () => {
    while (!stopping.signal.aborted) {
      try {
        // The first poll is short, so that readiness is known at once.
        const message = await queue.take(lastAnswer === 0 ? 0 : WAIT_SECONDS);
        lastAnswer = Date.now();
        if (message === undefined) continue;
        if (stopping.signal.aborted) return await queue.release([message]);
        await work(message);
      } catch (error) {
        if (stopping.signal.aborted) return;
        log.error("the queue does not respond", { object: queueUrl, error });
        await sleep(PAUSE_AFTER_ERROR_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
  };

  const loops = Array.from({ length: concurrency }, poll);
  return {
    ready: () => Date.now() - lastAnswer < 3 * WAIT_SECONDS * 1000 || inFlight.size === concurrency,
    busy: () => inFlight.size,
    stop: async (graceMs) => {
      endBy(Date.now() + graceMs - LAST_SIGN_MS);
      stopping.abort();
      if (breaksOffPolls) polling.abort();
      const finished = Promise.all(loops).then(() => true);
      if (await Promise.race([finished, sleep(graceMs, false, { ref: false })])) return;
      polling.abort();
      log.warn("releasing unfinished messages", { messages: inFlight.size });
      const unfinished = [...inFlight.keys()];
      for (const over of inFlight.values()) over.abort(new Error("the service is shutting down"));
      await queue.release(unfinished);
    },
  };
}

interface PolledQueue {
  /** One message, or none within this many seconds. */
  take(waitSeconds: number): Promise<Message | undefined>;
  remove(message: Message): Promise<void>;
  /** Makes messages visible at once. */
  release(messages: readonly Message[]): Promise<void>;
}

/** @param polling aborts a poll in progress */
function polledQueue({ sqs, queueUrl, log }: PollerOptions, polling: AbortSignal): PolledQueue {
  return {
    take: async (waitSeconds) => {
      const { Messages: [message] = [] } = await sqs.send(
        new ReceiveMessageCommand({
          QueueUrl: queueUrl,
          MaxNumberOfMessages: 1,
          WaitTimeSeconds: waitSeconds,
          MessageSystemAttributeNames: ["All"],
          MessageAttributeNames: ["All"],
        }),
        { abortSignal: polling },
      );
      return message;
    },
    remove: async ({ ReceiptHandle }) => {
      await sqs
        .send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle }))
        .catch((error: unknown) =>
          log.warn("a finished message could not be deleted and will be redelivered", { error }),
        );
    },
    release: async (messages) => {
      const abortSignal = AbortSignal.timeout(HAND_BACK_MS);
      const visible = ({ ReceiptHandle }: Message) =>
        sqs
          .send(new ChangeMessageVisibilityCommand({ QueueUrl: queueUrl, ReceiptHandle, VisibilityTimeout: 0 }), {
            abortSignal,
          })
          .catch((error: unknown) => log.warn("a message could not be released and is redelivered later", { error }));
      await Promise.all(messages.map(visible));
    },
  };
}

/** The messages in flight, each with what aborts its handler. */
function deliveries({ queueUrl, handler, timeoutMs, log, metrics }: PollerOptions, queue: PolledQueue) {
  const inFlight = new Map<Message, AbortController>();
  let deadline: number | undefined;

  const work = async (message: Message) => {
    const end = Date.now() + timeoutMs;
    const over = new AbortController();
    const context = {
      end: over.signal,
      awsRequestId: randomUUID(),
      getRemainingTimeInMillis: () => Math.min(end, deadline ?? end) - Date.now(),
    };
    inFlight.set(message, over);
    try {
      const answer = handler({ Records: [toRecord(message, queueUrl)] }, context);
      const giveUpMs = timeoutMs + GIVE_UP_MS;
      const { batchItemFailures } = await within(giveUpMs, answer, () => {
        throw new Error(`it did not end within ${Math.round(giveUpMs / 1000)} s and was abandoned`);
      });
      if (batchItemFailures.length === 0) await queue.remove(message);
    } catch (error) {
      // The next delivery counts this one as a failure, as it settled nothing.
      log.error("the handler failed; its message is redelivered after its visibility timeout", {
        messageId: message.MessageId,
        error,
      });
      metrics.add("JobsRetried");
    } finally {
      // Aborts work of the handler that nobody awaits any more.
      over.abort(new Error("the delivery is over"));
      inFlight.delete(message);
    }
  };

  const endBy = (time: number) => {
    deadline = time;
  };
  return { inFlight, work, endBy };
}

/** A message as Lambda passes it. https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html */
function toRecord(message: Message, queueUrl: string): SQSRecord {
  return {
    messageId: message.MessageId ?? "",
    receiptHandle: message.ReceiptHandle ?? "",
    body: message.Body ?? "",
    md5OfBody: message.MD5OfBody ?? "",
    attributes: (message.Attributes ?? {}) as unknown as SQSRecord["attributes"],
    messageAttributes: Object.fromEntries(
      Object.entries(message.MessageAttributes ?? {}).map(([name, { DataType, StringValue }]) => [
        name,
        { dataType: DataType as "String", ...(StringValue === undefined ? {} : { stringValue: StringValue }) },
      ]),
    ),
    eventSource: "aws:sqs",
    eventSourceARN: `arn:aws:sqs:us-east-1:000000000000:${queueUrl.slice(queueUrl.lastIndexOf("/") + 1)}`,
    awsRegion: "us-east-1",
  };
}
