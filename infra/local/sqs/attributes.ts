import { z } from "zod";
import { invalidParameter, SqsError } from "./errors.ts";

interface Attribute {
  readonly default?: string;
  readonly valid: (value: string) => boolean;
  readonly fifoOnly?: true;
  readonly createOnly?: true;
}

const isBoolean = (value: string) => value === "true" || value === "false";

/** The queue attributes that this server supports: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html */
const ATTRIBUTES: Readonly<Record<string, Attribute>> = {
  VisibilityTimeout: { default: "30", valid: between(0, 43_200) },
  MessageRetentionPeriod: { default: "345600", valid: between(60, 1_209_600) },
  DelaySeconds: { default: "0", valid: between(0, 900) },
  MaximumMessageSize: { default: "1048576", valid: between(1024, 1_048_576) },
  ReceiveMessageWaitTimeSeconds: { default: "0", valid: between(0, 20) },
  RedrivePolicy: { valid: (value) => value === "" || parseRedrivePolicy(value) !== undefined },
  FifoQueue: { valid: (value) => value === "true", fifoOnly: true, createOnly: true },
  ContentBasedDeduplication: { default: "false", valid: isBoolean, fifoOnly: true },
  DeduplicationScope: {
    default: "queue",
    valid: (value) => value === "queue" || value === "messageGroup",
    fifoOnly: true,
  },
  // Accepted, but throughput is never limited here.
  FifoThroughputLimit: {
    default: "perQueue",
    valid: (value) => /^per(Queue|MessageGroupId)$/.test(value),
    fifoOnly: true,
  },
};

const UNSUPPORTED = [
  "Policy",
  "KmsMasterKeyId",
  "KmsDataKeyReusePeriodSeconds",
  "SqsManagedSseEnabled",
  "RedriveAllowPolicy",
];

const RedrivePolicy = z.strictObject({
  deadLetterTargetArn: z.string(),
  maxReceiveCount: z.coerce.number().int().min(1).max(1000),
});

export type RedrivePolicy = z.infer<typeof RedrivePolicy>;

export type QueueAttributes = Readonly<Record<string, string>>;

export function parseRedrivePolicy(value: string | undefined): RedrivePolicy | undefined {
  if (value === undefined || value === "") return undefined;
  try {
    return RedrivePolicy.parse(JSON.parse(value));
  } catch {
    return undefined;
  }
}

/** The default attributes of a standard or FIFO queue. */
export function defaultAttributes(isFifo: boolean): QueueAttributes {
  const entries = Object.entries(ATTRIBUTES).flatMap(([name, attribute]) =>
    attribute.default === undefined || (attribute.fifoOnly && !isFifo) ? [] : [[name, attribute.default] as const],
  );
  return Object.fromEntries(entries);
}

export function assertAttributes(given: QueueAttributes, isFifo: boolean, isNew: boolean): void {
  for (const [name, value] of Object.entries(given)) {
    if (UNSUPPORTED.includes(name)) {
      throw new SqsError("UnsupportedOperation", `This server does not support the queue attribute ${name}.`);
    }
    const attribute = Object.hasOwn(ATTRIBUTES, name) ? ATTRIBUTES[name] : undefined;
    if (!attribute || (attribute.fifoOnly && !isFifo) || (attribute.createOnly && !isNew)) {
      throw new SqsError("InvalidAttributeName", `Unknown Attribute ${name}.`);
    }
    if (!attribute.valid(value)) throw invalidParameter(`Invalid value for the parameter ${name}: ${value}`);
  }
}

function between(least: number, most: number): (value: string) => boolean {
  return (value) => /^\d+$/.test(value) && Number(value) >= least && Number(value) <= most;
}
