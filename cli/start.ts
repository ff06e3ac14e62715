import { Command } from "commander";
import { readServiceConfig } from "../lib/config.ts";
import type { Log } from "../lib/observe.ts";
import { type Service, startService } from "./runtime/service.ts";
import { serviceLog } from "./runtime/service-log.ts";

/** `dojo-relay start`: both functions as a service on one machine. */
export function startCommand(): Command {
  return new Command("start")
    .description("run both functions as a service on this machine, beside MinIO or with a store and queue of its own")
    .addHelpText("after", START_HELP)
    .action(async () => {
      const log = serviceLog(readServiceConfig(process.env).LOG_LEVEL);
      const service = await startService(process.env, log);
      log.info("dojo-relay is running", describe(service));
      if (service.generatedToken !== undefined && process.stderr.isTTY) {
        process.stderr.write(`The page at ${service.url}/ asks for this token: ${service.generatedToken}\n`);
      }
      await untilSignalled();
      log.info("dojo-relay is shutting down: it finishes or releases its messages");
      await end(service, log);
    });
}

const START_HELP = `
Everything is set by environment variables; without endpoints the service brings its own S3 and SQS, kept in DATA_DIR.

Examples:
  $ DEFECTDOJO_URL=https://defectdojo.example.com DEFECTDOJO_APIKEY=… dojo-relay start
  $ AWS_ENDPOINT_URL_S3=http://minio:9000 WEBHOOK_TOKEN=… DEFECTDOJO_URL=… DEFECTDOJO_APIKEY=… dojo-relay start

Paths:
  GET /           the page: scans live, with their history and a button to redrive failed ones
  POST /events    bucket notifications
  GET /healthz    the process is alive
  GET /readyz     the queue responds; shows problems with DefectDojo at the start
  GET /metrics    for Prometheus
POST /events and the page require the WEBHOOK_TOKEN; with MinIO it must be set if HOST is not loopback.`;

/** Stops the service and ends the process, even if an aborted handler still waits for DefectDojo. */
async function end(service: Service, log: Log): Promise<never> {
  await service.stop().catch((error: unknown) => {
    log.error("dojo-relay did not shut down cleanly", { error });
    process.exitCode = 1;
  });
  process.exit();
}

function describe({ url, s3Endpoint, sqsEndpoint, bucket, dojoUrl }: Service) {
  return { receiver: `${url}/events`, s3: s3Endpoint, sqs: sqsEndpoint, bucket, defectdojo: dojoUrl };
}

/** Resolves at SIGINT or SIGTERM; a second one ends the process at once. */
export async function untilSignalled(): Promise<void> {
  await new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => {
        resolve();
        process.once(signal, () => process.exit(130));
      });
    }
  });
}
