import { existsSync } from "node:fs";
import type { KubeConfig } from "@kubernetes/client-node";
import type { Env } from "../../lib/config.ts";
import { describeError, RelayError } from "../../lib/errors.ts";
import type { Receipt } from "../../lib/model/receipt.ts";
import { dropUndefined } from "../../lib/model/scan.ts";
import { asked, clusterError } from "./asked.ts";
import type { RIGHTS, Right } from "./rights.ts";

export const SCANS = { group: "execution.securecodebox.io", version: "v1", plural: "scans" };

/** Full Scans can be of some hundred KiB each; they are trimmed page by page. */
const PAGE = 250;
/**
 * The API server ends a watch after so long, and sends a bookmark two seconds before: the next watch goes on from there, however little happens. The
 * client takes a watch for broken that is silent for 30 s. Seconds.
 */
const WATCH_SECONDS = 25;

/** One Scan, as requests name it. */
export interface ScanName {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface ScanPage {
  readonly items: readonly unknown[];
  readonly resourceVersion: string;
  /** Missing on the last page. */
  readonly next: string | undefined;
}

export interface ScanEvent {
  readonly type: string;
  readonly object: unknown;
}

/** What is said of a Scan in an Event of Kubernetes. */
export interface Announcement {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

/** What of the Kubernetes API the service uses; it needs {@link RIGHTS}, and the API's own leave to ask what it may do. */
export interface Cluster {
  /** The API server's address. */
  readonly server: string;
  /** @param namespace undefined for all. @throws RelayError `cluster-…`, with status 410 where `next` has expired */
  listScans(namespace: string | undefined, next?: string): Promise<ScanPage>;
  /** @throws RelayError `cluster-…` */
  getScan(scan: Omit<ScanName, "uid">): Promise<unknown>;
  /** Whether the API would allow this. @param namespace undefined: in all. @throws RelayError with status 404 where it is not served */
  may(right: Right, namespace: string | undefined): Promise<boolean>;
  /** Resolves when the watch ends in order. @throws RelayError `cluster-…` */
  watchScans(
    namespace: string | undefined,
    from: string,
    onEvent: (event: ScanEvent) => void,
    signal: AbortSignal,
  ): Promise<void>;
  /** Sets `status.findings`, if it is still that Scan. @throws RelayError with status 404, 409 or 422 where it is not */
  patchFindings(scan: ScanName, findings: Receipt["findings"]): Promise<void>;
  /** Sets annotations, if it is still that Scan; null removes one. */
  annotate(scan: ScanName, annotations: Readonly<Record<string, string | null>>): Promise<void>;
  /** @param name of the event: the same one is created once */
  createEvent(scan: ScanName, name: string, announcement: Announcement): Promise<void>;
}

const TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/** Whether there is a cluster: a configured kubeconfig, or the pod's service account. */
export function haveCluster(env: Env): boolean {
  return (env.KUBECONFIG ?? "").trim() !== "" || ((env.KUBERNETES_SERVICE_HOST ?? "") !== "" && existsSync(TOKEN));
}

/**
 * The cluster of KUBECONFIG, else the one that the process runs in.
 * @throws RelayError `config-invalid`
 */
export async function openCluster(env: Env): Promise<Cluster> {
  const client = await import("@kubernetes/client-node");
  return clusterApi(await loadKubeConfig(env), client);
}

/** @throws RelayError `config-invalid` */
async function loadKubeConfig(env: Env): Promise<KubeConfig> {
  const { KubeConfig } = await import("@kubernetes/client-node");
  const config = new KubeConfig();
  const [file = ""] = (env.KUBECONFIG ?? "").trim().split(":");
  try {
    if (file !== "") config.loadFromFile(file);
    else config.loadFromCluster();
  } catch (cause) {
    throw new RelayError("config-invalid", `the kubeconfig cannot be used: ${describeError(cause)}`, { cause });
  }
  return config;
}

type Client = typeof import("@kubernetes/client-node");

function clusterApi(config: KubeConfig, client: Client): Cluster {
  return {
    server: config.getCurrentCluster()?.server ?? "",
    watchScans: (namespace, from, onEvent, signal) => watch(config, client, { namespace, from, onEvent, signal }),
    ...reader(config, client),
    ...writer(config, client),
  };
}

const nameOf = ({ namespace, name }: Omit<ScanName, "uid">) => `Scan ${namespace}/${name}`;

function reader(config: KubeConfig, client: Client): Pick<Cluster, "listScans" | "getScan" | "may"> {
  const custom = config.makeApiClient(client.CustomObjectsApi);
  const authorization = config.makeApiClient(client.AuthorizationV1Api);
  return {
    listScans: async (namespace, next) => {
      const page = { ...SCANS, limit: PAGE, ...(next === undefined ? {} : { _continue: next }) };
      const list: unknown = await asked(`LIST scans ${namespace ?? "of all namespaces"}`, () =>
        namespace === undefined
          ? custom.listClusterCustomObject(page)
          : custom.listNamespacedCustomObject({ ...page, namespace }),
      );
      return toPage(list);
    },
    getScan: async ({ namespace, name }) => {
      const what = `GET ${nameOf({ namespace, name })}`;
      return await asked(what, () => custom.getNamespacedCustomObject({ ...SCANS, namespace, name }));
    },
    may: async ({ group, resource, subresource, verb }, namespace) => {
      const resourceAttributes = { group, resource, verb, ...dropUndefined({ subresource, namespace }) };
      const review = await asked("SelfSubjectAccessReview", () =>
        authorization.createSelfSubjectAccessReview({ body: { spec: { resourceAttributes } } }),
      );
      return review.status?.allowed === true;
    },
  };
}

function writer(config: KubeConfig, client: Client): Pick<Cluster, "patchFindings" | "annotate" | "createEvent"> {
  const { PatchStrategy, setHeaderOptions } = client;
  const custom = config.makeApiClient(client.CustomObjectsApi);
  const core = config.makeApiClient(client.CoreV1Api);
  const as = (strategy: string) => setHeaderOptions("Content-Type", strategy);
  return {
    patchFindings: async (scan, findings) => {
      // A JSON patch, like the reference hook's: a merge patch would keep categories of an earlier count.
      const body = [
        { op: "test", path: "/metadata/uid", value: scan.uid },
        { op: "add", path: "/status/findings", value: findings },
      ];
      const { namespace, name } = scan;
      await asked(`PATCH status of ${nameOf(scan)}`, () =>
        custom.patchNamespacedCustomObjectStatus({ ...SCANS, namespace, name, body }, as(PatchStrategy.JsonPatch)),
      );
    },
    annotate: async (scan, annotations) => {
      const { namespace, name, uid } = scan;
      // The uid restricts the patch to this Scan: for another one of the same name it is a conflict.
      const body = { metadata: { uid, annotations } };
      await asked(`PATCH ${nameOf(scan)}`, () =>
        custom.patchNamespacedCustomObject({ ...SCANS, namespace, name, body }, as(PatchStrategy.MergePatch)),
      );
    },
    createEvent: async (scan, name, announcement) => {
      const { namespace } = scan;
      await asked(`CREATE event of ${nameOf(scan)}`, () =>
        core.createNamespacedEvent({ namespace, body: eventOf(scan, name, announcement) }),
      );
    },
  };
}

function eventOf({ namespace, name: scan, uid }: ScanName, name: string, { type, reason, message }: Announcement) {
  const at = new Date();
  return {
    metadata: { name, namespace },
    involvedObject: { apiVersion: `${SCANS.group}/${SCANS.version}`, kind: "Scan", namespace, name: scan, uid },
    ...{ type, reason, message: message.slice(0, 1_000), count: 1 },
    source: { component: "dojo-relay" },
    reportingComponent: "dojo-relay",
    firstTimestamp: at,
    lastTimestamp: at,
  };
}

function toPage(list: unknown): ScanPage {
  const { items, metadata } = (list ?? {}) as {
    items?: unknown;
    metadata?: { resourceVersion?: string; continue?: string };
  };
  if (!Array.isArray(items)) throw new RelayError("cluster-unavailable", "LIST scans: the answer is no list");
  return { items, resourceVersion: metadata?.resourceVersion ?? "", next: metadata?.continue || undefined };
}

interface WatchOptions {
  readonly namespace: string | undefined;
  readonly from: string;
  readonly onEvent: (event: ScanEvent) => void;
  readonly signal: AbortSignal;
}

async function watch(
  config: KubeConfig,
  { Watch }: Client,
  { namespace, from, onEvent, signal }: WatchOptions,
): Promise<void> {
  const { group, version, plural } = SCANS;
  const path = `/apis/${group}/${version}${namespace === undefined ? "" : `/namespaces/${namespace}`}/${plural}`;
  const query = { resourceVersion: from, allowWatchBookmarks: true, timeoutSeconds: WATCH_SECONDS };
  const watcher = new Watch(config);
  await new Promise<void>((resolve, reject) => {
    const done = (error: unknown) => {
      // A watch that is ended from here has ended in order. A silent one has not: the server would have sent a bookmark by then.
      if (error === null || error === undefined || signal.aborted) resolve();
      else reject(clusterError("WATCH scans", error));
    };
    watcher
      .watch(path, query, (type: string, object: unknown) => onEvent({ type, object }), done)
      .then((controller) => {
        if (signal.aborted) controller.abort();
        else signal.addEventListener("abort", () => controller.abort(), { once: true });
      }, done);
  });
}
