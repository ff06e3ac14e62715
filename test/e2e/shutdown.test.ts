import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { GetQueueUrlCommand, ReceiveMessageCommand } from "@aws-sdk/client-sqs";
import { afterEach, expect, it, vi } from "vitest";
import { QUEUE_NAME } from "../../cli/resources.ts";
import { uploadScan } from "../../cli/scan-folder.ts";
import { startStandin } from "../../infra/local/defectdojo/server.ts";
import { startEmbeddedSqs } from "../../infra/local/sqs/server.ts";
import { ANY_CREDENTIALS, s3Client, sqsClient } from "../contract/aws.ts";
import { startCli } from "./cli.ts";
import { QUICK } from "./runtime.ts";

const SAMPLE = fileURLToPath(new URL("../../infra/local/scans/zap-shop", import.meta.url));
/** How long a stop waits for handlers, and the maximum time to release messages and close. Milliseconds. */
const GRACE = 20_000;
const CLOSING = 40_000;

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

it("stops within its grace period although an import gets no response, and releases its message at once", {
  timeout: 180_000,
}, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-shutdown-"));
  closers.push(() => rm(dataDir, { recursive: true, force: true }));
  const standin = await startStandin();
  closers.push(standin.close);
  let importing = false;
  standin.state.intercept = ({ path }) => {
    if (path !== "/import-scan/") return undefined;
    importing = true;
    return { delayMs: 120_000 };
  };
  // The queue outlives the service, as SQS and ElasticMQ do.
  const queue = await startEmbeddedSqs({ dataDir: join(dataDir, "queue") });
  closers.push(queue.close);
  const service = startCli(["start"], {
    ...QUICK,
    PORT: "0",
    DATA_DIR: dataDir,
    AWS_ENDPOINT_URL_SQS: queue.url,
    AWS_ACCESS_KEY_ID: ANY_CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: ANY_CREDENTIALS.secretAccessKey,
    DEFECTDOJO_URL: standin.url,
    DEFECTDOJO_APIKEY: standin.apiKey,
  });
  closers.push(() => service.kill("SIGKILL"));
  const { s3, bucket } = JSON.parse((await service.lines(1))[0] ?? "") as { s3: string; bucket: string };
  await uploadScan(s3Client(s3), SAMPLE, { bucket, prefix: "", findingsName: "findings.json" });
  await vi.waitFor(() => expect(importing).toBe(true), { timeout: 30_000 });

  const stopped = performance.now();
  service.kill("SIGTERM");
  const { code, stderr } = await service.result;
  const took = performance.now() - stopped;

  expect(code, stderr).toBe(0);
  expect(took).toBeLessThan(GRACE + CLOSING);
  expect(stderr).toContain("releasing unfinished messages");
  const sqs = sqsClient(queue.url);
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: QUEUE_NAME }));
  const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 10 }));
  expect(Messages.map(({ Body }) => JSON.parse(Body ?? "") as unknown)).toMatchObject([
    { bucket, key: "zap-shop/findings.json" },
  ]);
});
