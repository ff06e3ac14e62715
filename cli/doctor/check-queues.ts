import { GetQueueAttributesCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { ask, findQueues, type Operator, ownQueue } from "../operator.ts";
import { MAX_RECEIVE_COUNT } from "../resources.ts";
import { type Diagnosis, examine, fail, ok, warn } from "./finding.ts";

/** With fewer, SQS gives up on a message before a long import has had its deliveries. */
const LEAST_RECEIVE_COUNT = 20;

/** The queues: both FIFO, the job queue redriving to the dead-letter queue, with a sufficient visibility timeout. */
export async function checkQueues({ config, sqs }: Pick<Operator, "config" | "sqs">): Promise<Diagnosis[]> {
  if (ownQueue(config)) {
    return [
      ok(
        "queues",
        "no queue server is configured: `dojo-relay start` uses its own, in DATA_DIR; with SQS_PORT it is checked too",
      ),
    ];
  }
  return await examine("queues", async () => {
    const { queueUrl, dlqUrl } = await findQueues({ config, sqs });
    const [queue, dlq] = await Promise.all([attributes(sqs, queueUrl), attributes(sqs, dlqUrl)]);
    const policy = JSON.parse(queue.RedrivePolicy ?? "{}") as {
      deadLetterTargetArn?: string;
      maxReceiveCount?: number | string;
    };
    const count = Number(policy.maxReceiveCount);
    const visibility = Number(queue.VisibilityTimeout);
    const remade = "Run `dojo-relay setup`, which sets it.";
    return [
      queue.FifoQueue === "true"
        ? ok("job queue", `${queueUrl} is a FIFO queue`)
        : fail(
            "job queue",
            `${queueUrl} is not a FIFO queue`,
            "Jobs of a product must stay in order: create a FIFO queue (`dojo-relay setup`).",
          ),
      dlq.FifoQueue === "true"
        ? ok("dead-letter queue", `${dlqUrl} is a FIFO queue`)
        : fail(
            "dead-letter queue",
            `${dlqUrl} is not a FIFO queue`,
            "A FIFO queue needs a FIFO dead-letter queue (`dojo-relay setup`).",
          ),
      policy.deadLetterTargetArn === undefined || policy.deadLetterTargetArn !== dlq.QueueArn
        ? fail("redrive policy", "the job queue does not redrive to the dead-letter queue", remade)
        : count < LEAST_RECEIVE_COUNT
          ? warn(
              "redrive policy",
              `maxReceiveCount is ${count}: a long import is delivered more often`,
              `Set it to ${MAX_RECEIVE_COUNT}; the importer counts failures itself. ${remade}`,
            )
          : ok(
              "redrive policy",
              `to the dead-letter queue after ${count} deliveries; the importer itself gives up earlier`,
            ),
      visibility < config.HEARTBEAT_SECONDS / 3
        ? warn(
            "visibility timeout",
            `${visibility} s is shorter than the time between two heartbeats`,
            `Set it to at least ${config.HEARTBEAT_SECONDS} s. ${remade}`,
          )
        : ok("visibility timeout", `${visibility} s, extended by a heartbeat while a job is worked on`),
    ];
  });
}

async function attributes(sqs: SQSClient, url: string): Promise<Readonly<Record<string, string | undefined>>> {
  const command = new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ["All"] });
  return (await ask(url, sqs.send(command))).Attributes ?? {};
}
