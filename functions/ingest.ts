import middy from "@middy/core";
import { s3Client, sqsClient } from "../lib/aws/clients.ts";
import { ingestHandler } from "../lib/aws/ingest-handler.ts";
import { ingestPorts } from "../lib/aws/ingest-ports.ts";
import { powertoolsObserver } from "../lib/aws/powertools.ts";
import { readCommonConfig } from "../lib/config.ts";
import { ingestSettings } from "../lib/ingest/settings.ts";

const config = readCommonConfig(process.env);
const observer = powertoolsObserver("ingest", config);
const clients = { s3: s3Client(config, process.env), sqs: sqsClient(config, process.env) };

/** Lambda: a notification of the bucket, in any of the forms of `lib/ingest/notifications.ts`, to jobs in the queue. */
export const handler = middy(ingestHandler(ingestPorts(config, observer, clients), ingestSettings(config)))
  .after(observer.flush)
  .onError(observer.flush);
