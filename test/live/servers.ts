import { spawnSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Credentials } from "../contract/aws.ts";
import { type Port, type Running, reservePort, startProgram, temporaryFolder, untilReady } from "./processes.ts";

/** A real server in its own process. */
export interface LiveServer {
  readonly url: string;
  /** Kills it (by default) and restarts it with its data at the same URL. */
  restart(signal?: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
}

export interface Minio extends LiveServer {
  readonly credentials: Credentials;
  /** Directory of events that wait for their receivers. */
  readonly eventsFolder: string;
}

export interface WebhookTarget {
  /** As in `arn:minio:sqs::NAME:webhook`. */
  readonly name: string;
  readonly endpoint: string;
  readonly token: string;
}

const INFRA_CONFIG = fileURLToPath(new URL("../../infra/compose/elasticmq.conf", import.meta.url));

export interface MinioOptions {
  /** Of the site; it is in events and ARNs. None by default, as with MinIO. */
  readonly region?: string;
  readonly targets?: readonly WebhookTarget[];
}

/** One row per server: the variable with its path, and the command that starts it. */
const SERVERS = {
  minio: { variable: "MINIO_BIN", title: "MinIO", needs: [] },
  elasticmq: { variable: "ELASTICMQ_CLASSPATH", title: "ElasticMQ", needs: ["java"] },
  kubernetes: { variable: "KUBERNETES_BIN", title: "Kubernetes API server", needs: ["openssl"] },
} as const;

export type ServerName = keyof typeof SERVERS;

/**
 * Whether these servers can be started; otherwise it prints prominently how to get them.
 * @param what is skipped without them
 */
export function haveServers(what: string, ...names: readonly ServerName[]): boolean {
  const missing = names.filter((name) => whereIs(name) === undefined);
  if (missing.length > 0) {
    const wanted = missing.map((name) => [SERVERS[name].title, ...SERVERS[name].needs].join(" with ")).join(" and ");
    const get = `.ci/live-servers install ${missing.join(" ")}`;
    process.stderr.write(`\n*** SKIPPED: ${what}: there is no ${wanted}. "${get}" gets it. ***\n\n`);
  }
  return missing.length === 0;
}

/** A MinIO on loopback whose webhook events wait on disk for their receivers. */
export async function startMinio({ region = "", targets = [] }: MinioOptions = {}): Promise<Minio> {
  const folder = await temporaryFolder("minio");
  const port = await reservePort();
  const credentials = { accessKeyId: "live-tests", secretAccessKey: "live-tests-secret" };
  const [data, events, home] = ["data", "events", "home"].map((name) => join(folder.path, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [data, events, home]) await mkdir(path);
  const env = {
    HOME: home,
    MINIO_ROOT_USER: credentials.accessKeyId,
    MINIO_ROOT_PASSWORD: credentials.secretAccessKey,
    MINIO_BROWSER: "off",
    MINIO_UPDATE: "off",
    MINIO_CALLHOME_ENABLE: "off",
    MINIO_SITE_REGION: region,
    // MinIO acknowledges a PUT after its event is on disk, so that a crash loses none.
    MINIO_API_SYNC_EVENTS: "on",
    ...Object.assign({}, ...targets.map((target) => webhookVariables(target, events))),
  };
  const args = ["server", "--quiet", "--address", `127.0.0.1:${port.number}`, data];
  const url = `http://127.0.0.1:${port.number}`;
  const start = async () => {
    const program = await startProgram(whereIs("minio") ?? "minio", args, env);
    await untilReady("MinIO", program, `${url}/minio/health/ready`);
    // For a moment after that it still answers S3 requests with 503 XMinioServerNotInitialized; then with 403, as this one is not signed.
    return untilReady("MinIO", program, url, (status) => status === 403);
  };
  return { url, credentials, eventsFolder: events, ...(await lifeOf(start, folder, port)) };
}

function webhookVariables({ name, endpoint, token }: WebhookTarget, events: string): Record<string, string> {
  const values = { ENABLE: "on", ENDPOINT: endpoint, AUTH_TOKEN: token, QUEUE_DIR: events, QUEUE_LIMIT: "10000" };
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [`MINIO_NOTIFY_WEBHOOK_${key}_${name}`, value]),
  );
}

/** An ElasticMQ on loopback with AWS' limits, which keeps its queues and messages over a restart. */
export async function startElasticMq(): Promise<LiveServer> {
  const folder = await temporaryFolder("elasticmq");
  const port = await reservePort();
  const config = join(folder.path, "elasticmq.conf");
  await writeFile(config, elasticMqConfig(port.number, folder.path));
  const args = [
    ...["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx128m"],
    ...[`-Dconfig.file=${config}`, "-cp", whereIs("elasticmq") ?? "", "org.elasticmq.server.Main"],
  ];
  const url = `http://127.0.0.1:${port.number}`;
  const start = async () => {
    const program = await startProgram("java", args, { HOME: folder.path });
    return untilReady("ElasticMQ", program, `${url}/health`);
  };
  return { url, ...(await lifeOf(start, folder, port)) };
}

/** The recommended configuration, except for URLs and folder. */
function elasticMqConfig(port: number, folder: string): string {
  return `include required(file(${JSON.stringify(INFRA_CONFIG)}))
node-address { host = "127.0.0.1", port = ${port} }
rest-sqs { bind-hostname = "127.0.0.1", bind-port = ${port} }
messages-storage.uri = ${JSON.stringify(`jdbc:h2:${join(folder, "messages")};WRITE_DELAY=0`)}
`;
}

// --- utils ---

async function lifeOf(
  start: () => Promise<Running>,
  folder: AsyncDisposable,
  port: Port,
): Promise<Omit<LiveServer, "url">> {
  await port.release();
  let program = await start();
  return {
    restart: async (signal = "SIGKILL") => {
      await program.end(signal);
      program = await start();
    },
    stop: async () => {
      await program.end("SIGKILL");
      await folder[Symbol.asyncDispose]();
    },
  };
}

let installed: ReadonlyMap<string, string> | undefined;

/** The path from its variable, else from `.ci/live-servers`. */
export function whereIs(name: ServerName): string | undefined {
  const { variable, needs } = SERVERS[name];
  installed ??= new Map(
    spawnSync(fileURLToPath(new URL("../../.ci/live-servers", import.meta.url)), ["paths"], { encoding: "utf8" })
      .stdout?.split("\n")
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
  const runs = (program: string) => spawnSync(program, ["-version"], { stdio: "ignore" }).error === undefined;
  const found = process.env[variable] || installed.get(variable);
  return found !== undefined && needs.every(runs) ? found : undefined;
}
