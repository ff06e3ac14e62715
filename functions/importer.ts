import "../lib/memory.ts";
import middy from "@middy/core";
import { s3Client, sqsClient } from "../lib/aws.ts";
import { readImporterConfig } from "../lib/config.ts";
import { importerHandler } from "../lib/handlers.ts";
import { importerPorts } from "../lib/ports.ts";
import { powertoolsObserver } from "../lib/powertools.ts";
import { recordSettings } from "../lib/settings.ts";

const config = readImporterConfig(process.env);
const observer = powertoolsObserver("importer", config);
const clients = { s3: s3Client(config, process.env), sqs: sqsClient(config, process.env) };

/** Lambda: jobs out of the queue into DefectDojo, and its verdicts back into the bucket. */
export const handler = middy(
  importerHandler(importerPorts(config, observer, clients, process.env), recordSettings(config)),
)
  .after(observer.flush)
  .onError(observer.flush);
