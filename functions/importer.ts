import "../lib/util/memory.ts";
import middy from "@middy/core";
import { s3Client, sqsClient } from "../lib/aws/clients.ts";
import { importerHandler } from "../lib/aws/importer-handler.ts";
import { importerPorts } from "../lib/aws/importer-ports.ts";
import { powertoolsObserver } from "../lib/aws/powertools.ts";
import { readImporterConfig } from "../lib/config.ts";
import { recordSettings } from "../lib/importer/settings.ts";
import { warnOfTypos } from "../lib/model/typos.ts";

const config = readImporterConfig(process.env);
const observer = powertoolsObserver("importer", config);
warnOfTypos(process.env, observer.log);
const clients = { s3: s3Client(config, process.env), sqs: sqsClient(config, process.env) };

/** Lambda: jobs out of the queue into DefectDojo, and its verdicts back into the bucket. */
export const handler = middy(
  importerHandler(importerPorts(config, observer, clients, process.env), recordSettings(config)),
)
  .after(observer.flush)
  .onError(observer.flush);
