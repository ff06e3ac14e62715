import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { RelayError } from "../../lib/errors.ts";
import { type ObjectRef, uri } from "../../lib/model/object-keys.ts";
import type { Condition, Storage, WriteOptions } from "../../lib/ports/storage.ts";

export interface StoredObject {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Marks a body whose connection breaks in the middle. */
  readonly cut?: true;
}

export interface MemoryS3 {
  readonly objects: Map<string, StoredObject>;
  /** One request each, done at once; {@link storageOver} makes the port of them. */
  get(ref: ObjectRef, ifMatch?: string): StoredObject | undefined;
  put(ref: ObjectRef, bytes: Buffer, options?: Partial<WriteOptions>): StoredObject;
  remove(ref: ObjectRef, ifMatch?: string): void;
}

/** @param onCreated is called for every written object, like a bucket notification */
export function memoryS3(onCreated: (ref: ObjectRef, stored: StoredObject) => void = () => undefined): MemoryS3 {
  const objects = new Map<string, StoredObject>();
  return {
    objects,
    get: (ref, ifMatch) => {
      const found = objects.get(uri(ref));
      if (found !== undefined && ifMatch !== undefined && found.etag !== ifMatch) throw precondition(ref);
      return found;
    },
    put: (ref, bytes, { metadata = {}, condition } = {}) => {
      check(ref, objects.get(uri(ref)), condition);
      const stored = { bytes, metadata, etag: createHash("md5").update(bytes).digest("hex") };
      objects.set(uri(ref), stored);
      onCreated(ref, stored);
      return stored;
    },
    remove: (ref, ifMatch) => {
      const found = objects.get(uri(ref));
      if (found !== undefined && ifMatch !== undefined && found.etag !== ifMatch) throw precondition(ref);
      objects.delete(uri(ref));
    },
  };
}

/** Wraps one request; the port consists of these, so that a fault can hit before or after each. */
export type Request = <T>(what: string, ref: ObjectRef, effect: () => T) => Promise<T>;

/** The storage port in memory, with the errors of lib/aws/s3-storage.ts. */
export function storageOver(s3: MemoryS3, request: Request): Storage {
  const headOf = ({ etag, bytes, metadata }: StoredObject) => ({
    etag,
    size: bytes.length,
    lastModified: undefined,
    metadata,
  });
  return {
    head: async (ref) => {
      const found = await request("HEAD", ref, () => s3.get(ref));
      return found === undefined ? undefined : headOf(found);
    },
    read: async (ref, ifMatch) => {
      const found = await request("GET", ref, () => s3.get(ref, ifMatch));
      if (found === undefined) return undefined;
      return { head: headOf(found), body: Readable.from(chunksOf(found), { objectMode: false }) };
    },
    write: async (ref, body, options) => {
      const bytes = body instanceof Readable ? await buffer(body) : Buffer.from(body);
      return (await request("PUT", ref, () => s3.put(ref, bytes, options))).etag;
    },
    copy: async (from, to, ifMatch, options) => {
      await request("COPY", from, () => {
        const found = s3.get(from, ifMatch);
        if (found === undefined) throw precondition(from, 404);
        s3.put(to, found.bytes, options);
      });
    },
    remove: async (ref, ifMatch?: string) => {
      await request("DELETE", ref, () => s3.remove(ref, ifMatch));
    },
    list: async function* (bucket, prefix) {
      for (const [name, { etag, bytes }] of [...s3.objects].sort(([a], [b]) => (a < b ? -1 : 1))) {
        const key = name.slice(uri({ bucket, key: "" }).length);
        if (key.startsWith(prefix)) yield { bucket, key, etag, size: bytes.length, lastModified: undefined };
      }
    },
  };
}

async function* chunksOf({ bytes, cut }: StoredObject): AsyncGenerator<Buffer> {
  const half = bytes.length >> 1;
  if (half > 0) yield bytes.subarray(0, half);
  if (cut) throw new Error("aborted");
  if (bytes.length > 0) yield bytes.subarray(half);
}

function check(ref: ObjectRef, present: StoredObject | undefined, condition: Condition | undefined): void {
  if (condition === undefined) return;
  if ("ifNoneMatch" in condition) {
    if (present !== undefined) throw precondition(ref);
    return;
  }
  if (present === undefined) throw precondition(ref, 404);
  if (present.etag !== condition.ifMatch) throw precondition(ref);
}

/** If the object is missing, S3 returns 404 for the condition, which the storage port treats the same. */
const precondition = (ref: ObjectRef, status = 412) =>
  new RelayError("storage-precondition", `${uri(ref)}: HTTP ${status}`, { object: uri(ref), status });
