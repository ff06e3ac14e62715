import { Readable } from "node:stream";
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { type Reason, RelayError } from "./errors.ts";
import { type ObjectRef, uri } from "./layout.ts";

export interface ObjectHead {
  /** Without quotes. */
  readonly etag: string;
  /** Bytes. */
  readonly size: number;
  readonly lastModified: Date | undefined;
  /** User metadata, names in lower case without `x-amz-meta-`. */
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ListedObject extends ObjectRef {
  readonly etag: string;
  readonly size: number;
  readonly lastModified: Date | undefined;
}

/** A write takes place only if the object is still that one (`ifMatch`) or is not there yet (`ifNoneMatch`). */
export type Condition = { readonly ifMatch: string } | { readonly ifNoneMatch: "*" };

export interface WriteOptions {
  readonly contentType: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly condition?: Condition;
}

/** The bucket as the flow sees it. Bodies are bytes or streams; nothing here decodes them. */
export interface Storage {
  /** The object's head, or undefined where there is none. */
  head(ref: ObjectRef): Promise<ObjectHead | undefined>;
  /** The object as a stream, or undefined where there is none. With `ifMatch`: `storage-precondition` if it is another. */
  read(ref: ObjectRef, ifMatch?: string): Promise<{ head: ObjectHead; body: Readable } | undefined>;
  /** @returns the new ETag. @throws RelayError `storage-precondition` where the condition does not hold */
  write(ref: ObjectRef, body: Readable | Uint8Array | string, options: WriteOptions): Promise<string>;
  /** Copies within the bucket, if the source still has this ETag. @throws RelayError `storage-precondition` otherwise */
  copy(from: ObjectRef, to: ObjectRef, ifMatch: string, options: WriteOptions): Promise<void>;
  /**
   * Removes the object; one that is not there is fine. With `ifMatch`: `storage-precondition` if it is another, where the store knows conditional
   * deletes (S3 and the embedded store do, MinIO deletes all the same).
   */
  remove(ref: ObjectRef, ifMatch?: string): Promise<void>;
  /** All objects of the prefix whose keys come after `startAfter`, in key order, page by page. Throws rather than end early. */
  list(bucket: string, prefix: string, startAfter?: string): AsyncIterable<ListedObject>;
}

/** The least that S3 takes as a part: one is on its way while the next fills, which keeps memory flat whatever the size of the object. */
const PART_BYTES = 5 * 1024 * 1024;

/** The storage port over S3, or whatever speaks its protocol. */
export function s3Storage(client: S3Client): Storage {
  return {
    head: async (ref) => {
      try {
        const answer = await client.send(new HeadObjectCommand({ Bucket: ref.bucket, Key: ref.key }));
        return toHead(answer);
      } catch (error) {
        return notFoundOr(error, ref);
      }
    },
    read: async (ref, ifMatch) => {
      try {
        const answer = await client.send(
          new GetObjectCommand({
            Bucket: ref.bucket,
            Key: ref.key,
            ...(ifMatch === undefined ? {} : { IfMatch: quoted(ifMatch) }),
          }),
        );
        if (!(answer.Body instanceof Readable)) throw new Error("the answer has no body stream");
        return { head: toHead(answer), body: answer.Body };
      } catch (error) {
        return notFoundOr(error, ref);
      }
    },
    write: async (ref, body, { contentType, metadata, condition }) => {
      const params = {
        Bucket: ref.bucket,
        Key: ref.key,
        ContentType: contentType,
        Metadata: { ...metadata },
        ...conditionParams(condition),
      };
      try {
        if (!(body instanceof Readable)) {
          const answer = await client.send(new PutObjectCommand({ ...params, Body: body }));
          return unquoted(answer.ETag);
        }
        const upload = new Upload({ client, params: { ...params, Body: body }, partSize: PART_BYTES, queueSize: 1 });
        return unquoted((await upload.done()).ETag);
      } catch (error) {
        throw condition !== undefined && "ifMatch" in condition ? goneOr(error, ref) : storageError(error, ref);
      }
    },
    copy: async (from, to, ifMatch, { contentType, metadata }) => {
      try {
        await client.send(
          new CopyObjectCommand({
            Bucket: to.bucket,
            Key: to.key,
            CopySource: `${from.bucket}/${from.key.split("/").map(encodeURIComponent).join("/")}`,
            CopySourceIfMatch: quoted(ifMatch),
            MetadataDirective: "REPLACE",
            ContentType: contentType,
            Metadata: { ...metadata },
          }),
        );
      } catch (error) {
        throw goneOr(error, from);
      }
    },
    remove: async (ref, ifMatch) => {
      const remove = (condition: { IfMatch?: string }) =>
        client.send(new DeleteObjectCommand({ Bucket: ref.bucket, Key: ref.key, ...condition }));
      try {
        await remove(ifMatch === undefined ? {} : { IfMatch: quoted(ifMatch) });
      } catch (error) {
        if (ifMatch !== undefined && errorFacts(error).status === 501) await remove({});
        else notFoundOr(error, ref);
      }
    },
    list: (bucket, prefix, startAfter) => listPages(client, bucket, prefix, startAfter),
  };
}

/**
 * A small object whole.
 * @param tooLarge the reason to throw with where it has more than `maxBytes`
 * @returns undefined where there is none
 */
export async function readSmall(
  storage: Storage,
  ref: ObjectRef,
  maxBytes: number,
  tooLarge: Reason,
): Promise<{ head: ObjectHead; bytes: Buffer } | undefined> {
  const found = await storage.read(ref);
  if (found === undefined) return undefined;
  const refuse = (size: number | string) => {
    found.body.destroy();
    return new RelayError(tooLarge, `${uri(ref)} has ${size} bytes, more than ${maxBytes}`, { object: uri(ref) });
  };
  if (found.head.size > maxBytes) throw refuse(found.head.size);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of found.body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > maxBytes) throw refuse(`${size} or more`);
    }
  } catch (error) {
    throw storageError(error, ref);
  }
  return { head: found.head, bytes: Buffer.concat(chunks) };
}

