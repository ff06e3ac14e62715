import { join } from "node:path";
import type { S3Client } from "@aws-sdk/client-s3";
import type { SQSClient } from "@aws-sdk/client-sqs";
import { DataDirectoryError } from "../../infra/local/data-directory.ts";
import type { EmbeddedStore } from "../../infra/local/http-listener.ts";
import { startEmbeddedS3 } from "../../infra/local/s3/server.ts";
import { startEmbeddedSqs } from "../../infra/local/sqs/server.ts";
import { s3Client, sqsClient } from "../../lib/aws/clients.ts";
import { importerHandler } from "../../lib/aws/importer-handler.ts";
import { importerPorts } from "../../lib/aws/importer-ports.ts";
import { ingestHandler } from "../../lib/aws/ingest-handler.ts";
import { type Env, readImporterConfig, readServiceConfig, type ServiceConfig } from "../../lib/config.ts";
import { describeError, RelayError } from "../../lib/errors.ts";
import { recordSettings } from "../../lib/importer/settings.ts";
import { ingestSettings } from "../../lib/ingest/settings.ts";
import { findingsSuffix } from "../../lib/model/object-keys.ts";
import { awsVariables, typoWarnings } from "../../lib/model/typos.ts";
import type { Log } from "../../lib/observe.ts";
import type { Progress } from "../../lib/progress.ts";
import { rememberSecrets } from "../../lib/util/secrets.ts";
import { fifo } from "../dlq/fifo.ts";
import { redriveDeadLetters } from "../dlq/redrive.ts";
import { ensureBucket, ensureNotification, ensureQueues } from "../resources.ts";
import { activity } from "./activity.ts";
import { dojoAtStart } from "./dojo-at-start.ts";
import { startFollower } from "./follower.ts";
import { GUARDED_PATHS, pageRoutes } from "./page.ts";
import { startPoller } from "./poller.ts";
import { precedence } from "./precedence.ts";
import { type Route, startReceiver } from "./receiver.ts";
import { serviceMetrics } from "./service-metrics.ts";
import { keptToken } from "./webhook-token.ts";

/** The embedded store's name for the receiver in its notification ARN. */
const TARGET = "relay";
const SHUTDOWN_GRACE_MS = 20_000;

export interface Service {
  /** Address of the receiver, the page, health and metrics. */
  readonly url: string;
  readonly bucket: string;
  readonly s3Endpoint: string;
  readonly sqsEndpoint: string;
  readonly queueUrl: string;
  readonly dlqUrl: string;
  readonly dojoUrl: string;
  /** What the page asks for, where nobody had set one. */
  readonly generatedToken: string | undefined;
  readonly clients: { readonly s3: S3Client; readonly sqs: SQSClient };
  stop(): Promise<void>;
}

/**
 * Both functions on one machine: a receiver for bucket notifications calls the ingest handler, a poller the importer handler, with the events that
 * Lambda would pass. What the environment names no endpoint for is embedded: S3, SQS.
 * @throws RelayError `config-invalid`, `data-directory-unusable`
 */
export async function startService(
  env: Env,
  log: Log,
  onProgress: (progress: Progress) => void = () => undefined,
): Promise<Service> {
  const service = readServiceConfig(env);
  try {
    return await start(service, env, log, onProgress);
  } catch (error) {
    if (!(error instanceof DataDirectoryError)) throw error;
    throw new RelayError("data-directory-unusable", error.message, { object: service.DATA_DIR, cause: error.cause });
  }
}

