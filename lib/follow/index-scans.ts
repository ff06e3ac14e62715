import { type RelayError, toRelayError } from "../errors.ts";
import { productGroup } from "../model/job.ts";
import { findingsOfReceipt, uri } from "../model/object-keys.ts";
import type { Receipt } from "../model/receipt.ts";
import type { Log } from "../observe.ts";
import { readReceipt } from "../ports/receipt-store.ts";
import type { ListedObject, Storage } from "../ports/storage.ts";
import type { TestIndex } from "../ports/test-index.ts";
import { mapInOrder } from "../util/concurrency.ts";

export interface IndexSettings {
  readonly bucket: string;
  readonly prefix: string;
  /** Receipts up to this key are left out: an earlier run covered them. */
  readonly startAfter: string | undefined;
  readonly signal: AbortSignal;
}

export type Indexed = { readonly key: string } & (
  | { readonly outcome: "indexed"; readonly testId: number }
  /** Its test is a later run's. */
  | { readonly outcome: "outdated" }
  | { readonly outcome: "failed"; readonly error: RelayError }
);

const CONCURRENCY = 16;

/** The index entry of a finished scan. */
function entryOf(receipt: Receipt) {
  const { findingsKey: key, etag, jobKey, product, finishedAt } = receipt;
  return { version: 1, key, etag, jobKey, group: productGroup(product.name), importedAt: finishedAt } as const;
}

/** Creates index entries for scans that older versions imported, receipt by receipt in key order; a later run can continue after the last. */
export async function* indexScans(
  { storage, index, log }: { storage: Storage; index: TestIndex; log: Log },
  { bucket, prefix, startAfter, signal }: IndexSettings,
): AsyncGenerator<Indexed> {
  const receipts = onlyReceipts(storage.list(bucket, prefix, startAfter), signal);
  const put = newestFirst(index);
  yield* mapInOrder(receipts, CONCURRENCY, async ({ key }): Promise<Indexed> => {
    const receiptRef = { bucket, key };
    try {
      const stored = await readReceipt(storage, findingsOfReceipt(receiptRef) ?? receiptRef, log);
      if (stored === undefined) throw new Error(`${uri(receiptRef)} cannot be read`);
      const { receipt } = stored;
      if (receipt.outcome === "outdated") return { key, outcome: "outdated" };
      await put(receipt);
      return { key, outcome: "indexed", testId: receipt.test.id };
    } catch (error) {
      return { key, outcome: "failed", error: toRelayError(error, uri(receiptRef)) };
    }
  });
}

/** Runs share a living test: its entry is that of the newest run, whose record has the highest id. */
function newestFirst(index: TestIndex): (receipt: Receipt) => Promise<void> {
  const newest = new Map<number, { readonly record: number; readonly written: Promise<void> }>();
  return async (receipt) => {
    const { test, testImport: record } = receipt;
    if (record === undefined) return await index.put(test.id, entryOf(receipt));
    const before = newest.get(test.id);
    if (before !== undefined && before.record > record) return;
    const written = (before?.written ?? Promise.resolve())
      .catch(() => undefined)
      .then(() => index.put(test.id, entryOf(receipt)));
    newest.set(test.id, { record, written });
    await written;
  };
}

async function* onlyReceipts(listing: AsyncIterable<ListedObject>, signal: AbortSignal): AsyncGenerator<ListedObject> {
  for await (const object of listing) {
    if (signal.aborted) return;
    if (findingsOfReceipt(object) !== undefined) yield object;
  }
}
