import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable, Transform } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { RelayError } from "../../lib/errors.ts";
import { type ObjectRef, originalOf, sibling, uri } from "../../lib/model/object-keys.ts";
import type { Log } from "../../lib/observe.ts";
import type { Condition, ObjectHead, Storage, WriteOptions } from "../../lib/ports/storage.ts";
import { storageError } from "../../lib/ports/storage-error.ts";
import { backoff } from "../../lib/util/backoff.ts";
import type { Clock } from "../../lib/util/clock.ts";
import { sha256 } from "../../lib/util/digest.ts";
import type { PresignedHttp } from "./presigned-http.ts";
import type { PresignedUrl } from "./presigned-url.ts";

/** The objects of one scan, as the operator of secureCodeBox hands them to a hook. */
export interface PresignedUrls {
  readonly raw: PresignedUrl;
  readonly findings: PresignedUrl;
  /** Missing in read-only mode. */
  readonly findingsUpload?: PresignedUrl;
}

export interface PresignedOptions {
  readonly http: PresignedHttp;
  readonly clock: Clock;
  readonly log: Log;
  /** The Scan's uid, or another unique id. */
  readonly scanId: string;
  readonly rawResultFile: string | undefined;
  /** A folder for temporary files; its creator removes it. */
  readonly folder: string;
  /** Whether the findings as uploaded are read again after the import (merge mode). */
  readonly keepOriginal: boolean;
}

export interface PresignedScan {
  readonly storage: Storage;
  /** Identifies the job; see {@link openPresigned}. */
  readonly job: ObjectRef & { readonly etag: string };
}

const PUT_TRIES = 4;
const FIRST_WAIT_MS = 1_500;

/**
 * The storage port over presigned URLs: findings and raw result lie behind them; what else the flow writes is kept in memory, as there is nowhere
 * to put it.
 *
 * The job's ETag is a digest of the scan's id and the raw result's ETag. The hook never changes the raw result, so that a hook that is started again, even
 * after it has written findings.json, has the same job key and finds its test in DefectDojo. To the flow, findings.json has this ETag as long as it is
 * what was found at the start or what was written here.
 * @throws RelayError `findings-missing`, `storage-…`
 */
export async function openPresigned(urls: PresignedUrls, options: PresignedOptions): Promise<PresignedScan> {
  const { http } = options;
  const [found, raw] = await Promise.all([headOf(http, urls.findings), headOf(http, urls.raw)]);
  if (found === undefined) {
    throw new RelayError("findings-missing", `GET ${urls.findings.where}: HTTP 404`, { object: urls.findings.where });
  }
  const identity = JSON.stringify([options.scanId, raw?.etag || found.etag]);
  const job = { ...urls.findings.ref, etag: sha256(identity).slice(0, 32) };
  return { job, storage: presignedStorage(urls, options, job, found.etag) };
}

function presignedStorage(
  urls: PresignedUrls,
  options: PresignedOptions,
  job: PresignedScan["job"],
  foundEtag: string,
): Storage {
  const { http, folder } = options;
  const kept = keptObjects();
  const rawKey = options.rawResultFile === undefined ? urls.raw.ref.key : sibling(job, options.rawResultFile).key;
  const findings = presignedFindings(urls, options, job, foundEtag);

  const open = async (ref: ObjectRef) => {
    if (ref.key === job.key) return await findings.open();
    return ref.key === rawKey ? await http.get(urls.raw) : await kept.read(ref);
  };
  const openIf = async (ref: ObjectRef, ifMatch: string | undefined) => {
    const found = await open(ref);
    if (found !== undefined && ifMatch !== undefined && found.head.etag !== ifMatch) {
      found.body.destroy();
      throw changed(ref);
    }
    return found;
  };

  return {
    head: async (ref) => {
      const found = await open(ref);
      found?.body.destroy();
      return found?.head;
    },
    read: openIf,
    write: async (ref, body, options) => {
      const bytes = body instanceof Readable ? undefined : Buffer.from(body);
      if (ref.key === job.key) return await findings.write(bytes ? Readable.from([bytes]) : toReadable(body), options);
      return kept.write(ref, bytes ?? (await buffer(toReadable(body))), options.metadata ?? {}, options.condition);
    },
    copy: async (from, to, ifMatch, { metadata: carried = {} }) => {
      const found = await openIf(from, ifMatch);
      if (found === undefined) throw changed(from);
      // Only merge mode reads the copy: the findings are not fetched once more for nothing.
      if (to.key !== originalOf(job).key || !options.keepOriginal) return void found.body.destroy();
      try {
        const file = await spool(found.body, join(folder, "findings.original.json"));
        kept.keepFile(to, file, carried);
      } catch (error) {
        throw storageError(error, from);
      }
    },
    remove: async (ref) => kept.remove(ref),
    list: () => {
      throw new RelayError("storage-forbidden", "presigned URLs cannot list objects", { object: uri(job) });
    },
  };
}

