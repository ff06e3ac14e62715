import "../lib/memory.ts";
import middy from "@middy/core";
import type { Context } from "aws-lambda";
import { s3Client } from "../lib/aws.ts";
import { systemClock } from "../lib/clock.ts";
import { readResyncConfig } from "../lib/config.ts";
import { dojoPort } from "../lib/dojo-port.ts";
import { powertoolsObserver } from "../lib/powertools.ts";
import { scheduledResync } from "../lib/scheduled-resync.ts";
import { resyncSettings } from "../lib/settings.ts";
import { s3Storage } from "../lib/storage.ts";

const config = readResyncConfig(process.env);
const observer = powertoolsObserver("resync", config);
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
