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
import { RelayError } from "../errors.ts";
import { type ObjectRef, uri } from "../model/object-keys.ts";
import type { Condition, ListedObject, ObjectHead, Storage } from "../ports/storage.ts";
import { errorFacts, storageError } from "../ports/storage-error.ts";
import { unreadBody } from "../util/unread-body.ts";

/** S3's minimum part size: one part uploads while the next fills, which keeps memory flat at any object size. */
const PART_BYTES = 5 * 1024 * 1024;

/** The storage port over S3 and compatible stores. */
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
        return { head: toHead(answer), body: unreadBody(answer.Body) };
      } catch (error) {
        return notFoundOr(error, ref);
      }
    },
    ...s3Writes(client),
    list: (bucket, prefix, startAfter) => listPages(client, bucket, prefix, startAfter),
  };
}

/** The operations that change objects. */
function s3Writes(client: S3Client): Pick<Storage, "write" | "copy" | "remove"> {
  return {
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
  };
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

/** For conditional requests: S3 answers 404, not 412, when the object was removed. */
function goneOr(error: unknown, ref: ObjectRef): RelayError {
  const failure = storageError(error, ref);
  if (failure.reason !== "storage-missing" || errorFacts(error).name === "NoSuchBucket") return failure;
  return new RelayError("storage-precondition", failure.message, { object: uri(ref), status: 404, cause: error });
}

/** @returns undefined for a missing object; throws for anything else, including a missing bucket */
function notFoundOr(error: unknown, ref: ObjectRef): undefined {
  const { name, status } = errorFacts(error);
  if (name === "NoSuchKey" || name === "NotFound" || (status === 404 && name !== "NoSuchBucket")) return undefined;
  throw storageError(error, ref);
}
