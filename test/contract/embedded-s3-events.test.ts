import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { startEmbeddedS3 } from "../../infra/local/s3/server.ts";
import { ANY_CREDENTIALS, s3Client } from "./aws.ts";
import { notificationContract, WEBHOOK_TOKEN } from "./notification.contract.ts";

notificationContract("embedded", 0, async (port) => {
  const dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-s3-"));
  const relay = { endpoint: `http://127.0.0.1:${port}/events`, authToken: WEBHOOK_TOKEN };
  const server = await startEmbeddedS3({ dataDir, targets: { relay }, retryMs: 50 });
  const client = s3Client(server.url);
  const bucket = "contract";
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  return {
    client,
    bucket,
    accessKeyId: ANY_CREDENTIALS.accessKeyId,
    async close() {
      client.destroy();
      await server.close();
      await rm(dataDir, { recursive: true });
    },
  };
});