async function start(
  service: ServiceConfig,
  env: Env,
  log: Log,
  onProgress: (progress: Progress) => void,
): Promise<Service> {
  // A store elsewhere is told the token by hand, and a container may lose its data directory: one that is generated would be another by then.
  if (service.WEBHOOK_TOKEN === undefined && service.AWS_ENDPOINT_URL_S3 !== undefined && !isLoopback(service.HOST)) {
    throw new RelayError(
      "config-invalid",
      `WEBHOOK_TOKEN must be set where HOST is no loopback address (${service.HOST}): anybody who reaches the receiver could enqueue scans`,
      { object: "environment" },
    );
  }
  for (const warning of typoWarnings(env)) log.warn(warning);
  const variables = awsVariables(env);
  const embeds = service.AWS_ENDPOINT_URL_S3 === undefined && service.AWS_ENDPOINT_URL_SQS === undefined;
  if (embeds && variables.length > 0) {
    log.warn(
      "a store and queue of its own are used although AWS variables are set: AWS_ENDPOINT_URL_S3 names another",
      {
        variables,
      },
    );
  }
  const token = service.WEBHOOK_TOKEN ?? (await keptToken(service.DATA_DIR));
  rememberSecrets([token]);
  const stores: EmbeddedStore[] = [];
  const closers: (() => Promise<void>)[] = [];
  const close = async () => {
    for (const closer of closers.toReversed()) await closer();
  };
  const metrics = serviceMetrics();
  const seen = activity();
  let ingest: ((event: unknown) => Promise<unknown>) | undefined;
  let redrive: (id: string) => Promise<number> = async () => 0;
  let ready = () => false;
  /** What is wrong on the way to DefectDojo, as it was at the start. */
  let dojoTrouble: string | undefined;

  // Whoever sends notifications waits for their answers, MinIO with all that comes behind; jobs that are in the queue are safe.
  const notifications = precedence();
  const notify: Route = async ({ body }) => {
    const take = ingest;
    if (take === undefined) return { status: 503, body: "starting\n" };
    const text = (await body()).toString("utf8");
    try {
      const taken = await notifications.first(() => take(parseJson(text)));
      return { status: 200, type: "application/json", body: `${JSON.stringify(taken)}\n` };
    } catch (error) {
      // Whoever sent it sends it again: this is only what a retry may mend.
      return { status: 503, body: `${describeError(error)}\n` };
    }
  };
  const routes: Record<string, Route> = {
    ...pageRoutes({ activity: seen, redrive: (id) => redrive(id), dojoUrl: () => env.DEFECTDOJO_URL ?? "" }),
    "POST /events": notify,
    "GET /healthz": () => ({ status: 200, body: "ok\n" }),
    "GET /readyz": () => {
      const problem = stores.map((store) => store.problem()).find((one) => one !== undefined);
      if (problem !== undefined) return { status: 503, body: `not ready: ${problem}\n` };
      return ready()
        ? { status: 200, body: dojoTrouble === undefined ? "ready\n" : `ready, but DefectDojo: ${dojoTrouble}\n` }
        : { status: 503, body: "not ready: the queue does not answer\n" };
    },
    "GET /metrics": async () => ({
      status: 200,
      type: metrics.registry.contentType,
      body: await metrics.registry.metrics(),
    }),
  };

  try {
    const receiver = await startReceiver({
      host: service.HOST,
      port: service.PORT,
      token,
      allowedHosts: service.ALLOWED_HOSTS,
      routes,
      guarded: new Set(["POST /events", ...GUARDED_PATHS]),
      log,
    });
    closers.push(receiver.close);

    const embedded = { report: (message: string) => log.warn(message) };
    let s3Endpoint = service.AWS_ENDPOINT_URL_S3;
    if (s3Endpoint === undefined) {
      const server = await startEmbeddedS3({
        ...embedded,
        port: service.S3_PORT,
        dataDir: join(service.DATA_DIR, "s3"),
        targets: { [TARGET]: { endpoint: `${receiver.url}/events`, authToken: token } },
      });
      closers.push(server.close);
      stores.push(server);
      s3Endpoint = server.url;
    }
    let sqsEndpoint = service.AWS_ENDPOINT_URL_SQS;
    if (sqsEndpoint === undefined) {
      const server = await startEmbeddedSqs({
        ...embedded,
        port: service.SQS_PORT,
        dataDir: join(service.DATA_DIR, "sqs"),
      });
      closers.push(server.close);
      stores.push(server);
      sqsEndpoint = server.url;
    }
    const aws = {
      AWS_REGION: service.AWS_REGION,
      AWS_ENDPOINT_URL_S3: s3Endpoint,
      AWS_ENDPOINT_URL_SQS: sqsEndpoint,
    };
    const s3 = s3Client(aws, env);
    const sqs = sqsClient(aws, env);
    if ((service.QUEUE_URL === undefined) !== (service.DLQ_URL === undefined)) {
      throw new RelayError("config-invalid", "QUEUE_URL and DLQ_URL must be set both or neither", {
        object: "environment",
      });
    }
    const given = service.QUEUE_URL !== undefined && service.DLQ_URL !== undefined;
    const queues = given
      ? { queueUrl: service.QUEUE_URL, dlqUrl: service.DLQ_URL }
      : await ensureQueues(sqs, service.VISIBILITY_SECONDS);
    const config = readImporterConfig({ ...env, ...aws, QUEUE_URL: queues.queueUrl, DLQ_URL: queues.dlqUrl });
    // Once, and without waiting for it: DefectDojo may come later.
    void dojoAtStart(config, env, log).then((trouble) => {
      dojoTrouble = trouble;
    });
    if (service.AWS_ENDPOINT_URL_S3 === undefined) {
      await ensureBucket(s3, service.BUCKET);
      await ensureNotification(
        s3,
        service.BUCKET,
        `arn:minio:sqs::${TARGET}:webhook`,
        findingsSuffix(config.FINDINGS_NAME),
      );
    }

    const watched = (progress: Progress) => {
      seen.see(progress);
      onProgress(progress);
    };
    const ports = importerPorts(config, { log, metrics, onProgress: watched }, { s3, sqs }, env);
    redrive = (id) =>
      redriveDeadLetters(fifo(sqs, config.DLQ_URL), ports.queue, {
        selects: ({ findings }) => findings === `s3://${id}`,
      });
    const bucket = env["BUCKET"]?.trim() || service.AWS_ENDPOINT_URL_S3 === undefined ? service.BUCKET : undefined;
    ingest = ingestHandler(ports, { ...ingestSettings(config), bucket });
    const importer = importerHandler(ports, recordSettings(config));
    const poller = startPoller({
      sqs,
      queueUrl: config.QUEUE_URL,
      handler: async (event, context) => {
        await notifications.giveWay();
        return await importer(event, context);
      },
      concurrency: service.MAX_CONCURRENCY,
      timeoutMs: service.IMPORTER_TIMEOUT_SECONDS * 1000,
      breaksOffPolls: service.AWS_ENDPOINT_URL_SQS === undefined && !given,
      log,
      metrics,
    });
    closers.push(() => poller.stop(SHUTDOWN_GRACE_MS));
    const where = { ...env, ...aws, QUEUE_URL: config.QUEUE_URL, BUCKET: service.BUCKET };
    const follower = startFollower(where, { log, metrics }, { s3, sqs });
    closers.push(follower.stop);
    ready = poller.ready;
    return {
      url: receiver.url,
      bucket: service.BUCKET,
      s3Endpoint,
      sqsEndpoint,
      queueUrl: config.QUEUE_URL,
      dlqUrl: config.DLQ_URL,
      dojoUrl: config.DEFECTDOJO_URL,
      generatedToken: service.WEBHOOK_TOKEN === undefined ? token : undefined,
      clients: { s3, sqs },
      stop: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** 127.0.0.0/8, ::1 and localhost. */
const isLoopback = (host: string) => /^(?:127(?:\.\d+){3}|::1|localhost)$/i.test(host);

/** Invalid JSON stays text: ingest dead-letters it. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
