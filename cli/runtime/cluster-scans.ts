import type { Env, ServiceConfig } from "../../lib/config.ts";
import { RelayError } from "../../lib/errors.ts";
import { type ClusterScan, isToldFinally } from "../../lib/model/cluster-scan.ts";
import type { Log } from "../../lib/observe.ts";
import type { ScanSource } from "../../lib/ports/scan-source.ts";
import type { Progress } from "../../lib/progress.ts";
import { within } from "../../lib/util/within.ts";
import { haveCluster, openCluster } from "../kubernetes/cluster.ts";
import { scanIndex } from "../kubernetes/scan-index.ts";
import { indexedScans } from "../kubernetes/scan-source.ts";
import { scanTeller } from "../kubernetes/scan-teller.ts";
import { type ScanTriggerOptions, scanTrigger } from "../kubernetes/scan-trigger.ts";
import { watchScans } from "../kubernetes/watch-scans.ts";

/** Requests that the API server does not answer are left then: after the next start the Scans are looked at again. */
const STOP_MS = 5_000;

/** The service's use of the Kubernetes API. */
export interface ClusterScans {
  /** Undefined if only sidecars are read. */
  readonly source: ScanSource | undefined;
  /** Tells the Scan of a job how it ended. */
  see(progress: Progress): void;
  /** From now on, Scans whose findings land start jobs, if configured. The first list finds those that finished before. */
  trigger(options: Pick<ScanTriggerOptions, "storage" | "findingsName" | "bucket" | "ingest">): void;
  stop(): Promise<void>;
}

/**
 * Watches the Scans of the cluster, if configured.
 * @returns undefined if it is not configured, or if it is optional (`auto`) and there is no cluster
 * @throws RelayError `config-invalid` if it is required and there is no cluster
 */
export async function clusterScans(service: ServiceConfig, env: Env, log: Log): Promise<ClusterScans | undefined> {
  const { SCAN_SOURCE: from, TRIGGER: by } = service;
  const needed = from === "kubernetes" || by !== "webhook";
  if (!needed && from === "sidecar") return undefined;
  if (!haveCluster(env)) {
    if (!needed) return undefined;
    const message = `SCAN_SOURCE=${from} and TRIGGER=${by} need the Kubernetes API: run in a cluster, with the service account's token mounted, or set KUBECONFIG`;
    throw new RelayError("config-invalid", message, { object: "environment" });
  }
  const cluster = await openCluster(env);
  const index = scanIndex();
  const teller = scanTeller({ cluster, index, patchesFindings: service.SCAN_STATUS, log });
  let onScan: (scan: ClusterScan) => void = () => undefined;
  const namespaces = service.SCAN_NAMESPACES.length === 0 ? [undefined] : service.SCAN_NAMESPACES;
  const watches = namespaces.map((namespace) =>
    watchScans({ cluster, namespace, index, onScan: (scan) => onScan(scan), log }),
  );
  log.info("the Scans of the cluster are watched", { server: cluster.server, namespaces: service.SCAN_NAMESPACES });
  const closers = [teller.stop, ...watches.map(({ stop }) => stop)];
  return {
    source: from === "sidecar" ? undefined : indexedScans(index, watches, from === "kubernetes"),
    see: (progress) => {
      const uid = progress.job.scan?.uid;
      if (uid === undefined) return;
      if (progress.state === "failed") teller.tell(uid, { failure: progress.error });
      if (progress.state !== "done") return;
      const { outcome, receipt } = progress.outcome;
      const scan = index.get(uid);
      if (receipt === undefined || scan === undefined || (outcome === "done-before" && isToldFinally(scan))) return;
      teller.tell(uid, { receipt });
    },
    trigger: (options) => {
      if (by === "webhook") return;
      const trigger = scanTrigger({
        ...options,
        index,
        since: service.SCAN_SINCE,
        tell: (scan, receipt) => teller.tell(scan.uid, { receipt }),
        log,
      });
      closers.unshift(trigger.stop);
      onScan = trigger.see;
      for (const scan of index.all()) trigger.see(scan);
    },
    stop: async () => {
      await within(STOP_MS, Promise.all(closers.map((close) => close())), () => undefined);
    },
  };
}
