import { type RelayError, toRelayError } from "../errors.ts";
import { readSidecar } from "../ingest/sidecar.ts";
import { type ObjectRef, uri } from "../model/object-keys.ts";
import type { Receipt } from "../model/receipt.ts";
import { readReceipt } from "../ports/receipt-store.ts";
import type { ListedObject } from "../ports/storage.ts";
import type { FlowPorts } from "../types.ts";
import { mapInOrder } from "../util/concurrency.ts";
import { NOT_SYNCED, resyncJob } from "./resync-job.ts";
import { listedScans } from "./scan-folders.ts";
import type { ResyncSettings } from "./settings.ts";

/** The result of a scan's resync: `skipped` has nothing to sync, or is no longer ours. */
export type Resynced = { readonly key: string } & (
  | { readonly outcome: "synced"; readonly receipt: Receipt }
  | { readonly outcome: "skipped"; readonly why: string }
  | { readonly outcome: "failed"; readonly error: RelayError }
);

/**
 * Reads the test of every finished scan below the prefix again and updates its findings with current verdicts. Imports nothing. A scan that fails is one
 * of the results; an error that affects all of them (the listing) is thrown.
 */
export function resyncScans(ports: FlowPorts, settings: ResyncSettings): AsyncGenerator<Resynced> {
  return mapInOrder(finishedScans(ports, settings), settings.concurrency, async (ref): Promise<Resynced> => {
    try {
      return { key: ref.key, ...(await resyncOne(ref, ports, settings)) };
    } catch (error) {
      return { key: ref.key, outcome: "failed", error: toRelayError(error, uri(ref)) };
    }
  });
}

async function* finishedScans({ storage }: FlowPorts, settings: ResyncSettings): AsyncGenerator<ObjectRef> {
  const { bucket, prefix, since, findingsName, stop } = settings;
  for await (const { findings, original, receipt } of listedScans(storage.list(bucket, prefix), findingsName)) {
    if (stop()) return;
    // Every resync rewrites the receipt; the original is written once, at the import.
    if (receipt !== undefined && isSince(original ?? receipt, since)) yield { bucket, key: findings.key };
  }
}

const isSince = ({ lastModified }: ListedObject, since: Date | undefined) =>
  since === undefined || lastModified === undefined || lastModified >= since;

type Ended =
  | { readonly outcome: "synced"; readonly receipt: Receipt }
  | { readonly outcome: "skipped"; readonly why: string };

async function resyncOne(ref: ObjectRef, ports: FlowPorts, { sidecar, flow }: ResyncSettings): Promise<Ended> {
  const stored = await readReceipt(ports.storage, ref, ports.log);
  if (stored === undefined) return { outcome: "skipped", why: "its receipt cannot be read" };
  const { outcome } = stored.receipt;
  if (outcome !== "synced") return { outcome: "skipped", why: NOT_SYNCED[outcome] };
  const scan = await readSidecar(ports.storage, ref, sidecar);
  const job = { version: 1, kind: "resync", ...ref, etag: stored.receipt.etag, scan } as const;
  const { receipt, why } = await resyncJob(job, ports, flow);
  return receipt === undefined ? { outcome: "skipped", why: why ?? "" } : { outcome: "synced", receipt };
}
