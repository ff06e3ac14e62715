import middy from "@middy/core";
import { readCommonConfig } from "../lib/config.ts";
import { ingestHandler } from "../lib/handlers.ts";
import { ingestPorts } from "../lib/ports.ts";
import { powertoolsObserver } from "../lib/powertools.ts";
import { ingestSettings } from "../lib/settings.ts";

const config = readCommonConfig(process.env);
const observer = powertoolsObserver("ingest", config);

/** Lambda: a notification of the bucket, in any of the forms of `lib/events.ts`, to jobs in the queue. */
export const handler = middy(ingestHandler(ingestPorts(config, observer, process.env), ingestSettings(config)))
  .after(observer.flush)
  .onError(observer.flush);
