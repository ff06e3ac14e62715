import { RelayError } from "../errors.ts";
import { compareSequencers } from "../model/job.ts";
import { type ObjectRef, receiptOf, uri } from "../model/object-keys.ts";
import { type Receipt, receiptSchema } from "../model/receipt.ts";
import type { Log } from "../observe.ts";
import { readSmall } from "./read-small.ts";
import type { Storage } from "./storage.ts";

/** Larger than any receipt: categories are the only part that grows. */
const MAX_BYTES = 4 * 1024 * 1024;

export interface StoredReceipt {
  readonly receipt: Receipt;
  readonly etag: string;
}

/** @returns undefined if there is none, or one of another version: the job is then done again, without a second import */
export async function readReceipt(storage: Storage, findings: ObjectRef, log: Log): Promise<StoredReceipt | undefined> {
  const ref = receiptOf(findings);
  try {
    const found = await readSmall(storage, ref, MAX_BYTES, "job-invalid");
    if (found === undefined) return undefined;
    return { receipt: receiptSchema.parse(JSON.parse(found.bytes.toString("utf8"))), etag: found.head.etag };
  } catch (error) {
    if (error instanceof RelayError && error.reason !== "job-invalid") throw error;
    log.warn("the receipt is unreadable and is created again", { object: uri(ref), error });
    return undefined;
  }
}

/**
 * Writes the receipt, unless the findings now belong to another job, or (without that check) a later upload's receipt exists. The check runs between
 * reading the current receipt and the conditional write, so no later receipt is overwritten.
 * @returns whether it was written
 */
export async function writeReceipt(
  { storage, log }: { readonly storage: Storage; readonly log: Log },
  findings: ObjectRef,
  receipt: Receipt,
  stillOurs?: (present: Receipt | undefined) => Promise<boolean>,
): Promise<boolean> {
  const ref = receiptOf(findings);
  const body = `${JSON.stringify(receipt, undefined, 1)}\n`;
  for (let attempt = 1; ; attempt++) {
    const head = await storage.head(ref);
    const present = head === undefined ? undefined : await readReceipt(storage, findings, log);
    const other = present !== undefined && present.receipt.jobKey !== receipt.jobKey ? present.receipt : undefined;
    if (stillOurs !== undefined) {
      if (!(await stillOurs(present?.receipt))) return false;
    } else if (compareSequencers(other?.sequencer, receipt.sequencer) > 0) return false;
    try {
      const condition = head === undefined ? ({ ifNoneMatch: "*" } as const) : { ifMatch: present?.etag ?? head.etag };
      await storage.write(ref, body, { contentType: "application/json", condition });
      return true;
    } catch (error) {
      const lost = error instanceof RelayError && error.reason === "storage-precondition";
      if (!lost || attempt === 5) throw error;
    }
  }
}
