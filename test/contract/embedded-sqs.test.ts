import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedSqs } from "../../cli/embedded/sqs-server.ts";
import { sqsClient } from "./aws.ts";
import { queueContract } from "./queue.contract.ts";

const CAPABILITIES = {
  unsupportedIsAnError: true,
  expiredHandleIsRefused: true,
  deadLetterSource: true,
  notInflightIsAnError: true,
};

queueContract("embedded", CAPABILITIES, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-sqs-"));
  const server = await startEmbeddedSqs({ dataDir });
  const client = sqsClient(server.url);
  return {
    client,
    async close() {
      client.destroy();
      await server.close();
      await rm(dataDir, { recursive: true });
    },
  };
});
