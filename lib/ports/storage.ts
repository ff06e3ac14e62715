import type { Readable } from "node:stream";
import type { ObjectRef } from "../model/object-keys.ts";

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

/** A write happens only if the object is still that one (`ifMatch`) or does not exist yet (`ifNoneMatch`). */
export type Condition = { readonly ifMatch: string } | { readonly ifNoneMatch: "*" };

export interface WriteOptions {
  readonly contentType: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly condition?: Condition;
}

/** The storage port. Bodies are bytes or streams; nothing here decodes them. */
export interface Storage {
  /** The object's head, or undefined if there is none. */
  head(ref: ObjectRef): Promise<ObjectHead | undefined>;
  /** The object as a stream, or undefined if there is none. With `ifMatch`: `storage-precondition` if it is another. */
  read(ref: ObjectRef, ifMatch?: string): Promise<{ head: ObjectHead; body: Readable } | undefined>;
  /** @returns the new ETag. @throws RelayError `storage-precondition` if the condition does not hold */
  write(ref: ObjectRef, body: Readable | Uint8Array | string, options: WriteOptions): Promise<string>;
  /** Copies within the bucket, if the source still has this ETag. @throws RelayError `storage-precondition` otherwise */
  copy(from: ObjectRef, to: ObjectRef, ifMatch: string, options: WriteOptions): Promise<void>;
  /**
   * Removes the object, if it exists. With `ifMatch`: `storage-precondition` if it is another, provided that the store supports conditional
   * deletes (S3 and the embedded store do, MinIO deletes anyway).
   */
  remove(ref: ObjectRef, ifMatch?: string): Promise<void>;
  /** All objects of the prefix whose keys come after `startAfter`, in key order, page by page. Throws rather than end early. */
  list(bucket: string, prefix: string, startAfter?: string): AsyncIterable<ListedObject>;
}
