import { randomBytes } from "node:crypto";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { describe } from "vitest";
import { haveServers, type Minio, startMinio } from "../live/servers.ts";
import { type Credentials, s3Client } from "./aws.ts";
import { notificationContract, WEBHOOK_TOKEN } from "./notification.contract.ts";
import { deleteBucket, storageContract } from "./storage.contract.ts";

/** A running server to use instead of starting one. */
const { MINIO_ENDPOINT, MINIO_ROOT_USER = "minioadmin", MINIO_ROOT_PASSWORD = "minioadmin" } = process.env;
/**
 * The port of this machine that its webhook "relay" points to. It then runs with MINIO_NOTIFY_WEBHOOK_…_relay:
 * ENABLE=on, ENDPOINT=http://127.0.0.1:<port>/, AUTH_TOKEN=s3cr3t-token and an (empty) QUEUE_DIR.
 */
const webhookPort = Number(process.env.MINIO_WEBHOOK_PORT ?? 0);

/** It maps keys to paths: it rejects `a//b` and `../a`, and does not list `a/b` next to an object `a`. */
const CAPABILITIES = { anyKey: false, unsupportedIsAnError: false };

if (MINIO_ENDPOINT) {
  const given = async () => {
    const credentials = { accessKeyId: MINIO_ROOT_USER, secretAccessKey: MINIO_ROOT_PASSWORD };
    const bucket = await newBucket(MINIO_ENDPOINT, credentials);
    return {
      ...bucket,
      accessKeyId: MINIO_ROOT_USER,
      async close() {
        await deleteBucket(bucket.client, bucket.bucket);
        bucket.client.destroy();
      },
    };
  };
  storageContract("MinIO", CAPABILITIES, given);
  describe.skipIf(webhookPort === 0)("MinIO", () => notificationContract("MinIO", webhookPort, given));
} else {
  describe.skipIf(!haveServers("the storage and notification contracts on MinIO", "minio"))("MinIO", () => {
    storageContract("MinIO", CAPABILITIES, async () => {
      const minio = await startMinio();
      const bucket = await ownBucket(minio);
      const restart = async () => {
        bucket.client.destroy(); // its idle connections, which end with the server
        await minio.restart();
      };
      return { ...bucket, restart };
    });
    notificationContract("MinIO", 0, async (port) => {
      const endpoint = `http://127.0.0.1:${port}/events`;
      return ownBucket(await startMinio({ targets: [{ name: "relay", endpoint, token: WEBHOOK_TOKEN }] }));
    });
  });
}

async function newBucket(endpoint: string, credentials: Credentials) {
  const client = s3Client(endpoint, credentials);
  const bucket = `contract-${randomBytes(8).toString("hex")}`;
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  return { client, bucket };
}

async function ownBucket({ url, credentials, stop }: Minio) {
  const bucket = await newBucket(url, credentials);
  return {
    ...bucket,
    accessKeyId: credentials.accessKeyId,
    async close() {
      bucket.client.destroy();
      await stop();
    },
  };
}
