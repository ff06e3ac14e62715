import { setTimeout as sleep } from "node:timers/promises";
import {
  CancelMessageMoveTaskCommand,
  GetQueueAttributesCommand,
  ListMessageMoveTasksCommand,
  type ListMessageMoveTasksResultEntry,
  type SQSClient,
  StartMessageMoveTaskCommand,
} from "@aws-sdk/client-sqs";
import { CommandError } from "../command-error.ts";
import { ask, type QueueUrls } from "../operator.ts";
import { fifo } from "./fifo.ts";

export interface NativeRedriveOptions {
  /** Messages per second; SQS accepts 1 to 500. */
  readonly rate?: number | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (moved: number, total: number | undefined) => void;
  readonly pollMs?: number;
  /** How long the queue's count may take to reflect the move: SQS's counts are approximate for about a minute. */
  readonly settleMs?: number;
}

const WITHOUT = "Omit --native: moving one message at a time works on every backend.";

/**
 * SQS's own move task, with an explicit destination. Its answer counts only once the queue has shrunk: ElasticMQ answers
 * COMPLETED for FIFO queues and moves nothing.
 * @returns how many were moved, according to SQS
 * @throws CommandError when the server has no such tasks, the task fails, or the queue did not shrink
 */
export async function nativeRedrive(
  sqs: SQSClient,
  { queueUrl, dlqUrl }: QueueUrls,
  options: NativeRedriveOptions,
): Promise<number> {
  const { rate, signal, onProgress, pollMs = 1_000, settleMs = 70_000 } = options;
  const dlq = fifo(sqs, dlqUrl);
  const [source, destination] = await Promise.all([arnOf(sqs, dlqUrl), arnOf(sqs, queueUrl)]);
  const { waiting: before } = await dlq.counts();
  if (before === 0) return 0;
  const handle = await start(sqs, source, destination, rate);
  let task = await find(sqs, source);
  while (task?.Status === "RUNNING" || task?.Status === "CANCELLING") {
    onProgress(task.ApproximateNumberOfMessagesMoved ?? 0, task.ApproximateNumberOfMessagesToMove);
    if (signal.aborted && task.Status === "RUNNING") {
      await ask(dlqUrl, sqs.send(new CancelMessageMoveTaskCommand({ TaskHandle: task.TaskHandle ?? handle })));
    }
    await sleep(pollMs);
    task = await find(sqs, source);
  }
  const moved = task?.ApproximateNumberOfMessagesMoved ?? 0;
  if (task?.Status === "CANCELLED") return moved;
  if (task?.Status !== "COMPLETED") {
    const why = task?.FailureReason ?? "no reason given";
    throw new CommandError(`the move of ${source} ended ${task?.Status ?? "untraceably"}: ${why}`, WITHOUT);
  }
  for (const end = performance.now() + settleMs; ; await sleep(Math.min(pollMs, settleMs))) {
    const { waiting } = await dlq.counts();
    if (waiting < before) return moved;
    if (performance.now() >= end) {
      throw new CommandError(`the server says COMPLETED, but ${dlqUrl} still holds ${waiting} messages`, WITHOUT);
    }
  }
}

async function arnOf(sqs: SQSClient, url: string): Promise<string> {
  const command = new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["QueueArn"] });
  return (await ask(url, sqs.send(command))).Attributes?.QueueArn ?? "";
}

async function start(sqs: SQSClient, SourceArn: string, DestinationArn: string, rate: number | undefined) {
  const pace = rate === undefined ? {} : { MaxNumberOfMessagesPerSecond: Math.max(1, Math.min(500, Math.round(rate))) };
  try {
    return (await sqs.send(new StartMessageMoveTaskCommand({ SourceArn, DestinationArn, ...pace }))).TaskHandle;
  } catch (error) {
    throw new CommandError(`${SourceArn} cannot be moved by the server`, WITHOUT, error);
  }
}

/** The latest task of the queue. */
async function find(sqs: SQSClient, SourceArn: string): Promise<ListMessageMoveTasksResultEntry | undefined> {
  const { Results = [] } = await ask(
    SourceArn,
    sqs.send(new ListMessageMoveTasksCommand({ SourceArn, MaxResults: 1 })),
  );
  return Results[0];
}
