import { findingsOfReceipt, type ObjectRef, originalOf } from "../../../lib/model/object-keys.ts";
import { isReceiptOf } from "../../../lib/model/receipt.ts";
import type { Log } from "../../../lib/observe.ts";
import { readReceipt } from "../../../lib/ports/receipt-store.ts";
import type { ListedObject, Storage } from "../../../lib/ports/storage.ts";
import { mapInOrder } from "../../../lib/util/concurrency.ts";
import { isoOr, seenReceipt } from "../seen-scan.ts";
import type { ScanIndex } from "./scan-index.ts";

/** Receipts that are read in parallel. */
const CONCURRENCY = 16;

/**
 * Updates the index from the receipts in the bucket: lists them and reads each whose ETag is unknown. A receipt that cannot be read,
 * or belongs to another place (a folder that was copied), is left out.
 * @throws RelayError if the bucket does not respond; what was read until then stays
 */
export async function lookAtBucket(
  { storage, index, log }: { readonly storage: Storage; readonly index: ScanIndex; readonly log: Log },
  bucket: string,
  signal: AbortSignal,
): Promise<void> {
  index.begin();
  // An uploader's bad receipt must not cause a warning at each look.
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
  // The kept upload is written once, at the import; a resync rewrites the receipt.
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
