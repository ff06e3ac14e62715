import { findingsOfReceipt, type ObjectRef, originalOf } from "../../../lib/model/object-keys.ts";
import { isReceiptOf } from "../../../lib/model/receipt.ts";
import type { Log } from "../../../lib/observe.ts";
import { readReceipt } from "../../../lib/ports/receipt-store.ts";
import type { ListedObject, Storage } from "../../../lib/ports/storage.ts";
import { mapInOrder } from "../../../lib/util/concurrency.ts";
import { isoOr, seenReceipt } from "../seen-scan.ts";
import type { ScanIndex } from "./scan-index.ts";

/** Receipts that are read side by side. */
const CONCURRENCY = 16;

/**
 * Brings the index up to the receipts in the bucket: a listing, and a read of each receipt that is not known by its ETag. A receipt that cannot be read,
 * or belongs to another place (a folder that was copied), is left out.
 * @throws RelayError where the bucket does not answer; what was seen until then stays
 */
export async function lookAtBucket(
  { storage, index, log }: { readonly storage: Storage; readonly index: ScanIndex; readonly log: Log },
  bucket: string,
  signal: AbortSignal,
): Promise<void> {
  index.begin();
  // What an uploader writes is no reason for a warning at each look.
  const quiet = { ...log, warn: log.debug };
  for await (const _ of mapInOrder(unknownReceipts(storage, index, bucket, signal), CONCURRENCY, async (receipt) => {
    const ref = findingsOfReceipt(receipt);
    if (ref !== undefined) await indexReceipt({ storage, index, log: quiet }, ref, receipt.etag);
  }));
  if (!signal.aborted) index.end();
}

async function* unknownReceipts(
  storage: Storage,
  index: ScanIndex,
  bucket: string,
  signal: AbortSignal,
): AsyncGenerator<ListedObject> {
  for await (const object of storage.list(bucket, "")) {
    if (signal.aborted) return;
    const findings = findingsOfReceipt(object);
    if (findings !== undefined && !index.mark(findings.key, object.etag)) yield object;
  }
}

async function indexReceipt(
  { storage, index, log }: { readonly storage: Storage; readonly index: ScanIndex; readonly log: Log },
  ref: ObjectRef,
  etag: string,
): Promise<void> {
  const stored = await readReceipt(storage, ref, log);
  if (stored === undefined || !isReceiptOf(ref, stored.receipt)) return;
  const { receipt } = stored;
  // The kept upload is written once, at the import; a resync writes the receipt anew.
  const known =
    index.importedAt(ref.key, receipt.jobKey) ?? (await storage.head(originalOf(ref)))?.lastModified?.toISOString();
  const seen = seenReceipt(ref, receipt);
  index.put({
    key: ref.key,
    etag,
    jobKey: receipt.jobKey,
    imported: known ?? isoOr(receipt.finishedAt, new Date(0)),
    seen,
  });
}
