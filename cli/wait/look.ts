import { RelayError } from "../../lib/errors.ts";
import { checkpointStore } from "../../lib/importer/checkpoint.ts";
import { readSidecar, type SidecarSettings } from "../../lib/ingest/sidecar.ts";
import { readAnnotations } from "../../lib/model/annotations.ts";
import { type ObjectRef, uri } from "../../lib/model/object-keys.ts";
import { type Receipt, uploadedEtag, writtenBackBy } from "../../lib/model/receipt.ts";
import { runOf } from "../../lib/model/run.ts";
import type { Scan } from "../../lib/model/scan.ts";
import type { Log } from "../../lib/observe.ts";
import { readReceipt } from "../../lib/ports/receipt-store.ts";
import type { ObjectHead, Storage } from "../../lib/ports/storage.ts";
import { importNeeded } from "../backfill-scans.ts";
import { howFar } from "../scan-states.ts";

/** An upload to wait for. */
export interface Awaited {
  /** ETag of the findings as uploaded. */
  readonly etag: string;
  /** The scan's run; undefined if the Scan has none or cannot be read. */
  readonly run: string | undefined;
}

export type Look =
  | { readonly state: "missing" }
  | { readonly state: "waiting"; readonly what: string; readonly upload: Awaited }
  | { readonly state: "done"; readonly receipt: Receipt; readonly upload: Awaited }
  /** No receipt will come. */
  | { readonly state: "left-out"; readonly why: string; readonly upload: Awaited };

/** The current state of this upload, judged by the objects beside it. */
export async function look(storage: Storage, findings: ObjectRef, settings: SidecarSettings, log: Log): Promise<Look> {
  const head = await storage.head(findings);
  if (head === undefined) return { state: "missing" };
  const scan = await readSidecar(storage, findings, settings).catch(unreadable);
  const upload = { etag: uploadedEtag(findings, head.metadata) ?? head.etag, run: scan && runOf(scan) };
  const receipt = (await readReceipt(storage, findings, log))?.receipt;
  if (receipt !== undefined && isFinal(findings, head, receipt, upload)) return { state: "done", receipt, upload };
  if (scan !== undefined && doesNotImport(scan)) {
    return { state: "left-out", why: `${uri(findings)} is annotated do-not-import: no receipt will come`, upload };
  }
  const note = await checkpointStore(storage, log).peek(findings);
  const what = note === undefined ? "not begun" : howFar(note, Date.now());
  return { state: "waiting", what, upload };
}

/** Reporting an unreadable sidecar is up to ingest. */
function unreadable(error: unknown): undefined {
  if (error instanceof RelayError && error.reason.startsWith("sidecar-")) return undefined;
  throw error;
}

/** In read-only mode, where findings.json stays the upload, the run distinguishes a receipt from that of an earlier run with the same findings. */
function isFinal(findings: ObjectRef, head: ObjectHead, receipt: Receipt, { run }: Awaited): boolean {
  if (importNeeded(findings, head, receipt) !== undefined) return false;
  return writtenBackBy(findings, head.metadata) !== undefined || receipt.run === undefined || receipt.run === run;
}

function doesNotImport(scan: Scan): boolean {
  try {
    return readAnnotations(scan, "").options.doNotImport;
  } catch {
    return false;
  }
}
