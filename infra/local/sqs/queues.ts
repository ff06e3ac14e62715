import { z } from "zod";
import { transaction } from "../sqlite.ts";
import { assertAttributes, defaultAttributes, parseRedrivePolicy, type QueueAttributes } from "./attributes.ts";
import { invalidParameter, SqsError } from "./errors.ts";
import { parseInput } from "./input.ts";
import { ACCOUNT, queueArn, type SqsContext } from "./store.ts";

export interface Queue {
  readonly name: string;
  readonly isFifo: boolean;
  readonly attributes: QueueAttributes;
  readonly created: number;
  readonly modified: number;
}

const QUEUE_NAME = /^(?=.{1,80}$)[\w-]+(\.fifo)?$/;
const COUNTS = {
  ApproximateNumberOfMessages: "visible_at <= :now",
  ApproximateNumberOfMessagesNotVisible: "visible_at > :now AND received_here > 0",
  ApproximateNumberOfMessagesDelayed: "visible_at > :now AND received_here = 0",
} as const;

const attributeMap = z.record(z.string(), z.string());
const queueUrlOnly = z.strictObject({ QueueUrl: z.string() });

function findQueue({ database }: SqsContext, name: string): Queue | undefined {
  const row = database.prepare("SELECT attributes, created, modified FROM queues WHERE name = ?").get(name);
  if (!row) return undefined;
  const attributes = JSON.parse(String(row.attributes)) as QueueAttributes;
  return {
    name,
    isFifo: name.endsWith(".fifo"),
    attributes,
    created: Number(row.created),
    modified: Number(row.modified),
  };
}

/** The queue of a URL. The host is ignored: the port may have changed since the URL was issued. */
export function queueOfUrl(context: SqsContext, queueUrl: string): Queue {
  const [, name] = new RegExp(`/${ACCOUNT}/([^/?#]+)$`).exec(queueUrl) ?? [];
  const queue = name === undefined ? undefined : findQueue(context, name);
  if (!queue) throw new SqsError("QueueDoesNotExist", "The specified queue does not exist.");
  return queue;
}

/** A numeric queue attribute. */
export function numericAttribute(queue: Queue, name: string): number {
  return Number(queue.attributes[name] ?? 0);
}

/** The dead-letter queue, if it exists. */
export function deadLetterQueue(
  context: SqsContext,
  queue: Queue,
): { name: string; maxReceiveCount: number } | undefined {
  const policy = parseRedrivePolicy(queue.attributes.RedrivePolicy);
  const target = policy && findQueue(context, policy.deadLetterTargetArn.split(":").at(-1) ?? "");
  return target && { name: target.name, maxReceiveCount: policy.maxReceiveCount };
}

export function createQueue(context: SqsContext, input: unknown) {
  const { QueueName: name, Attributes: given = {} } = parseInput(
    z.strictObject({ QueueName: z.string(), Attributes: attributeMap.optional() }),
    input,
  );
  if (!QUEUE_NAME.test(name)) {
    throw invalidParameter("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length");
  }
  const isFifo = name.endsWith(".fifo");
  if (isFifo !== (given.FifoQueue === "true")) {
    throw invalidParameter("The name of a FIFO queue must end in .fifo, and its attribute FifoQueue must be true.");
  }
  assertAttributes(given, isFifo, true);
  assertRedrivePolicy(context, name, given);
  const existing = findQueue(context, name);
  if (existing) {
    const different = Object.entries(given).find(
      ([attribute, value]) => (existing.attributes[attribute] ?? "") !== value,
    );
    if (different) {
      const message = `A queue already exists with the same name and a different value for attribute ${different[0]}`;
      throw new SqsError("QueueNameExists", message);
    }
  } else {
    const attributes = withoutEmpty({ ...defaultAttributes(isFifo), ...given });
    context.database
      .prepare("INSERT INTO queues (name, attributes, created, modified) VALUES (?, ?, ?, ?)")
      .run(name, JSON.stringify(attributes), context.now(), context.now());
  }
  return { QueueUrl: urlOf(context, name) };
}

export function getQueueUrl(context: SqsContext, input: unknown) {
  const { QueueName } = parseInput(
    z.strictObject({ QueueName: z.string(), QueueOwnerAWSAccountId: z.literal(ACCOUNT).optional() }),
    input,
  );
  if (!findQueue(context, QueueName)) throw new SqsError("QueueDoesNotExist", "The specified queue does not exist.");
  return { QueueUrl: urlOf(context, QueueName) };
}

