import "../lib/util/memory.ts";
import middy from "@middy/core";
import type { Context } from "aws-lambda";
import { s3Client } from "../lib/aws/clients.ts";
import { powertoolsObserver } from "../lib/aws/powertools.ts";
import { s3Storage } from "../lib/aws/s3-storage.ts";
import { readNotifierConfig } from "../lib/config.ts";
import { RelayError } from "../lib/errors.ts";
import { notifyEvent } from "../lib/notify/notify-event.ts";
import { notifySettings } from "../lib/notify/settings.ts";
import { systemClock } from "../lib/util/clock.ts";
import { configuredWebhook } from "../lib/webhook/notify-ports.ts";

const config = readNotifierConfig(process.env);
const observer = powertoolsObserver("notify", config);
const webhook = configuredWebhook(config, process.env);
const storage = s3Storage(s3Client(config, process.env));
const settings = { ...notifySettings(config), findingsName: config.FINDINGS_NAME, bucket: config.BUCKET };

/** Lambda, by the landing of receipts: tells a webhook what is new and real, and which verdicts changed. */
export const handler = middy(async (event: unknown, context: Context) => {
  if (webhook === undefined)
    throw new RelayError("config-invalid", "one of NOTIFY_URL, NOTIFY_URL_SECRET, NOTIFY_URL_PARAMETER must be set");
  const ports = { ...observer, storage, webhook, clock: systemClock };
  return { sent: await notifyEvent(event, ports, settings, () => context.getRemainingTimeInMillis()) };
})
  .after(observer.flush)
  .onError(observer.flush);
