import { type ClusterScan, clusterScan, leadsTo } from "../../lib/model/cluster-scan.ts";
import type { ObjectRef } from "../../lib/model/object-keys.ts";

/** The Scans of a cluster by the names of their objects. */
export interface ScanIndex {
  /** Takes what was listed or seen; undefined for what is no Scan. */
  put(resource: unknown): ClusterScan | undefined;
  remove(uid: string): void;
  /** Forgets what a complete list of a namespace (undefined: of all) did not have. */
  retain(namespace: string | undefined, uids: ReadonlySet<string>): void;
  get(uid: string): ClusterScan | undefined;
  /**
   * The Scan whose uid is in the object's key, else the one whose links lead to it; the latest of several. Only the operator makes keys, but more may write
   * a Scan's status.
   */
  find(object: ObjectRef): ClusterScan | undefined;
  all(): Iterable<ClusterScan>;
}

const UID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi;

export function scanIndex(): ScanIndex {
  const byUid = new Map<string, ClusterScan>();
  const byPath = new Map<string, Set<string>>();

  const pathsOf = (scan: ClusterScan) =>
    [scan.findings, scan.rawResult].flatMap((link) => (link === undefined ? [] : [link.path]));
  const remove = (uid: string) => {
    const scan = byUid.get(uid);
    if (scan === undefined) return;
    byUid.delete(uid);
    for (const path of pathsOf(scan)) {
      const uids = byPath.get(path);
      uids?.delete(uid);
      if (uids?.size === 0) byPath.delete(path);
    }
  };
  const linked = (path: string, object: ObjectRef) =>
    [...(byPath.get(path) ?? [])].flatMap((uid) => {
      const scan = byUid.get(uid);
      const leads = [scan?.findings, scan?.rawResult].some((link) => link !== undefined && leadsTo(link, object));
      return scan !== undefined && leads ? [scan] : [];
    });

  return {
    put: (resource) => {
      const scan = clusterScan(resource);
      if (scan === undefined) return undefined;
      remove(scan.uid);
      byUid.set(scan.uid, scan);
      for (const path of pathsOf(scan)) byPath.set(path, (byPath.get(path) ?? new Set()).add(scan.uid));
      return scan;
    },
    remove,
    retain: (namespace, uids) => {
      for (const scan of [...byUid.values()])
        if ((namespace === undefined || scan.namespace === namespace) && !uids.has(scan.uid)) remove(scan.uid);
    },
    get: (uid) => byUid.get(uid),
    find: (object) => {
      const byLink = [...linked(`${object.bucket}/${object.key}`, object), ...linked(object.key, object)];
      const named = [...object.key.matchAll(UID)].flatMap(([uid]) => byUid.get(uid.toLowerCase()) ?? []);
      // A template may name several uids, such as the parent's.
      const both = named.filter((scan) => byLink.includes(scan));
      return latest([both, named, byLink].find((scans) => scans.length > 0) ?? []);
    },
    all: () => byUid.values(),
  };
}

const latest = (scans: readonly ClusterScan[]) => scans.toSorted((a, b) => b.createdAt.localeCompare(a.createdAt))[0];
