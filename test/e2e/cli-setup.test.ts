import { SetQueueAttributesCommand } from "@aws-sdk/client-sqs";
import { expect, it } from "vitest";
import type { SetupResult } from "../../cli/setup.ts";
import { cli, cliJson } from "./cli.ts";
import { startBucket } from "./cli-bucket.ts";
import { startQueues } from "./cli-queues.ts";

const changed = ({ changes }: SetupResult) => changes.filter((one) => one.changed).map(({ what }) => what);

it("setup creates missing parts, changes different ones, and is idempotent", async () => {
  await using bucket = await startBucket();
  await using queues = await startQueues();
  const env = { ...bucket.env, ...queues.env, QUEUE_URL: `${queues.queueUrl.slice(0, -5)}-2.fifo` };
  const first = await cliJson<SetupResult>(["setup"], env);
  expect(changed(first)).toEqual([
    "queue dojo-relay-2.fifo created",
    "bucket securecodebox created",
    "bucket securecodebox notifies arn:minio:sqs::RELAY:webhook of …findings.json now",
  ]);
  expect(first.queueUrl).toBe(env.QUEUE_URL);
  expect(first.notes).toEqual([expect.stringMatching(/MINIO_NOTIFY_WEBHOOK_QUEUE_DIR_RELAY.*lost silently/)]);
  expect(changed(await cliJson<SetupResult>(["setup"], env))).toEqual([]);

  const Attributes = { VisibilityTimeout: "7" };
  await queues.sqs.send(new SetQueueAttributesCommand({ QueueUrl: env.QUEUE_URL, Attributes }));
  const { code, stdout } = await cli(["setup"], env);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^changed {2}queue dojo-relay-2\.fifo: VisibilityTimeout$/m);
  expect(stdout).toMatch(/^ok {7}bucket securecodebox exists$/m);
});

it("setup prints the required MinIO settings if MinIO does not know the webhook", async () => {
  await using bucket = await startBucket();
  const { code, stderr } = await cli(["setup", "--target", "arn:minio:sqs::SCANS:webhook"], bucket.env);
  expect(code).toBe(1);
  expect(stderr).toMatch(/MinIO knows no arn:minio:sqs::SCANS:webhook/);
  for (const part of ["ENABLE", "ENDPOINT", "AUTH_TOKEN", "QUEUE_DIR"]) {
    expect(stderr).toContain(`MINIO_NOTIFY_WEBHOOK_${part}_SCANS=`);
  }
  expect(stderr).not.toMatch(/\n\s+at /);
});

it("setup leaves the queues to the service if no queue server is configured, and the notification to serverless.yml on AWS", async () => {
  await using bucket = await startBucket();
  await using queues = await startQueues();
  const alone = await cliJson<SetupResult>(["setup"], bucket.env);
  expect(alone.notes[0]).toMatch(/`dojo-relay start` creates its own/);
  expect(changed(alone)).toHaveLength(2);
  const aws = await cliJson<SetupResult>(["setup"], queues.env);
  expect(aws).toMatchObject({ notes: [expect.stringMatching(/left alone on AWS; serverless\.yml/)] });
  expect(aws.changes.map(({ what }) => what)).toEqual([
    "queue dojo-relay-dlq.fifo: as it should be",
    "queue dojo-relay.fifo: as it should be",
  ]);
});

it("setup without a server says what to check", async () => {
  const { code, stderr } = await cli(["setup"], {
    AWS_ENDPOINT_URL_S3: "http://127.0.0.1:1",
    AWS_ACCESS_KEY_ID: "a",
    AWS_SECRET_ACCESS_KEY: "b",
  });
  expect(code).toBe(1);
  expect(stderr).toMatch(/bucket securecodebox: .*ECONNREFUSED[\s\S]*Check AWS_ENDPOINT_URL_S3/);
});
