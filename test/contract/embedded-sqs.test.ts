import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbeddedSqs } from "../../infra/local/sqs/server.ts";
import { reservePort } from "../live/processes.ts";
import { sqsClient } from "./aws.ts";
import { queueContract } from "./queue.contract.ts";

const CAPABILITIES = {
  unsupportedIsAnError: true,
  limitsAreExact: true,
  attributePrefixes: true,
  deletingTwiceIsNoError: true,
  expiredHandleIsRefused: true,
  notInflightIsAnError: true,
  abandonedPollsTakeNothing: true,
  deadLetterSource: true,
  groupsWaitOverRestart: true,
};

queueContract("embedded", CAPABILITIES, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-sqs-"));
  const { number: port, release } = await reservePort();
  await release();
  let server = await startEmbeddedSqs({ dataDir, port });
  const client = sqsClient(server.url);
  return {
    client,
    async restart() {
      // Drops the client's idle connections, which the server is about to close.
      client.destroy();
      await server.close();
      server = await startEmbeddedSqs({ dataDir, port });
    },
    async close() {
      client.destroy();
      await server.close();
      await rm(dataDir, { recursive: true });
    },
  };
});
