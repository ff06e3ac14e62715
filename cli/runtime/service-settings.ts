import type { Env, ServiceConfig } from "../../lib/config.ts";
import { RelayError } from "../../lib/errors.ts";
import { awsVariables, warnOfTypos } from "../../lib/model/typos.ts";
import type { Log } from "../../lib/observe.ts";
import { isLoopback } from "../../lib/util/loopback.ts";

/** @throws RelayError `config-invalid` when only another server could know the token */
export function checkToken(service: ServiceConfig): void {
  // A remote store is configured with the token by hand, and a container may lose its data directory and with it a generated token.
  if (service.WEBHOOK_TOKEN === undefined && service.AWS_ENDPOINT_URL_S3 !== undefined && !isLoopback(service.HOST)) {
    throw new RelayError(
      "config-invalid",
      `WEBHOOK_TOKEN must be set if HOST is not a loopback address (${service.HOST}): anybody who reaches the receiver could enqueue scans`,
      { object: "environment" },
    );
  }
}

/** Warns of names that look mistyped, and of AWS variables that nothing uses. */
export function warnOfVariables(service: ServiceConfig, env: Env, log: Log): void {
  warnOfTypos(env, log);
  const variables = awsVariables(env);
  const embeds = service.AWS_ENDPOINT_URL_S3 === undefined && service.AWS_ENDPOINT_URL_SQS === undefined;
  if (!embeds || variables.length === 0) return;
  log.warn(
    "the embedded store and queue are used although AWS variables are set: set AWS_ENDPOINT_URL_S3 to use another store",
    {
      variables,
    },
  );
}

/**
 * The queues that the environment names, if any.
 * @throws RelayError `config-invalid` when it names only one of them
 */
export function givenQueues({ QUEUE_URL: queueUrl, DLQ_URL: dlqUrl }: ServiceConfig) {
  if (queueUrl !== undefined && dlqUrl !== undefined) return { queueUrl, dlqUrl };
  if (queueUrl === undefined && dlqUrl === undefined) return undefined;
  throw new RelayError("config-invalid", "QUEUE_URL and DLQ_URL must be set both or neither", {
    object: "environment",
  });
}
