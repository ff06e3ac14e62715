import "../lib/util/memory.ts";
import middy from "@middy/core";
import type { Context } from "aws-lambda";
import { s3Client } from "../lib/aws/clients.ts";
import { powertoolsObserver } from "../lib/aws/powertools.ts";
import { s3Storage } from "../lib/aws/s3-storage.ts";
import { readResyncConfig } from "../lib/config.ts";
import { dojoPort } from "../lib/defectdojo/dojo-port.ts";
import { warnOfTypos } from "../lib/model/typos.ts";
import { scheduledResync } from "../lib/sync/scheduled-resync.ts";
import { resyncSettings } from "../lib/sync/settings.ts";
import { systemClock } from "../lib/util/clock.ts";

const config = readResyncConfig(process.env);
const observer = powertoolsObserver("resync", config);
warnOfTypos(process.env, observer.log);
const ports = {
  ...observer,
  storage: s3Storage(s3Client(config, process.env)),
  dojo: dojoPort(config, process.env),
  clock: systemClock,
};

/** Lambda, on a schedule: today's verdicts of DefectDojo for the scans of the last RESYNC_DAYS days. */
export const handler = middy(async (_event: unknown, context: Context) =>
  scheduledResync(ports, resyncSettings(config), config.RESYNC_DAYS, () => context.getRemainingTimeInMillis()),
)
  .after(observer.flush)
  .onError(observer.flush);