export function listQueues(context: SqsContext, input: unknown) {
  const options = parseInput(
    z.strictObject({
      QueueNamePrefix: z.string().optional(),
      MaxResults: z.number().int().min(1).max(1000).optional(),
      NextToken: z.string().optional(),
    }),
    input,
  );
  const { QueueNamePrefix: prefix = "", MaxResults: limit = 1000, NextToken: after = "" } = options;
  const rows = context.database.prepare("SELECT name FROM queues WHERE name > ? ORDER BY name").all(after);
  const names = rows.map((row) => String(row.name)).filter((name) => name.startsWith(prefix));
  const page = names.slice(0, limit);
  const next = names.length > limit && options.MaxResults !== undefined ? { NextToken: page.at(-1) } : {};
  return { QueueUrls: page.map((name) => urlOf(context, name)), ...next };
}

export function getQueueAttributes(context: SqsContext, input: unknown) {
  const { QueueUrl, AttributeNames = [] } = parseInput(
    queueUrlOnly.extend({ AttributeNames: z.array(z.string()).optional() }),
    input,
  );
  const queue = queueOfUrl(context, QueueUrl);
  const known: Record<string, string> = {
    ...queue.attributes,
    ...countMessages(context, queue.name),
    CreatedTimestamp: String(Math.floor(queue.created / 1000)),
    LastModifiedTimestamp: String(Math.floor(queue.modified / 1000)),
    QueueArn: queueArn(queue.name),
  };
  if (AttributeNames.includes("All")) return { Attributes: known };
  const optional = ["RedrivePolicy", "FifoQueue", ...Object.keys(defaultAttributes(true))];
  const unknown = AttributeNames.find((name) => known[name] === undefined && !optional.includes(name));
  if (unknown !== undefined) throw new SqsError("InvalidAttributeName", `Unknown Attribute ${unknown}.`);
  return { Attributes: Object.fromEntries(Object.entries(known).filter(([name]) => AttributeNames.includes(name))) };
}

export function setQueueAttributes(context: SqsContext, input: unknown) {
  const { QueueUrl, Attributes } = parseInput(queueUrlOnly.extend({ Attributes: attributeMap }), input);
  const queue = queueOfUrl(context, QueueUrl);
  assertAttributes(Attributes, queue.isFifo, false);
  assertRedrivePolicy(context, queue.name, Attributes);
  context.database
    .prepare("UPDATE queues SET attributes = ?, modified = ? WHERE name = ?")
    .run(JSON.stringify(withoutEmpty({ ...queue.attributes, ...Attributes })), context.now(), queue.name);
  return {};
}

export function deleteQueue(context: SqsContext, input: unknown) {
  const { name } = queueOfUrl(context, parseInput(queueUrlOnly, input).QueueUrl);
  transaction(context.database, () => {
    for (const table of ["messages", "deduplications"]) {
      context.database.prepare(`DELETE FROM ${table} WHERE queue = ?`).run(name);
    }
    context.database.prepare("DELETE FROM queues WHERE name = ?").run(name);
  });
  context.arrivals.announce(name);
  return {};
}

/** Deletes the messages; deduplication ids stay in effect. */
export function purgeQueue(context: SqsContext, input: unknown) {
  const { name } = queueOfUrl(context, parseInput(queueUrlOnly, input).QueueUrl);
  context.database.prepare("DELETE FROM messages WHERE queue = ?").run(name);
  return {};
}

// --- utils ---

function urlOf(context: SqsContext, name: string): string {
  return `${context.url()}/${ACCOUNT}/${name}`;
}

function countMessages({ database, now }: SqsContext, queue: string): Record<string, string> {
  const columns = Object.entries(COUNTS).map(([name, condition]) => `count(*) FILTER (WHERE ${condition}) AS ${name}`);
  const counts = database
    .prepare(`SELECT ${columns.join(", ")} FROM messages WHERE queue = :queue`)
    .get({ queue, now: now() });
  return Object.fromEntries(Object.entries(counts ?? {}).map(([name, count]) => [name, String(count)]));
}

function assertRedrivePolicy(context: SqsContext, name: string, { RedrivePolicy }: QueueAttributes): void {
  const policy = parseRedrivePolicy(RedrivePolicy);
  if (!policy) return;
  const target = policy.deadLetterTargetArn.split(":").at(-1) ?? "";
  const problem =
    policy.deadLetterTargetArn !== queueArn(target) || !findQueue(context, target)
      ? "Dead letter target does not exist."
      : target.endsWith(".fifo") !== name.endsWith(".fifo")
        ? "The dead letter queue of a FIFO queue must also be a FIFO queue, and that of a standard queue a standard one."
        : undefined;
  if (problem)
    throw invalidParameter(`Value ${RedrivePolicy} for parameter RedrivePolicy is invalid. Reason: ${problem}`);
}

function withoutEmpty(attributes: QueueAttributes): QueueAttributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== ""));
}
