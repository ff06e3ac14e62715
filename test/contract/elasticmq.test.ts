import { describe } from "vitest";
import { haveServers, startElasticMq } from "../live/servers.ts";
import { sqsClient } from "./aws.ts";
import { queueContract } from "./queue.contract.ts";

/** A running server to use instead of starting one. */
const { ELASTICMQ_ENDPOINT } = process.env;

/** Measured with ElasticMQ 1.7.1, `sqs-limits = strict`. */
const CAPABILITIES = {
  unsupportedIsAnError: false,
  limitsAreExact: false,
  attributePrefixes: false,
  deletingTwiceIsNoError: false,
  expiredHandleIsRefused: false,
  notInflightIsAnError: false,
  abandonedPollsTakeNothing: false,
  deadLetterSource: true,
  groupsWaitOverRestart: false,
};

if (ELASTICMQ_ENDPOINT) {
  queueContract("ElasticMQ", CAPABILITIES, async () => {
    const client = sqsClient(ELASTICMQ_ENDPOINT);
    return { client, close: async () => client.destroy() };
  });
} else {
  describe.skipIf(!haveServers("the queue contract on ElasticMQ", "elasticmq"))("ElasticMQ", () => {
    queueContract("ElasticMQ", CAPABILITIES, async () => {
      const server = await startElasticMq();
      const client = sqsClient(server.url);
      return {
        client,
        async restart() {
          client.destroy(); // its idle connections, which end with the server
          await server.restart();
        },
        async close() {
          client.destroy();
          await server.stop();
        },
      };
    });
  });
}
