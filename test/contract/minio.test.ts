import { randomBytes } from "node:crypto";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { describe } from "vitest";
import { announceSkipped, s3Client } from "./aws.ts";
import { notificationContract } from "./notification.contract.ts";
import { deleteBucket, storageContract } from "./storage.contract.ts";

const {
  MINIO_ENDPOINT: endpoint = "",
  MINIO_ROOT_USER = "minioadmin",
  MINIO_ROOT_PASSWORD = "minioadmin",
} = process.env;
/**
 * The port of this machine that MinIO's webhook "relay" points to. MinIO then runs with MINIO_NOTIFY_WEBHOOK_…_relay:
 * ENABLE=on, ENDPOINT=http://127.0.0.1:<port>/, AUTH_TOKEN=s3cr3t-token and an (empty) QUEUE_DIR.
 */
const webhookPort = Number(process.env.MINIO_WEBHOOK_PORT ?? 0);
const credentials = { accessKeyId: MINIO_ROOT_USER, secretAccessKey: MINIO_ROOT_PASSWORD };

if (endpoint === "") announceSkipped("the storage contract on MinIO", "MINIO_ENDPOINT");
if (endpoint === "" || webhookPort === 0) announceSkipped("the notification contract on MinIO", "MINIO_WEBHOOK_PORT");

async function setup() {
  const client = s3Client(endpoint, credentials);
  const bucket = `contract-${randomBytes(8).toString("hex")}`;
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  return {
    client,
    bucket,
    async close() {
      await deleteBucket(client, bucket);
      client.destroy();
    },
  };
}

describe.skipIf(endpoint === "")("MinIO", () => {
  // It makes paths of keys: refuses `a//b` and `../a`, and does not list `a/b` beside an object `a`.
  storageContract("MinIO", { anyKey: false, unsupportedIsAnError: false }, setup);
});

describe.skipIf(endpoint === "" || webhookPort === 0)("MinIO", () => {
  notificationContract("MinIO", webhookPort, async () => ({ ...(await setup()), accessKeyId: MINIO_ROOT_USER }));
});
