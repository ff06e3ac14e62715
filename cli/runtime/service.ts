import type { S3Client } from "@aws-sdk/client-s3";
import type { SQSClient } from "@aws-sdk/client-sqs";
import { DataDirectoryError } from "../../infra/local/data-directory.ts";
import { s3Client, sqsClient } from "../../lib/aws/clients.ts";
import { importerHandler } from "../../lib/aws/importer-handler.ts";
import { importerPorts } from "../../lib/aws/importer-ports.ts";
import { ingestHandler } from "../../lib/aws/ingest-handler.ts";
import type { Clients } from "../../lib/aws/ingest-ports.ts";
import {
  type Env,
  type ImporterConfig,
  readImporterConfig,
  readServiceConfig,
  type ServiceConfig,
} from "../../lib/config.ts";
import { RelayError } from "../../lib/errors.ts";
import { recordSettings } from "../../lib/importer/settings.ts";
import type { RecordPorts } from "../../lib/importer/settle-message.ts";
import { ingestSettings } from "../../lib/ingest/settings.ts";
import { findingsSuffix } from "../../lib/model/object-keys.ts";
import type { Log } from "../../lib/observe.ts";
import type { Progress } from "../../lib/progress.ts";
import { rememberSecrets } from "../../lib/util/secrets.ts";
import { ensureBucket, ensureNotification, ensureQueues } from "../resources.ts";
import { type Activity, activity } from "./activity.ts";
import { type ClusterScans, clusterScans } from "./cluster-scans.ts";
import { dojoAtStart } from "./dojo-at-start.ts";
import { startEmbeddedStores, TARGET_ARN } from "./embedded-stores.ts";
import { startFollower } from "./follower.ts";
import { startNotifier } from "./notifier.ts";
import { GUARDED_PATHS } from "./page.ts";
import { openPageBackend } from "./page-backend.ts";
import { type Poller, startPoller } from "./poller.ts";
import { type Precedence, precedence } from "./precedence.ts";
import { type Receiver, startReceiver } from "./receiver.ts";
import { seenProgress } from "./seen-scan.ts";
import { type ServiceMetrics, serviceMetrics } from "./service-metrics.ts";
import { type ServiceState, serviceRoutes } from "./service-routes.ts";
import { checkToken, givenQueues, warnOfVariables } from "./service-settings.ts";
import { keptToken } from "./webhook-token.ts";

const SHUTDOWN_GRACE_MS = 20_000;

export interface Service {
  /** URL of the receiver, the page, health and metrics. */
  readonly url: string;
  readonly bucket: string;
  readonly s3Endpoint: string;
  readonly sqsEndpoint: string;
  readonly queueUrl: string;
  readonly dlqUrl: string;
  readonly dojoUrl: string;
  /** The token that the page asks for, if none was set. */
  readonly generatedToken: string | undefined;
  readonly clients: { readonly s3: S3Client; readonly sqs: SQSClient };
  stop(): Promise<void>;
}

/**
 * Both functions on one machine: a receiver for bucket notifications calls the ingest handler, a poller the importer handler, with the same events as
 * Lambda. S3 and SQS are embedded when the environment names no endpoint for them.
 * @throws RelayError `config-invalid`, `data-directory-unusable`
 */
export async function startService(
  env: Env,
  log: Log,
  onProgress: (progress: Progress) => void = () => undefined,
): Promise<Service> {
  const service = readServiceConfig(env);
  try {
    return await start({ service, env, log, onProgress });
  } catch (error) {
    if (!(error instanceof DataDirectoryError)) throw error;
    throw new RelayError("data-directory-unusable", error.message, { object: service.DATA_DIR, cause: error.cause });
  }
}

interface Start {
  readonly service: ServiceConfig;
  readonly env: Env;
  readonly log: Log;
  readonly onProgress: (progress: Progress) => void;
}

/** State shared by the steps of a start. */
interface Starting extends Start {
  readonly token: string;
  readonly state: ServiceState;
  readonly metrics: ServiceMetrics;
  readonly activity: Activity;
  /** Senders wait for an answer to each notification, MinIO with its whole backlog; jobs in the queue are safe. */
  readonly notifications: Precedence;
  /** What was started, in order; closed in reverse. */
  readonly closers: (() => Promise<void>)[];
}

/** Both queues and their endpoint. */
interface Wired {
  readonly config: ImporterConfig;
  readonly clients: Clients;
  /** The environment names the queues. */
  readonly given: boolean;
  /** Region and endpoints of both. */
  readonly aws: Awaited<ReturnType<typeof startEmbeddedStores>>;
}

