import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ScanJob } from "../model/job.ts";
import { changesMetadata } from "../model/receipt.ts";
import type { Storage } from "../ports/storage.ts";
import { batched } from "../report/report.ts";
import { hashStream } from "../util/hash-stream.ts";
import type { LastWriteBack } from "./last-write-back.ts";
import type { Tally } from "./tally.ts";
import { type Changes, type VerdictChanges, verdictChanges } from "./verdict-changes.ts";
import { encode, putFindings, type Written } from "./write-back.ts";

/** A findings.json of our own that is to be written again. */
export interface Rewritten {
  readonly storage: Storage;
  readonly job: ScanJob;
  readonly etag: string;
  readonly last: LastWriteBack;
  /** ISO 8601: when the last write-back was begun, and this one. */
  readonly since: string;
  readonly startedAt: string;
}

/**
 * Writes the findings over our own last write-back, unless they are the same byte by byte. They wait in a file meanwhile: what changed has to be known
 * before the first byte is sent, as it is told in the object's metadata.
 * @returns what changed; undefined where nothing was written
 * @throws RelayError `storage-precondition` if somebody else wrote
 */
export async function rewriteFindings(
  { storage, job, etag, last, since, startedAt }: Rewritten,
  findings: AsyncIterable<Written>,
  tally: Tally,
): Promise<Changes | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "dojo-relay-"));
  try {
    const path = join(folder, "findings.json");
    const changes = verdictChanges(last.verdicts, since);
    const sha256 = await spool(path, encode(compared(findings, changes), tally));
    if (sha256 === last.sha256) return undefined;
    const { changed, changedCount } = changes.end();
    await putFindings(storage, job, etag, createReadStream(path), changesMetadata(startedAt, changedCount));
    return { changed, changedCount };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function* compared(findings: AsyncIterable<Written>, changes: VerdictChanges): AsyncGenerator<Written> {
  for await (const each of findings) {
    changes.add(each);
    yield each;
  }
}

/** @returns SHA-256 of what was written, in hex */
async function spool(path: string, texts: AsyncIterable<string>): Promise<string> {
  const { stream, sha256 } = hashStream();
  await pipeline(Readable.from(batched(texts)), stream, createWriteStream(path, { mode: 0o600 }));
  return sha256();
}