async function* listPages(
  client: S3Client,
  bucket: string,
  prefix: string,
  startAfter: string | undefined,
): AsyncIterable<ListedObject> {
  let token: string | undefined;
  do {
    try {
      const answer = await client.send(
        new ListObjectsV2Command({
          Bucket: bucket,
          Prefix: prefix,
          ...(token === undefined ? {} : { ContinuationToken: token }),
          ...(token === undefined && startAfter !== undefined ? { StartAfter: startAfter } : {}),
        }),
      );
      for (const { Key, ETag, Size, LastModified } of answer.Contents ?? []) {
        if (Key !== undefined)
          yield { bucket, key: Key, etag: unquoted(ETag), size: Size ?? 0, lastModified: LastModified };
      }
      token = answer.IsTruncated ? answer.NextContinuationToken : undefined;
      if (answer.IsTruncated && token === undefined)
        throw new Error("a truncated listing without a continuation token");
    } catch (error) {
      throw storageError(error, { bucket, key: prefix });
    }
  } while (token !== undefined);
}

// --- utils ---

interface HeadFields {
  ETag?: string | undefined;
  ContentLength?: number | undefined;
  LastModified?: Date | undefined;
  Metadata?: Record<string, string> | undefined;
}

function toHead({ ETag, ContentLength, LastModified, Metadata }: HeadFields): ObjectHead {
  return { etag: unquoted(ETag), size: ContentLength ?? 0, lastModified: LastModified, metadata: Metadata ?? {} };
}

function conditionParams(condition: Condition | undefined) {
  if (condition === undefined) return {};
  return "ifMatch" in condition ? { IfMatch: quoted(condition.ifMatch) } : { IfNoneMatch: condition.ifNoneMatch };
}

const quoted = (etag: string) => `"${etag}"`;
const unquoted = (etag: string | undefined) => (etag ?? "").replace(/^W\//, "").replaceAll('"', "");

/**
 * What a retry may mend though its status may say otherwise. A conflict with a write that is under way is no lost race: that write may still fail. An
 * upload in parts that is gone, or lost one, is begun anew; what was cut off or changed on its way is sent again; expired credentials are renewed.
 */
const TRANSIENT = new Set([
  "SlowDown",
  "ServiceUnavailable",
  "RequestTimeout",
  "InternalError",
  "ConditionalRequestConflict",
  "OperationAborted",
  "NoSuchUpload",
  "InvalidPart",
  "IncompleteBody",
  "BadDigest",
  "XAmzContentSHA256Mismatch",
  "ExpiredToken",
  "TokenRefreshRequired",
]);

/** Statuses of a refused request that ask for another try. */
const LATER = new Set([408, 429]);

/** Names and statuses of S3's errors, to our reasons; the first row that fits. https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
const ERRORS: readonly (readonly [(name: string, status: number | undefined) => boolean, Reason])[] = [
  [(name, status) => name === "PreconditionFailed" || status === 412, "storage-precondition"],
  [(name) => TRANSIENT.has(name), "storage-unavailable"],
  [(_, status) => status === 403, "storage-forbidden"],
  [(name, status) => name === "NoSuchBucket" || name === "NoSuchKey" || status === 404, "storage-missing"],
  [(_, status = 0) => status >= 400 && status < 500 && !LATER.has(status), "storage-rejected"],
];

/** The SDK's error as ours; what is not known (network, 5xx) may be mended by a retry. */
export function storageError(error: unknown, ref: ObjectRef): RelayError {
  if (error instanceof RelayError) return error;
  const { name, status } = errorFacts(error);
  const reason = ERRORS.find(([fits]) => fits(name, status))?.[1] ?? "storage-unavailable";
  const what = status === undefined ? name : `${name} (HTTP ${status})`;
  return new RelayError(reason, `${uri(ref)}: ${what}`, {
    object: uri(ref),
    cause: error,
    ...(status === undefined ? {} : { status }),
  });
}

/** For what takes place only if the object is still a certain one: S3 answers 404, and not 412, where it was removed. */
function goneOr(error: unknown, ref: ObjectRef): RelayError {
  const failure = storageError(error, ref);
  if (failure.reason !== "storage-missing" || errorFacts(error).name === "NoSuchBucket") return failure;
  return new RelayError("storage-precondition", failure.message, { object: uri(ref), status: 404, cause: error });
}

/** @returns undefined for an object that is not there; throws for anything else, a missing bucket included */
function notFoundOr(error: unknown, ref: ObjectRef): undefined {
  const { name, status } = errorFacts(error);
  if (name === "NoSuchKey" || name === "NotFound" || (status === 404 && name !== "NoSuchBucket")) return undefined;
  throw storageError(error, ref);
}

function errorFacts(error: unknown): { name: string; status: number | undefined } {
  if (!(error instanceof Error)) return { name: String(error), status: undefined };
  const metadata = "$metadata" in error ? (error.$metadata as { httpStatusCode?: number } | undefined) : undefined;
  // A connection that failed has a code that says more than its name.
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  return { name: error.name === "Error" && code !== undefined ? code : error.name, status: metadata?.httpStatusCode };
}
