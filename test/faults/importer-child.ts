import type { SQSEvent } from "aws-lambda";
import { type Poller, startPoller } from "../../cli/runtime/poller.ts";
import { serviceLog } from "../../cli/runtime/service-log.ts";
import { s3Client, sqsClient } from "../../lib/aws/clients.ts";
import { importerHandler, type RunContext } from "../../lib/aws/importer-handler.ts";
import { importerPorts } from "../../lib/aws/importer-ports.ts";
import { ingestHandler } from "../../lib/aws/ingest-handler.ts";
import { readImporterConfig } from "../../lib/config.ts";
import { recordSettings } from "../../lib/importer/settings.ts";
import { ingestSettings } from "../../lib/ingest/settings.ts";

/**
 * The process to be killed: the importer's handler with a poller, or the ingest handler for one notification, as in the service.
 * It loads everything first, reports that it is ready, and starts on request, each time with its own ports.
 */
export type Order =
  | { readonly order: "import"; readonly env: Readonly<Record<string, string>>; readonly timeoutMs: number }
  | { readonly order: "ingest"; readonly env: Readonly<Record<string, string>>; readonly event: unknown }
  | { readonly order: "stop" };

export type Report =
  | { readonly report: "ready" | "stopped" }
  | { readonly report: "progress"; readonly state: string; readonly why: string }
  | { readonly report: "ingested"; readonly answer: unknown };

const report = (what: Report) => process.send?.(what);
const log = serviceLog("info");
let poller: Poller | undefined;

process.on("message", (order: Order) => {
  obey(order).catch((error: unknown) => {
    log.error("the order failed", { error });
    process.exit(1);
  });
});
process.on("disconnect", () => process.exit(0));
report({ report: "ready" });

async function obey(order: Order): Promise<void> {
  if (order.order === "stop") {
    await poller?.stop(5_000);
    poller = undefined;
    report({ report: "stopped" });
    return;
  }
  const config = readImporterConfig(order.env);
  const [s3, sqs] = [s3Client(config, order.env), sqsClient(config, order.env)];
  const onProgress = (progress: { state: string; error?: Error }) =>
    report({ report: "progress", state: progress.state, why: progress.error?.message ?? "" });
  const ports = importerPorts(config, { log, metrics: { add: () => undefined }, onProgress }, { s3, sqs }, order.env);
  if (order.order === "ingest") {
    const answer = await ingestHandler(ports, ingestSettings(config))(order.event);
    report({ report: "ingested", answer });
    return;
  }
  const handler: (event: SQSEvent, context: RunContext) => ReturnType<ReturnType<typeof importerHandler>> =
    importerHandler(ports, recordSettings(config));
  poller = startPoller({
    ...{ sqs, queueUrl: config.QUEUE_URL, handler, concurrency: 1, timeoutMs: order.timeoutMs, log },
    metrics: ports.metrics,
    breaksOffPolls: true,
  });
}
