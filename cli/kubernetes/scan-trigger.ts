import { toRelayError } from "../../lib/errors.ts";
import { type ClusterScan, isToldFinally, objectAt } from "../../lib/model/cluster-scan.ts";
import { isFindingsName, nameOf, type ObjectRef, uri } from "../../lib/model/object-keys.ts";
import type { Receipt } from "../../lib/model/receipt.ts";
import type { Log } from "../../lib/observe.ts";
import { readReceipt } from "../../lib/ports/receipt-store.ts";
import type { Storage } from "../../lib/ports/storage.ts";
import { backoff } from "../../lib/util/backoff.ts";
import { importNeeded } from "../backfill-scans.ts";
import { keyedWork } from "./keyed-work.ts";
import type { ScanIndex } from "./scan-index.ts";
import { scanNotes } from "./scan-notes.ts";

export interface ScanTriggerOptions {
  readonly index: Pick<ScanIndex, "get">;
  readonly storage: Storage;
  readonly findingsName: string;
  /** The bucket that is served; any where none is named. */
  readonly bucket: string | undefined;
  /** Scans that were created before, by ISO 8601, are left alone. */
  readonly since?: string | undefined;
  /** The ingest handler. */
  readonly ingest: (event: unknown) => Promise<unknown>;
  /** Tells a Scan of a job that was done before. */
  readonly tell: (scan: ClusterScan, receipt: Receipt) => void;
  readonly log: Log;
}

export interface ScanTrigger {
  /** Looks at a Scan as it is now; what is done already costs nothing. */
  see(scan: ClusterScan): void;
  stop(): Promise<void>;
}

/** Scans that are looked at side by side: some small requests each. After a start with thousands of finished ones this is no storm. */
const AT_ONCE = 4;
/** The operator chooses the hooks right after parsing: then it is known whether the findings will be written anew. */
const AFTER_PARSING_MS = 3_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/**
 * Takes a Scan whose findings have landed for the event that the bucket did not send. It is held against the receipt first, so that a Scan which was
 * imported before, by whatever event, is only told so.
 */
export function scanTrigger(options: ScanTriggerOptions): ScanTrigger {
  const { index, log, since } = options;
  const from = since === undefined ? Number.NEGATIVE_INFINITY : Date.parse(since);
  /** Phases in which a Scan was dealt with by this process, by uid: where it cannot be told, it would be looked at with each change. */
  const dealtWith = scanNotes<Set<ClusterScan["phase"]>>((uid) => index.get(uid) !== undefined);
  const work = keyedWork({
    limit: AT_ONCE,
    work: async (uid) => {
      const scan = index.get(uid);
      if (scan === undefined) return dealtWith.delete(uid);
      if (isDone(scan) || scan.phase === "rewriting") return;
      await lookAt(scan, options);
      dealtWith.set(uid, (dealtWith.get(uid) ?? new Set()).add(scan.phase));
    },
    again: (uid, failures, error) => {
      const scan = index.get(uid);
      if (scan === undefined) return undefined;
      const failure = toRelayError(error, `Scan ${scan.namespace}/${scan.name}`);
      log.warn("a finished Scan cannot be enqueued; retrying", {
        object: failure.object,
        failures,
        error: failure,
      });
      return backoff(FIRST_PAUSE_MS, failures, LONGEST_PAUSE_MS);
    },
  });
  const isDone = (scan: ClusterScan) => isToldFinally(scan) || dealtWith.get(scan.uid)?.has(scan.phase) === true;
  const isOld = ({ createdAt }: ClusterScan) => Date.parse(createdAt) < from;
  return {
    see: (scan) => {
      if (scan.phase === "running" || scan.phase === "rewriting" || isOld(scan) || isDone(scan)) return;
      work.add(scan.uid, scan.phase === "parsed" ? AFTER_PARSING_MS : 0);
    },
    stop: work.stop,
  };
}

async function lookAt(
  scan: ClusterScan,
  { storage, ingest, tell, log, ...options }: ScanTriggerOptions,
): Promise<void> {
  const findings = findingsOf(scan, options, log);
  if (findings === undefined) return;
  const [head, stored] = await Promise.all([storage.head(findings), readReceipt(storage, findings, log)]);
  if (head === undefined) {
    log.debug("a finished Scan has no findings", { object: uri(findings) });
    return;
  }
  const receipt = stored?.receipt.scan.uid === scan.uid ? stored.receipt : undefined;
  if (receipt !== undefined && importNeeded(findings, head, receipt) === undefined) return tell(scan, receipt);
  await ingest(createdEvent(findings, head.etag));
}

function findingsOf(
  scan: ClusterScan,
  { bucket, findingsName }: Pick<ScanTriggerOptions, "bucket" | "findingsName">,
  log: Log,
): ObjectRef | undefined {
  const found = scan.findings === undefined ? undefined : objectAt(scan.findings, bucket);
  const of = { scan: `${scan.namespace}/${scan.name}` };
  if (found === undefined) {
    log.warn("a finished Scan has no findingDownloadLink that leads to an object", of);
    return undefined;
  }
  if (bucket !== undefined && found.bucket !== bucket) {
    log.debug(`a finished Scan is of another bucket than ${bucket}`, { ...of, object: uri(found) });
    return undefined;
  }
  if (!isFindingsName(findingsName, nameOf(found.key))) {
    const remedy = "set FINDINGS_NAME to a pattern that fits the operator's S3_URL_TEMPLATE";
    log.warn("a finished Scan's findings have another name than FINDINGS_NAME", { ...of, object: uri(found), remedy });
    return undefined;
  }
  return found;
}

/** The notification that the bucket would have sent. */
const createdEvent = ({ bucket, key }: ObjectRef, etag: string) => ({
  Records: [
    {
      eventSource: "dojo-relay:kubernetes",
      eventName: "ObjectCreated:Scan",
      eventTime: new Date().toISOString(),
      s3: { bucket: { name: bucket }, object: { key: encodeURIComponent(key), eTag: etag } },
    },
  ],
});