async function start(given: Start): Promise<Service> {
  const { service, env, log } = given;
  checkToken(service);
  warnOfVariables(service, env, log);
  const token = service.WEBHOOK_TOKEN ?? (await keptToken(service.DATA_DIR));
  rememberSecrets([token]);
  const starting: Starting = {
    ...given,
    token,
    state: {
      ready: () => false,
      followLag: () => undefined,
      dojoTrouble: undefined,
      stores: [],
    },
    metrics: serviceMetrics(),
    activity: activity(),
    notifications: precedence(),
    closers: [],
  };
  const stop = async () => {
    for (const closer of starting.closers.toReversed()) await closer();
  };
  try {
    return { ...(await startAll(starting)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startAll(starting: Starting): Promise<Omit<Service, "stop">> {
  const { service, token, closers } = starting;
  const receiver = await listen(starting);
  const wired = await wire(starting, receiver);
  const { config, clients, aws } = wired;
  await makeBucket(starting, wired);
  await fillPage(starting, wired);
  const cluster = await clusterScans(service, starting.env, starting.log);
  closers.push(async () => cluster?.stop());
  const { env, log, metrics } = starting;
  const where = { ...env, ...aws, QUEUE_URL: config.QUEUE_URL, BUCKET: service.BUCKET };
  const notifier = startNotifier(where, { log, metrics }, clients);
  closers.push(notifier.stop);
  const ports = takeNotifications(starting, wired, [notifier, ...(cluster === undefined ? [] : [cluster])], cluster);
  const poller = work(starting, wired, ports);
  closers.push(() => poller.stop(SHUTDOWN_GRACE_MS));
  const follower = startFollower(where, { log, metrics }, clients);
  closers.push(follower.stop);
  starting.state.followLag = follower.lag;
  starting.state.ready = poller.ready;
  return {
    url: receiver.url,
    bucket: service.BUCKET,
    s3Endpoint: aws.AWS_ENDPOINT_URL_S3,
    sqsEndpoint: aws.AWS_ENDPOINT_URL_SQS,
    queueUrl: config.QUEUE_URL,
    dlqUrl: config.DLQ_URL,
    dojoUrl: config.DEFECTDOJO_URL,
    generatedToken: service.WEBHOOK_TOKEN === undefined ? token : undefined,
    clients,
  };
}

/** First of all, because the embedded store sends its notifications there. */
async function listen(starting: Starting): Promise<Receiver> {
  const { service, env, log, token, state, closers } = starting;
  const receiver = await startReceiver({
    host: service.HOST,
    port: service.PORT,
    token,
    allowedHosts: service.ALLOWED_HOSTS,
    routes: serviceRoutes(state, { ...starting, dojoUrl: () => env.DEFECTDOJO_URL ?? "" }),
    guarded: new Set(["POST /events", "GET /api/follow", ...GUARDED_PATHS]),
    log,
  });
  closers.push(receiver.close);
  return receiver;
}

/** Store, queues and the importer's configuration, which names them. */
async function wire({ service, env, log, token, state, closers }: Starting, { url }: Receiver): Promise<Wired> {
  const aws = await startEmbeddedStores(service, {
    events: { endpoint: `${url}/events`, authToken: token },
    log,
    started: (store) => {
      closers.push(store.close);
      state.stores.push(store);
    },
  });
  const clients = { s3: s3Client(aws, env), sqs: sqsClient(aws, env) };
  const given = givenQueues(service);
  const { queueUrl, dlqUrl } = given ?? (await ensureQueues(clients.sqs, service.VISIBILITY_SECONDS));
  const config = readImporterConfig({ ...env, ...aws, QUEUE_URL: queueUrl, DLQ_URL: dlqUrl });
  // Once, in the background: DefectDojo may come up later.
  void dojoAtStart(config, env, log).then((trouble) => {
    state.dojoTrouble = trouble;
  });
  return { config, clients, given: given !== undefined, aws };
}

/** The embedded store's bucket, and its notifications to the receiver. */
async function makeBucket({ service }: Starting, { config, clients }: Wired): Promise<void> {
  if (service.AWS_ENDPOINT_URL_S3 !== undefined) return;
  await ensureBucket(clients.s3, service.BUCKET);
  await ensureNotification(clients.s3, service.BUCKET, TARGET_ARN, findingsSuffix(config.FINDINGS_NAME));
}

/** From here on the page shows the bucket's history and can redrive. */
async function fillPage({ service, log, state, activity: seen, closers }: Starting, wired: Wired): Promise<void> {
  const { close, ...page } = await openPageBackend(wired, { service, activity: seen, log });
  state.page = page;
  closers.push(async () => {
    state.page = undefined;
    await close();
  });
}

/** From here on the receiver accepts notifications, and the cluster's Scans start jobs. */
function takeNotifications(
  starting: Starting,
  { config, clients }: Wired,
  watchers: readonly { see(progress: Progress): void }[],
  cluster: ClusterScans | undefined,
): RecordPorts {
  const { service, env, log, metrics, state, notifications, activity: seen } = starting;
  const onProgress = (progress: Progress) => {
    seen.see(seenProgress(progress, new Date()));
    state.page?.history.see(progress);
    for (const watcher of watchers) watcher.see(progress);
    starting.onProgress(progress);
  };
  const ports = { ...importerPorts(config, { log, metrics, onProgress }, clients, env), scans: cluster?.source };
  const bucket = env["BUCKET"]?.trim() || service.AWS_ENDPOINT_URL_S3 === undefined ? service.BUCKET : undefined;
  const ingest = ingestHandler(ports, { ...ingestSettings(config), bucket });
  state.ingest = ingest;
  cluster?.trigger({
    storage: ports.storage,
    findingsName: config.FINDINGS_NAME,
    bucket,
    ingest: (event) => notifications.first(() => ingest(event)),
  });
  return ports;
}

/** The poller; notifications take priority over its imports. */
function work(starting: Starting, { config, clients, given }: Wired, ports: RecordPorts): Poller {
  const { service, log, metrics, notifications } = starting;
  const importer = importerHandler(ports, recordSettings(config));
  return startPoller({
    sqs: clients.sqs,
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
}
