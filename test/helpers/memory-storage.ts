import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { RelayError } from "../../lib/errors.ts";
import { type ObjectRef, uri } from "../../lib/model/object-keys.ts";
import type { ObjectHead, Storage } from "../../lib/ports/storage.ts";

interface Stored {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly contentType: string;
}

type StorageCall = "head" | "read" | "write" | "copy" | "remove" | "list";

/** The storage port in memory, with hooks to fail calls or to let others write in between. */
export interface MemoryStorage extends Storage {
  readonly objects: Map<string, Stored>;
  /** `call s3://bucket/key`, in order. */
  readonly calls: string[];
  /** Runs before each call; its error fails the call. */
  before: (call: StorageCall, ref: ObjectRef) => void | Promise<void>;
  put(ref: ObjectRef, content: string | Uint8Array, metadata?: Readonly<Record<string, string>>): string;
  text(ref: ObjectRef): string | undefined;
}

export function memoryStorage(): MemoryStorage {
  const objects = new Map<string, Stored>();
  const calls: string[] = [];
  const headOf = ({ etag, bytes, metadata }: Stored): ObjectHead => ({
    etag,
    size: bytes.length,
    lastModified: undefined,
    metadata,
  });
  const begin = async (call: StorageCall, ref: ObjectRef) => {
    calls.push(`${call} ${uri(ref)}`);
    await storage.before(call, ref);
  };
  const refuse = (ref: ObjectRef) => {
    throw new RelayError("storage-precondition", `${uri(ref)}: PreconditionFailed (HTTP 412)`, {
      object: uri(ref),
      status: 412,
    });
  };
  const store = (ref: ObjectRef, bytes: Buffer, metadata: Readonly<Record<string, string>>, contentType: string) => {
    const etag = createHash("md5").update(bytes).digest("hex");
    objects.set(uri(ref), { bytes, etag, metadata, contentType });
    return etag;
  };
  const storage: MemoryStorage = {
    objects,
    calls,
    before: () => undefined,
    put: (ref, content, metadata = {}) => store(ref, Buffer.from(content), metadata, "application/json"),
    text: (ref) => objects.get(uri(ref))?.bytes.toString("utf8"),
    head: async (ref) => {
      await begin("head", ref);
      const found = objects.get(uri(ref));
      return found === undefined ? undefined : headOf(found);
    },
    read: async (ref, ifMatch) => {
      await begin("read", ref);
      const found = objects.get(uri(ref));
      if (found === undefined) return undefined;
      if (ifMatch !== undefined && found.etag !== ifMatch) refuse(ref);
      return { head: headOf(found), body: Readable.from(found.bytes.length === 0 ? [] : [found.bytes]) };
    },
    write: async (ref, body, { contentType, metadata = {}, condition }) => {
      const bytes = body instanceof Readable ? await buffer(body) : Buffer.from(body);
      await begin("write", ref);
      const present = objects.get(uri(ref));
      if (condition !== undefined) {
        const holds = "ifMatch" in condition ? present?.etag === condition.ifMatch : present === undefined;
        if (!holds) refuse(ref);
      }
      return store(ref, bytes, metadata, contentType);
    },
    copy: async (from, to, ifMatch, { contentType, metadata = {} }) => {
      await begin("copy", from);
      const found = objects.get(uri(from));
      if (found === undefined || found.etag !== ifMatch) return refuse(from);
      store(to, found.bytes, metadata, contentType);
    },
    remove: async (ref, ifMatch) => {
      await begin("remove", ref);
      const present = objects.get(uri(ref));
      if (ifMatch !== undefined && present !== undefined && present.etag !== ifMatch) refuse(ref);
      objects.delete(uri(ref));
    },
    list: async function* (bucket, prefix) {
      await begin("list", { bucket, key: prefix });
      for (const [name, { etag, bytes }] of [...objects].sort(([a], [b]) => (a < b ? -1 : 1))) {
        const key = name.slice(uri({ bucket, key: "" }).length);
        if (name.startsWith(uri({ bucket, key: prefix })))
          yield { bucket, key, etag, size: bytes.length, lastModified: undefined };
      }
    },
  };
  return storage;
}