/** findings.json behind its URLs: it has the job's ETag as long as it is what was found at the start or what was written here. */
function presignedFindings(
  urls: PresignedUrls,
  options: PresignedOptions,
  job: PresignedScan["job"],
  foundEtag: string,
) {
  let currentEtag = foundEtag;
  // An upload to a presigned URL carries no metadata: it is remembered here.
  let metadata: Readonly<Record<string, string>> = {};
  const seen = (head: ObjectHead) => (head.etag === currentEtag ? { ...head, etag: job.etag, metadata } : head);
  return {
    open: async () => {
      const found = await options.http.get(urls.findings);
      return found === undefined ? undefined : { head: seen(found.head), body: found.body };
    },
    write: async (body: Readable, { condition, metadata: written = {} }: WriteOptions) => {
      const writeAt = urls.findingsUpload;
      if (writeAt === undefined) {
        throw new RelayError("storage-forbidden", `${uri(job)}: no URL for an upload was given`, {
          object: uri(job),
        });
      }
      if (condition !== undefined && (!("ifMatch" in condition) || condition.ifMatch !== job.etag)) throw changed(job);
      const file = await spool(body, join(options.folder, "findings.json"));
      currentEtag = await putIfUnchanged({ readAt: urls.findings, writeAt }, file, currentEtag, options);
      metadata = written;
      return job.etag;
    },
  };
}

/**
 * Uploads, if the object is still that one: presigned URLs know no conditions, so it is looked at right before. After an upload without an answer the object
 * is looked at again: it is what it was, or what was sent, or somebody else's.
 * @returns the new ETag
 * @throws RelayError `storage-precondition` where somebody else wrote
 */
async function putIfUnchanged(
  { readAt, writeAt }: { readonly readAt: PresignedUrl; readonly writeAt: PresignedUrl },
  file: SpooledFile,
  ifMatch: string,
  { http, clock, log }: PresignedOptions,
): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const now = await headOf(http, readAt);
    if (now?.etag !== ifMatch) {
      if (attempt > 1 && now !== undefined && (await digestOf(http, readAt)) === file.sha256) return now.etag;
      throw changed(readAt.ref);
    }
    try {
      const etag = await http.put(writeAt, file);
      return etag !== "" ? etag : ((await headOf(http, readAt))?.etag ?? "");
    } catch (error) {
      if (!(error instanceof RelayError && error.errorClass === "transient") || attempt === PUT_TRIES) throw error;
      log.warn("the upload of the findings failed and is retried", { object: writeAt.where, error });
      const asked = (error.retryAfterSeconds ?? 0) * 1000;
      await clock.sleep(Math.max(asked, backoff(FIRST_WAIT_MS, attempt)));
    }
  }
}

/** The current object, by a GET whose body is discarded. */
async function headOf(http: PresignedHttp, at: PresignedUrl): Promise<ObjectHead | undefined> {
  const found = await http.get(at);
  found?.body.destroy();
  return found?.head;
}

async function digestOf(http: PresignedHttp, at: PresignedUrl): Promise<string | undefined> {
  const found = await http.get(at);
  if (found === undefined) return undefined;
  const hash = createHash("sha256");
  try {
    await pipeline(found.body, hash);
  } catch (error) {
    throw storageError(error, at.ref);
  }
  return hash.digest("hex");
}

interface SpooledFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

/** The stream as a file: an upload needs its length before, and the same bytes again if it fails. */
async function spool(body: Readable, path: string): Promise<SpooledFile> {
  const hash = createHash("sha256");
  const hashed = new Transform({
    transform: (chunk, _, done) => {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  await pipeline(body, hashed, createWriteStream(path));
  return { path, size: (await stat(path)).size, sha256: hash.digest("hex") };
}

const toReadable = (body: Readable | Uint8Array | string) =>
  body instanceof Readable ? body : Readable.from([Buffer.from(body)]);

function changed(ref: ObjectRef): RelayError {
  return new RelayError("storage-precondition", `${uri(ref)} was changed by somebody else in the meantime`, {
    object: uri(ref),
  });
}

/** Small objects in memory, large ones as files, with conditions as S3 has them. */
function keptObjects() {
  interface Kept {
    readonly head: ObjectHead;
    readonly open: () => Readable;
  }
  const objects = new Map<string, Kept>();
  const put = (ref: ObjectRef, head: Omit<ObjectHead, "lastModified">, open: () => Readable) =>
    objects.set(ref.key, { head: { ...head, lastModified: new Date() }, open });
  return {
    read: async (ref: ObjectRef) => {
      const kept = objects.get(ref.key);
      return kept === undefined ? undefined : { head: kept.head, body: kept.open() };
    },
    write: (ref: ObjectRef, bytes: Buffer, metadata: Readonly<Record<string, string>>, condition?: Condition) => {
      const now = objects.get(ref.key)?.head.etag;
      const holds = condition === undefined || ("ifMatch" in condition ? condition.ifMatch === now : now === undefined);
      if (!holds) throw changed(ref);
      const etag = sha256(bytes);
      put(ref, { etag, size: bytes.length, metadata: { ...metadata } }, () => Readable.from([bytes]));
      return etag;
    },
    keepFile: (ref: ObjectRef, file: SpooledFile, metadata: Readonly<Record<string, string>>) => {
      const { sha256: etag, size, path } = file;
      put(ref, { etag, size, metadata: { ...metadata } }, () => createReadStream(path));
    },
    remove: (ref: ObjectRef) => {
      objects.delete(ref.key);
    },
  };
}
