import { pipeline } from "node:stream";
import { RelayError } from "../errors.ts";
import type { ObjectRef } from "../model/object-keys.ts";
import type { Log } from "../observe.ts";
import type { Storage } from "../ports/storage.ts";
import { streamFindings, UNLIMITED } from "../report/report.ts";
import { hashStream } from "../util/hash-stream.ts";
import { idsOf, isMissing, verdictOf } from "./verdicts.ts";

/** Our own findings.json in the bucket: as much of it as a resync needs to decide whether to write. */
export interface LastWriteBack {
  /** Of its bytes, in hex. */
  readonly sha256: string;
  /** Verdicts by DefectDojo's finding id, see `verdictOf`; equal ones are held once. */
  readonly verdicts: Map<number, string>;
  /** DefectDojo's ids of all its findings, including missing ones. */
  readonly ids: ReadonlySet<number>;
  /** Its findings without a counterpart in DefectDojo, by the scanner's id: whether they are marked as missing. */
  readonly unmatched: ReadonlyMap<string, "missing" | "unmatched">;
  /** `scan.created_at` of its first finding: a made-up time if the Scan has none. */
  readonly scanCreatedAt: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads findings.json as a stream.
 * @returns undefined if it is unreadable: it is then rewritten
 * @throws RelayError `storage-precondition` if it is another by now
 */
export async function readLastWriteBack(
  storage: Storage,
  ref: ObjectRef,
  etag: string,
  log: Log,
): Promise<LastWriteBack | undefined> {
  try {
    return await read(storage, ref, etag);
  } catch (error) {
    if (!(error instanceof RelayError) || error.reason !== "findings-invalid") throw error;
    log.warn("the last write-back is unreadable and is rewritten", { error });
    return undefined;
  }
}

async function read(storage: Storage, ref: ObjectRef, etag: string): Promise<LastWriteBack> {
  const found = await storage.read(ref, etag);
  const { stream: body, sha256 } = hashStream();
  if (found !== undefined) pipeline(found.body, body, () => undefined); // the reader is told of what goes wrong by the stream
  const verdicts = new Map<number, string>();
  const held = new Map<string, string>();
  const ids = new Set<number>();
  const unmatched = new Map<string, "missing" | "unmatched">();
  let scanCreatedAt: string | undefined;
  for await (const finding of streamFindings(found && { head: found.head, body }, ref, UNLIMITED)) {
    scanCreatedAt ??= createdAtOf(finding["scan"]);
    const own = idsOf(finding);
    for (const id of own) ids.add(id);
    if (own.length === 0 && finding.id) unmatched.set(finding.id, isMissing(finding) ? "missing" : "unmatched");
    const verdict = verdictOf(finding);
    if (verdict === undefined || verdicts.has(verdict.findingId)) continue;
    const words = held.get(verdict.words) ?? verdict.words;
    held.set(words, words);
    verdicts.set(verdict.findingId, words);
  }
  return { sha256: sha256(), verdicts, ids, unmatched, scanCreatedAt, metadata: found?.head.metadata ?? {} };
}

function createdAtOf(scan: unknown): string | undefined {
  const has = typeof scan === "object" && scan !== null && "created_at" in scan;
  return has && typeof scan.created_at === "string" ? scan.created_at : undefined;
}
