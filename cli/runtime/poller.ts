import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  type Message,
  ReceiveMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import type { SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda";
import type { RunContext } from "../../lib/handlers.ts";
import type { Log } from "../../lib/observe.ts";

export interface PollerOptions {
  readonly sqs: SQSClient;
  readonly queueUrl: string;
  readonly handler: (event: SQSEvent, context: RunContext) => Promise<SQSBatchResponse>;
  /** Batches under way at once, as Lambda's `MaximumConcurrency`. */
  readonly concurrency: number;
  /** Messages a batch. */
  readonly batchSize: number;
  /** How long one call of the handler may take. */
  readonly timeoutMs: number;
  /**
   * Whether a long poll may be broken off. A queue that hands a message to whoever has gone away meanwhile hides it, and its group, for the whole
   * visibility timeout: ElasticMQ does.
   */
  readonly breaksOffPolls?: boolean;
  readonly log: Log;
}

export interface Poller {
  /** Whether the queue answered lately. */
  ready(): boolean;
  /** Batches under way. */
  busy(): number;
  /**
   * Takes no more messages, lets the handlers finish for `graceMs`, and hands back what they could not. These handlers are still under way then: what
   * they wait for is not broken off.
   */
  stop(graceMs: number): Promise<void>;
}

/** The end waits for the polls that are under way. */
const WAIT_SECONDS = 5;
const PAUSE_AFTER_ERROR_MS = 2_000;
/** The handlers' time ends so much before their messages are handed back: a sign of life that is on its way would hide them again. */
const LAST_SIGN_MS = 1_000;
/** A queue that has gone away does not hold up the end. */
const HAND_BACK_MS = 3_000;

/** What Lambda's event source mapping does: takes messages, calls the handler, deletes what did not fail. */
export function startPoller(options: PollerOptions): Poller {
  const { sqs, queueUrl, handler, concurrency, batchSize, timeoutMs, breaksOffPolls = false, log } = options;
  const stopping = new AbortController();
  const polling = new AbortController();
  const inFlight = new Map<string, Message>();
  let deadline: number | undefined;
  let lastAnswer = 0;
  let busy = 0;

  const work = async (messages: readonly Message[]) => {
    const end = Date.now() + timeoutMs;
    const context = {
      awsRequestId: randomUUID(),
      getRemainingTimeInMillis: () => Math.min(end, deadline ?? end) - Date.now(),
    };
    for (const message of messages) inFlight.set(message.ReceiptHandle ?? "", message);
    busy++;
    try {
      const { batchItemFailures } = await handler(
        { Records: messages.map((message) => toRecord(message, queueUrl)) },
        context,
      );
      const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
      await remove(messages.filter(({ MessageId }) => !failed.has(MessageId ?? "")));
    } catch (error) {
      log.error("the handler failed; its messages come again after their visibility timeout", { error });
    } finally {
      busy--;
      for (const message of messages) inFlight.delete(message.ReceiptHandle ?? "");
    }
  };

  const remove = async (done: readonly Message[]) => {
    if (done.length === 0) return;
    const entries = done.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle }));
    const { Failed = [] } = await sqs.send(new DeleteMessageBatchCommand({ QueueUrl: queueUrl, Entries: entries }));
    for (const { Code, Message: why } of Failed)
      log.warn("a finished message could not be deleted and will come again", { code: Code, why });
  };

  const handBack = async (messages: Iterable<Message>) => {
    const abortSignal = AbortSignal.timeout(HAND_BACK_MS);
    const visible = ({ ReceiptHandle }: Message) =>
      sqs
        .send(new ChangeMessageVisibilityCommand({ QueueUrl: queueUrl, ReceiptHandle, VisibilityTimeout: 0 }), {
          abortSignal,
        })
        .catch((error: unknown) => log.warn("a message could not be handed back and comes again later", { error }));
    await Promise.all([...messages].map(visible));
  };

  const poll = async () => {
    while (!stopping.signal.aborted) {
      try {
        const { Messages = [] } = await sqs.send(
          new ReceiveMessageCommand({
            QueueUrl: queueUrl,
            MaxNumberOfMessages: batchSize,
            // The first look is short, so that readiness is known at once.
            WaitTimeSeconds: lastAnswer === 0 ? 0 : WAIT_SECONDS,
            MessageSystemAttributeNames: ["All"],
            MessageAttributeNames: ["All"],
          }),
          { abortSignal: polling.signal },
        );
        lastAnswer = Date.now();
        if (stopping.signal.aborted) return await handBack(Messages);
        if (Messages.length > 0) await work(Messages);
      } catch (error) {
        if (stopping.signal.aborted) return;
        log.error("the queue does not answer", { object: queueUrl, error });
        await sleep(PAUSE_AFTER_ERROR_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
      }
    }
  };

  const loops = Array.from({ length: concurrency }, poll);
  return {
    ready: () => Date.now() - lastAnswer < 3 * WAIT_SECONDS * 1000 || busy === concurrency,
    busy: () => busy,
    stop: async (graceMs) => {
      deadline = Date.now() + graceMs - LAST_SIGN_MS;
      stopping.abort();
      if (breaksOffPolls) polling.abort();
      const finished = Promise.all(loops).then(() => true);
      if (await Promise.race([finished, sleep(graceMs, false, { ref: false })])) return;
      polling.abort();
      log.warn("messages are handed back unfinished", { messages: inFlight.size });
      await handBack(inFlight.values());
    },
  };
}

/** A message as Lambda passes it on. https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html */
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
