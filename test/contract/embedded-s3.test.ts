import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand } from "@aws-sdk/client-s3";
import { startEmbeddedS3 } from "../../infra/local/s3/server.ts";
import { reservePort } from "../live/processes.ts";
import { s3Client } from "./aws.ts";
import { storageContract } from "./storage.contract.ts";

storageContract("embedded", { anyKey: true, unsupportedIsAnError: true }, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-s3-"));
  const { number: port, release } = await reservePort();
  await release();
  let server = await startEmbeddedS3({ dataDir, port });
  const client = s3Client(server.url);
  const bucket = "contract";
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  return {
    client,
    bucket,
    async restart() {
      // Drops the client's idle connections, which the server is about to close.
      client.destroy();
      await server.close();
      server = await startEmbeddedS3({ dataDir, port });
    },
    async close() {
      client.destroy();
      await server.close();
      await rm(dataDir, { recursive: true });
    },
  };
});
