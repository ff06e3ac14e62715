import type { DatabaseSync } from "node:sqlite";
import type { Segment } from "./bodies.ts";
import type { ChecksumType } from "./checksums.ts";

/** Keys are BLOBs: SQLite compares them byte by byte, which is S3's order for UTF-8 keys. */
export const S3_SCHEMA = `
CREATE TABLE IF NOT EXISTS buckets (
  name TEXT PRIMARY KEY, created INTEGER NOT NULL, location TEXT NOT NULL, notification TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
  bucket TEXT NOT NULL, key BLOB NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, modified INTEGER NOT NULL,
  segments TEXT NOT NULL, attributes TEXT NOT NULL, PRIMARY KEY (bucket, key)
) STRICT;
CREATE TABLE IF NOT EXISTS uploads (
  id TEXT PRIMARY KEY, bucket TEXT NOT NULL, key BLOB NOT NULL, created INTEGER NOT NULL, attributes TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS parts (
  upload TEXT NOT NULL, number INTEGER NOT NULL, body TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
  checksum TEXT, modified INTEGER NOT NULL, PRIMARY KEY (upload, number)
) STRICT;
CREATE TABLE IF NOT EXISTS events (
  id INTEGER PRIMARY KEY AUTOINCREMENT, arn TEXT NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS events_by_arn ON events (arn, id);
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
`;

/** An object's headers and metadata. */
export interface Attributes {
  /** Content-Type, Cache-Control…, lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** User metadata, names without `x-amz-meta-`. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly checksum?: { readonly algorithm: string; readonly type: ChecksumType; readonly value: string };
}

export interface StoredObject extends Attributes {
  readonly key: string;
  readonly size: number;
  /** Without quotes. */
  readonly etag: string;
  readonly modified: number;
  readonly segments: readonly Segment[];
}

export interface ListedObject {
  readonly key: Buffer;
  readonly size: number;
  readonly etag: string;
  readonly modified: number;
  readonly algorithm: string | null;
  readonly type: string | null;
}

export type ObjectStore = ReturnType<typeof objectStore>;

/** The rows of the objects. Callers manage transactions. */
export function objectStore(database: DatabaseSync) {
  const get = database.prepare(
    "SELECT size, etag, modified, segments, attributes FROM objects WHERE bucket = ? AND key = ?",
  );
  const put = database.prepare(
    "INSERT OR REPLACE INTO objects (bucket, key, size, etag, modified, segments, attributes) VALUES (?, ?, ?, ?, ?, ?, ?)",
  );
  const remove = database.prepare("DELETE FROM objects WHERE bucket = ? AND key = ?");
  const any = database.prepare("SELECT 1 FROM objects WHERE bucket = ? LIMIT 1");
  const from = database.prepare(
    `SELECT key, size, etag, modified, attributes ->> '$.checksum.algorithm' AS algorithm,
      attributes ->> '$.checksum.type' AS type FROM objects WHERE bucket = ? AND key >= ? ORDER BY key`,
  );
  return {
    get(bucket: string, key: string): StoredObject | undefined {
      const row = get.get(bucket, Buffer.from(key)) as ObjectRow | undefined;
      if (!row) return undefined;
      const { size, etag, modified } = row;
      const segments = JSON.parse(row.segments) as Segment[];
      return { key, size, etag, modified, segments, ...(JSON.parse(row.attributes) as Attributes) };
    },
    put(bucket: string, object: StoredObject): void {
      const { key, size, etag, modified, segments, headers, metadata, checksum } = object;
      const attributes = JSON.stringify({ headers, metadata, checksum });
      put.run(bucket, Buffer.from(key), size, etag, modified, JSON.stringify(segments), attributes);
    },
    delete(bucket: string, key: string): void {
      remove.run(bucket, Buffer.from(key));
    },
    hasAny(bucket: string): boolean {
      return any.get(bucket) !== undefined;
    },
    /** The objects from the key `start` on, in byte order of their keys. */
    *listFrom(bucket: string, start: Uint8Array): Generator<ListedObject, void, undefined> {
      for (const row of from.iterate(bucket, start)) {
        const listed = row as unknown as Omit<ListedObject, "key"> & { key: Uint8Array };
        yield { ...listed, key: Buffer.from(listed.key) };
      }
    },
  };
}

/** The ids of all body files that objects and uploads reference. */
export function liveBodies(database: DatabaseSync): Set<string> {
  const rows = database
    .prepare(
      "SELECT segment.value ->> '$.id' AS id FROM objects, json_each(objects.segments) AS segment UNION SELECT body FROM parts",
    )
    .all() as { id: string }[];
  return new Set(rows.map((row) => row.id));
}

interface ObjectRow {
  readonly size: number;
  readonly etag: string;
  readonly modified: number;
  readonly segments: string;
  readonly attributes: string;
}
