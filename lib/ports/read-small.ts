import { type Reason, RelayError } from "../errors.ts";
import { type ObjectRef, uri } from "../model/object-keys.ts";
import type { ObjectHead, Storage } from "./storage.ts";
import { storageError } from "./storage-error.ts";

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
