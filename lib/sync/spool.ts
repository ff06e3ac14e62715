import { type FileHandle, open } from "node:fs/promises";

/** Texts in a file, read by position: they take disk, not memory. */
interface Spool {
  /** Appends a text; its position is the number of earlier ones. */
  add(text: string): Promise<void>;
  /** Writes what is still buffered. Nothing is added afterwards. */
  end(): Promise<void>;
  read(place: number): Promise<string>;
  close(): Promise<void>;
}

/** Size of the write buffer in bytes. */
const BLOCK = 262_144;

/** @param path of a file that does not exist yet */
export async function spool(path: string): Promise<Spool> {
  const file = await open(path, "wx+", 0o600);
  /** Where each text ends. */
  const ends: number[] = [];
  let held: Buffer[] = [];
  let heldBytes = 0;
  let written = 0;
  const flush = async () => {
    const block = Buffer.concat(held);
    [held, heldBytes] = [[], 0];
    await file.writev([block], written);
    written += block.length;
  };
  return {
    add: async (text) => {
      const bytes = Buffer.from(text);
      ends.push((ends.at(-1) ?? 0) + bytes.length);
      held.push(bytes);
      heldBytes += bytes.length;
      if (heldBytes >= BLOCK) await flush();
    },
    end: flush,
    read: async (place) => {
      const [start, end] = [ends[place - 1] ?? 0, ends[place]];
      if (end === undefined) throw new RangeError(`no text ${place} of ${ends.length}`);
      return await readBytes(file, start, end - start);
    },
    close: async () => await file.close(),
  };
}

async function readBytes(file: FileHandle, start: number, length: number): Promise<string> {
  const bytes = Buffer.allocUnsafe(length);
  for (let read = 0; read < length; ) {
    const { bytesRead } = await file.read(bytes, read, length - read, start + read);
    if (bytesRead === 0) throw new Error(`the spool ends at ${start + read}, ${length - read} bytes early`);
    read += bytesRead;
  }
  return bytes.toString("utf8");
}
