import { Command } from "commander";
import type { Env } from "../lib/config.ts";
import { describeError } from "../lib/errors.ts";
import { findingsSuffix } from "../lib/model/object-keys.ts";
import { CommandError } from "./command-error.ts";
import { ask, type Operator, operator, ownQueue, queueNames } from "./operator.ts";
import { print } from "./options.ts";
import { type Change, ensureBucket, ensureNotification, ensureQueues } from "./resources.ts";

/** The webhook as README and compose file name it. */
const TARGET = "arn:minio:sqs::RELAY:webhook";

export interface SetupResult {
  readonly changes: readonly Change[];
  readonly notes: readonly string[];
  readonly queueUrl?: string;
  readonly dlqUrl?: string;
}

/** `dojo-relay setup`: creates queues and bucket notification in the environment's stores. */
export function setupCommand(): Command {
  return new Command("setup")
    .description("create queue, dead-letter queue, redrive policy, bucket and its notification; idempotent")
    .option("--target <arn>", "ARN that MinIO notifies", TARGET)
    .option("--json", "print {changes: [{what, changed}], notes, queueUrl, dlqUrl} instead of lines")
    .addHelpText("after", SETUP_HELP)
    .action(async ({ target, json }: { target: string; json?: boolean }) => {
      // Reported at once: a later refusal does not undo it.
      const tell = (change: Change) => process.stdout.write(`${toLine(change)}\n`);
      const result = await setup(process.env, target, json ? undefined : tell);
      if (json) print(result, true, () => "");
      else process.stdout.write(result.notes.map((note) => `note     ${note}\n`).join(""));
    });
}

/** @throws CommandError when a server refuses */
async function setup(env: Env, target: string, tell: (change: Change) => void = () => undefined): Promise<SetupResult> {
  const { config, s3, sqs } = operator(env);
  const changes: Change[] = [];
  const made = (change: Change) => {
    changes.push(change);
    tell(change);
  };
  const notes: string[] = [];
  let urls = {};
  if (ownQueue(config))
    notes.push("queues: without AWS_ENDPOINT_URL_SQS `dojo-relay start` creates its own, in DATA_DIR");
  else {
    const queues = await ask("the queues", ensureQueues(sqs, config.VISIBILITY_SECONDS, queueNames(config)));
    for (const change of queues.changes) made(change);
    urls = { queueUrl: queues.queueUrl, dlqUrl: queues.dlqUrl };
  }
  if (config.AWS_ENDPOINT_URL_S3 === undefined) {
    notes.push(
      `bucket ${config.BUCKET}: left alone on AWS; serverless.yml (or infra/aws/template.yaml) sets its notification, which calls the ingest function`,
    );
  } else {
    made(await asking(config.BUCKET, ensureBucket(s3, config.BUCKET)));
    made(await notify({ config, s3 }, target));
    if (isMinio(target)) notes.push(queueDirNote(target));
  }
  return { changes, notes, ...urls };
}

async function notify({ config, s3 }: Pick<Operator, "config" | "s3">, target: string): Promise<Change> {
  try {
    return await ensureNotification(s3, config.BUCKET, target, findingsSuffix(config.FINDINGS_NAME));
  } catch (error) {
    if (error instanceof Error && error.name === "InvalidArgument" && isMinio(target)) {
      throw new CommandError(
        `MinIO knows no ${target}: ${error.message}`,
        `Start MinIO with these and run this again (the service's address as MinIO reaches it, and its WEBHOOK_TOKEN):\n${variables(target)}`,
      );
    }
    throw storeError(config.BUCKET, error);
  }
}

// --- utils ---

const isMinio = (arn: string) => arn.startsWith("arn:minio:");

/** `arn:minio:sqs:<region>:<id>:webhook`; MinIO's variables end in the id. */
const targetId = (arn: string) => arn.split(":")[4] ?? "RELAY";

function variables(target: string): string {
  const id = targetId(target);
  return [
    `  MINIO_NOTIFY_WEBHOOK_ENABLE_${id}=on`,
    `  MINIO_NOTIFY_WEBHOOK_ENDPOINT_${id}=http://relay-host:8080/events`,
    `  MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_${id}=<WEBHOOK_TOKEN>`,
    `  MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_${id}=/data/.relay-events`,
  ].join("\n");
}

function queueDirNote(target: string): string {
  return `MinIO needs MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_${targetId(target)}: without it, events are lost silently while the service is unavailable (\`dojo-relay backfill\` finds them)`;
}

async function asking<T>(bucket: string, request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    throw storeError(bucket, error);
  }
}

function storeError(bucket: string, error: unknown): CommandError {
  return new CommandError(
    `bucket ${bucket}: ${error instanceof Error ? `${error.name}: ` : ""}${describeError(error)}`,
    "Check AWS_ENDPOINT_URL_S3, AWS_REGION, BUCKET and the credentials: they must be allowed to create buckets and set notifications.",
  );
}

const toLine = ({ what, changed }: Change) => `${changed ? "changed" : "ok     "}  ${what}`;

const SETUP_HELP = `
Idempotent: it changes only what differs, and reports each change. It works on any S3 and SQS that
AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL_SQS point to, with the names of QUEUE_URL, DLQ_URL and BUCKET where these are set.

Examples:
  $ AWS_ENDPOINT_URL_S3=http://127.0.0.1:9000 AWS_ENDPOINT_URL_SQS=http://127.0.0.1:9324 dojo-relay setup
  $ dojo-relay setup --target arn:minio:sqs::RELAY:webhook --json`;
