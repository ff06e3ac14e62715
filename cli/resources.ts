import {
  CreateBucketCommand,
  GetBucketNotificationConfigurationCommand,
  HeadBucketCommand,
  PutBucketNotificationConfigurationCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  SetQueueAttributesCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";

/** The queues' default names. */
export const QUEUE_NAME = "dojo-relay.fifo";
export const DLQ_NAME = "dojo-relay-dlq.fifo";

/**
 * Only a backstop for a function that dies repeatedly: the importer counts failures itself, and waiting for a long import is not one.
 */
export const MAX_RECEIVE_COUNT = 200;

export interface Change {
  readonly what: string;
  readonly changed: boolean;
}

export interface Queues {
  readonly queueUrl: string;
  readonly dlqUrl: string;
  readonly changes: readonly Change[];
}

/** Creates the job queue and its dead-letter queue as the relay needs them; on existing queues it sets the attributes that differ. */
export async function ensureQueues(
  sqs: SQSClient,
  visibilitySeconds: number,
  names = { queue: QUEUE_NAME, dlq: DLQ_NAME },
): Promise<Queues> {
  const dlq = await ensureQueue(sqs, names.dlq, { MessageRetentionPeriod: "1209600" });
  const redrivePolicy = JSON.stringify({ deadLetterTargetArn: dlq.arn, maxReceiveCount: MAX_RECEIVE_COUNT });
  const queue = await ensureQueue(sqs, names.queue, {
    VisibilityTimeout: String(visibilitySeconds),
    RedrivePolicy: redrivePolicy,
  });
  return { queueUrl: queue.url, dlqUrl: dlq.url, changes: [dlq.change, queue.change] };
}

async function ensureQueue(sqs: SQSClient, name: string, attributes: Record<string, string>) {
  const known = await findQueue(sqs, name);
  const created = { FifoQueue: "true", ...attributes };
  const url =
    known ?? (await sqs.send(new CreateQueueCommand({ QueueName: name, Attributes: created }))).QueueUrl ?? "";
  const answer = await sqs.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["All"] }));
  const present = (answer.Attributes ?? {}) as Readonly<Record<string, string | undefined>>;
  // Some servers do not report the retention period; it stays as set at creation.
  const differs = (key: string, value: string) => {
    const now = present[key];
    return now === undefined ? key === "RedrivePolicy" : !sameAttribute(now, value);
  };
  const toSet = Object.fromEntries(Object.entries(attributes).filter(([key, value]) => differs(key, value)));
  if (Object.keys(toSet).length > 0)
    await sqs.send(new SetQueueAttributesCommand({ QueueUrl: url, Attributes: toSet }));
  const what =
    known === undefined
      ? `queue ${name} created`
      : `queue ${name}: ${Object.keys(toSet).join(", ") || "as it should be"}`;
  return {
    url,
    arn: present.QueueArn ?? "",
    change: { what, changed: known === undefined || Object.keys(toSet).length > 0 },
  };
}

async function findQueue(sqs: SQSClient, name: string): Promise<string | undefined> {
  try {
    return (await sqs.send(new GetQueueUrlCommand({ QueueName: name }))).QueueUrl;
  } catch (error) {
    if (error instanceof Error && /NonExistentQueue|QueueDoesNotExist/.test(error.name)) return undefined;
    throw error;
  }
}

/** Policies are JSON whose numbers some servers give back as text. */
function sameAttribute(present: string, wanted: string): boolean {
  const normal = (text: string) =>
    text
      .replace(/"(\d+)"/g, "$1")
      .replace(/[{}\s]/g, "")
      .split(",")
      .sort()
      .join(",");
  return normal(present) === normal(wanted);
}

/** Creates the bucket if there is none. */
export async function ensureBucket(s3: S3Client, bucket: string): Promise<Change> {
  try {
    await s3.send(new HeadBucketCommand({ Bucket: bucket }));
    return { what: `bucket ${bucket} exists`, changed: false };
  } catch (error) {
    if (!(error instanceof Error && /NotFound|NoSuchBucket/.test(error.name))) throw error;
    await s3.send(new CreateBucketCommand({ Bucket: bucket }));
    return { what: `bucket ${bucket} created`, changed: true };
  }
}

/**
 * Adds the notification for findings to what the bucket already notifies of.
 * @param target ARN of the webhook (`arn:minio:sqs::RELAY:webhook`) or queue
 */
export async function ensureNotification(
  s3: S3Client,
  bucket: string,
  target: string,
  suffix: string,
): Promise<Change> {
  const present = await s3.send(new GetBucketNotificationConfigurationCommand({ Bucket: bucket }));
  const wanted = {
    Id: "dojo-relay",
    QueueArn: target,
    Events: ["s3:ObjectCreated:*" as const],
    Filter: { Key: { FilterRules: [{ Name: "suffix" as const, Value: suffix }] } },
  };
  const queues = present.QueueConfigurations ?? [];
  const there = queues.some(
    ({ QueueArn, Filter }) =>
      sameArn(QueueArn, target) && Filter?.Key?.FilterRules?.some(({ Value }) => Value === suffix),
  );
  if (there) return { what: `bucket ${bucket} notifies ${target}`, changed: false };
  await s3.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket: bucket,
      NotificationConfiguration: {
        QueueConfigurations: [...queues, wanted],
        ...(present.TopicConfigurations === undefined ? {} : { TopicConfigurations: present.TopicConfigurations }),
        ...(present.LambdaFunctionConfigurations === undefined
          ? {}
          : { LambdaFunctionConfigurations: present.LambdaFunctionConfigurations }),
        ...(present.EventBridgeConfiguration === undefined
          ? {}
          : { EventBridgeConfiguration: present.EventBridgeConfiguration }),
      },
    }),
  );
  return { what: `bucket ${bucket} notifies ${target} of …${suffix} now`, changed: true };
}

/** MinIO gives an ARN back with or without its region. */
function sameArn(present: string | undefined, wanted: string): boolean {
  const parts = (arn: string) => arn.split(":").toSpliced(3, 1).join(":");
  return present !== undefined && parts(present) === parts(wanted);
}
