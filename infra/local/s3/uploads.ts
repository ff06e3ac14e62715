import { randomUUID } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import type { Segment } from "./bodies.ts";
import type { Checksum, ChecksumAlgorithm, ChecksumType } from "./checksums.ts";
import { S3Error } from "./errors.ts";
import type { Attributes } from "./store.ts";

/** An older multipart upload that was neither completed nor aborted is discarded at the next start, as in MinIO. */
const UPLOAD_LIFETIME_MS = 7 * 24 * 3600 * 1000;

export interface Upload {
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
  readonly headers: Attributes["headers"];
  readonly metadata: Attributes["metadata"];
  readonly algorithm?: ChecksumAlgorithm;
  readonly type?: ChecksumType;
}

export interface Part {
  readonly number: number;
  readonly segment: Segment;
  readonly etag: string;
  /** With the upload's algorithm or, if it has none, as sent with the part. */
  readonly checksum: Checksum | undefined;
  readonly modified: number;
}

export function createUpload(database: DatabaseSync, upload: Omit<Upload, "id">): string {
  const id = randomUUID();
  const { bucket, key, ...attributes } = upload;
  database
    .prepare("INSERT INTO uploads (id, bucket, key, created, attributes) VALUES (?, ?, ?, ?, ?)")
    .run(id, bucket, Buffer.from(key), Date.now(), JSON.stringify(attributes));
  return id;
}

export function existingUpload(database: DatabaseSync, id: string | undefined, bucket: string, key: string): Upload {
  const row = database
    .prepare("SELECT attributes FROM uploads WHERE id = ? AND bucket = ? AND key = ?")
    .get(id ?? "", bucket, Buffer.from(key));
  if (!row || id === undefined) throw new S3Error("NoSuchUpload");
  return { id, bucket, key, ...(JSON.parse(String(row.attributes)) as Omit<Upload, "id" | "bucket" | "key">) };
}

/** Stores a part and returns the one it replaces. */
export function putPart(database: DatabaseSync, upload: string, part: Part): Part | undefined {
  const replaced = listParts(database, upload, part.number - 1, 1).find(({ number }) => number === part.number);
  database
    .prepare(
      "INSERT OR REPLACE INTO parts (upload, number, body, size, etag, checksum, modified) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .run(
      upload,
      part.number,
      part.segment.id,
      part.segment.size,
      part.etag,
      part.checksum ? JSON.stringify(part.checksum) : null,
      part.modified,
    );
  return replaced;
}

/** The parts, ordered by number. */
export function listParts(database: DatabaseSync, upload: string, after = 0, limit = -1): Part[] {
  const rows = database
    .prepare(
      "SELECT number, body, size, etag, checksum, modified FROM parts WHERE upload = ? AND number > ? ORDER BY number LIMIT ?",
    )
    .all(upload, after, limit) as unknown as PartRow[];
  return rows.map(({ number, body, size, etag, checksum, modified }) => {
    return {
      number,
      segment: { id: body, size },
      etag,
      checksum: checksum === null ? undefined : (JSON.parse(checksum) as Checksum),
      modified,
    };
  });
}

/** Deletes an upload; the caller removes the files of its parts. */
export function deleteUpload(database: DatabaseSync, id: string): void {
  database.prepare("DELETE FROM parts WHERE upload = ?").run(id);
  database.prepare("DELETE FROM uploads WHERE id = ?").run(id);
}

export function deleteStaleUploads(database: DatabaseSync): void {
  database.prepare("DELETE FROM uploads WHERE created < ?").run(Date.now() - UPLOAD_LIFETIME_MS);
  database.exec("DELETE FROM parts WHERE upload NOT IN (SELECT id FROM uploads)");
}

interface PartRow {
  readonly number: number;
  readonly body: string;
  readonly size: number;
  readonly etag: string;
  readonly checksum: string | null;
  readonly modified: number;
}
