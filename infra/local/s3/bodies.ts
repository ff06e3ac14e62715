import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { chmod, copyFile, link, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { PRIVATE_FILE } from "../data-directory.ts";

/** One file of bytes. An object has one segment, or one for each part of its multipart upload. */
export interface Segment {
  readonly id: string;
  readonly size: number;
}

interface BodyWriter {
  write(bytes: Uint8Array): Promise<void>;
  /** Completes the file; it becomes an object when a database row references it. */
  close(): Promise<Segment>;
  /** Closes and removes the file. */
  discard(): Promise<void>;
}

export interface Bodies {
  create(): Promise<BodyWriter>;
  /** The bytes from `start` to `end` (exclusive) of the concatenated segments. */
  read(segments: readonly Segment[], start: number, end: number): AsyncGenerator<Uint8Array, void, undefined>;
  /** Independent copies of the files; hard links where possible. */
  duplicate(segments: readonly Segment[]): Promise<Segment[]>;
  /** Keeps the files readable until the returned function is called, even if they are removed meanwhile. */
  hold(segments: readonly Segment[]): () => Promise<void>;
  remove(segments: readonly Segment[]): Promise<void>;
}

const READ_SIZE = 256 * 1024;

/** Stores files under random ids, so that no key becomes a path. The directory must exist. */
export function openBodies(directory: string): Bodies {
  const held = new Map<string, number>();
  const doomed = new Set<string>();
  const pathOf = (segment: Pick<Segment, "id">) => join(directory, segment.id);

  async function remove(segments: readonly Segment[]): Promise<void> {
    for (const segment of segments) {
      if (held.has(segment.id)) doomed.add(segment.id);
      else await unlink(segment.id);
    }
  }

  /** A file that cannot be removed now is removed at the next start; no request fails because of it. */
  async function unlink(id: string): Promise<void> {
    await rm(pathOf({ id }), { force: true }).catch(() => undefined);
  }

  function hold(segments: readonly Segment[]): () => Promise<void> {
    for (const { id } of segments) held.set(id, (held.get(id) ?? 0) + 1);
    return async () => {
      for (const segment of segments) {
        const holders = (held.get(segment.id) ?? 1) - 1;
        if (holders > 0) held.set(segment.id, holders);
        else {
          held.delete(segment.id);
          if (doomed.delete(segment.id)) await unlink(segment.id);
        }
      }
    };
  }

  return {
    hold,
    remove,
    async create() {
      const id = randomUUID();
      const file = await open(pathOf({ id }), "wx", PRIVATE_FILE);
      let size = 0;
      return {
        async write(bytes) {
          for (let offset = 0; offset < bytes.length; ) {
            offset += (await file.write(bytes, offset)).bytesWritten;
          }
          size += bytes.length;
        },
        async close() {
          await file.close();
          return { id, size };
        },
        async discard() {
          await file.close().catch(() => undefined);
          await unlink(id);
        },
      };
    },
    async *read(segments, start, end) {
      let offset = 0;
      for (const segment of segments) {
        const from = Math.max(start - offset, 0);
        const to = Math.min(end - offset, segment.size);
        offset += segment.size;
        if (from < to) yield* readFile(pathOf(segment), from, to);
      }
    },
    async duplicate(segments) {
      const copies: Segment[] = [];
      const release = hold(segments);
      try {
        for (const segment of segments) {
          const copy = { id: randomUUID(), size: segment.size };
          copies.push(copy);
          await linkOrCopy(pathOf(segment), pathOf(copy));
        }
        return copies;
      } catch (error) {
        await remove(copies);
        throw error;
      } finally {
        await release();
      }
    },
  };
}

// --- utils ---

async function* readFile(path: string, from: number, to: number): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await open(path, "r");
  try {
    for (let position = from; position < to; ) {
      const buffer = Buffer.allocUnsafe(Math.min(READ_SIZE, to - position));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) throw new Error(`${path} is shorter than the database says`);
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    // FAT, some network file systems and more than the allowed number of links: EPERM, ENOTSUP, EMLINK…
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw error;
    await copyFile(from, to, constants.COPYFILE_FICLONE);
    await chmod(to, PRIVATE_FILE);
  }
}
