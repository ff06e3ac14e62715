import { describe } from "vitest";
import { announceSkipped, sqsClient } from "./aws.ts";
import { queueContract } from "./queue.contract.ts";

const { ELASTICMQ_ENDPOINT: endpoint = "" } = process.env;

if (endpoint === "") announceSkipped("the queue contract on ElasticMQ", "ELASTICMQ_ENDPOINT");

/** As found with ElasticMQ 1.7.1, `sqs-limits = strict`. */
const CAPABILITIES = {
  unsupportedIsAnError: false,
  limitsAreExact: false,
  attributePrefixes: false,
  deletingTwiceIsNoError: false,
  expiredHandleIsRefused: false,
  notInflightIsAnError: false,
  abandonedPollsTakeNothing: false,
  deadLetterSource: true,
};

describe.skipIf(endpoint === "")("ElasticMQ", () => {
  queueContract("ElasticMQ", CAPABILITIES, async () => {
    const client = sqsClient(endpoint);
    return { client, close: async () => client.destroy() };
  });
});
