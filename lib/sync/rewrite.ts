import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { isDeepStrictEqual } from "node:util";
import { changesMetadata, type Receipt, readChangesMetadata } from "../model/receipt.ts";
import { dropUndefined } from "../model/scan.ts";
import { batched } from "../report/report.ts";
import { hashStream } from "../util/hash-stream.ts";
import type { LastWriteBack } from "./last-write-back.ts";
import type { Written } from "./merged-finding.ts";
import type { Tally } from "./tally.ts";
import { type Changes, type VerdictChanges, verdictChanges } from "./verdict-changes.ts";
import { encode, type Place, putFindings } from "./write-back.ts";

/** Our own findings.json, to be rewritten. */
interface Rewriting extends Place {
  readonly lastWriteBack: LastWriteBack;
  /** The receipt of the last sync. */
  readonly last: Receipt;
  /** ISO 8601: when this sync started. */
  readonly startedAt: string;
}

export interface Rewritten {
  /** What changed, now or in the last writing sync. */
  readonly changes: Partial<Changes>;
  /** Nothing was written, and the last receipt is still correct. */
  readonly same: boolean;
}

/**
 * Writes the findings over our own last write-back, unless they are identical byte by byte. They wait in a file meanwhile: what changed must be known
 * before the first byte is sent, because the object's metadata contains it.
 * @throws RelayError `storage-precondition` if somebody else wrote
 */
export async function rewriteFindings(
  { lastWriteBack, last, startedAt, ...place }: Rewriting,
  findings: AsyncIterable<Written>,
  tally: Tally,
): Promise<Rewritten> {
  const folder = await mkdtemp(join(tmpdir(), "dojo-relay-"));
  try {
    const path = join(folder, "findings.json");
    const compare = verdictChanges(lastWriteBack.verdicts, last.startedAt);
    const sha256 = await spool(path, encode(compared(findings, compare), tally));
    if (sha256 === lastWriteBack.sha256) return unchanged(lastWriteBack, last);
    const changes = compare.end();
    await putFindings(place, createReadStream(path), changesMetadata(startedAt, changes.changedCount));
    return { changes, same: false };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A resync that died between findings and receipt left the number of changes only in the metadata. */
function unchanged({ metadata }: LastWriteBack, { startedAt, changed, changedCount }: Receipt): Rewritten {
  const told = readChangesMetadata(metadata);
  if (told === undefined || told.startedAt === startedAt)
    return { changes: dropUndefined({ changed, changedCount }), same: true };
  return { changes: { changed: [], changedCount: told.changedCount }, same: false };
}

/** Whether two receipts differ only in their times. */
export function saysTheSame(last: Receipt, now: Receipt): boolean {
  const timeless = (receipt: Receipt) => ({ ...receipt, startedAt: "", finishedAt: "", timings: {} });
  return isDeepStrictEqual(timeless(last), timeless(now));
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
