import { type Reason, RelayError } from "../errors.ts";
import { type ObjectRef, uri } from "../model/object-keys.ts";
import { readBytes } from "../util/read-bytes.ts";
import type { ObjectHead, Storage } from "./storage.ts";
import { storageError } from "./storage-error.ts";

/**
 * Reads a small object as a whole.
 * @param tooLarge the reason of the error when it has more than `maxBytes`
 * @returns undefined if there is none
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
  try {
    const bytes = await readBytes(found.body, maxBytes, (size) => refuse(`${size} or more`));
    return { head: found.head, bytes };
  } catch (error) {
    throw storageError(error, ref);
  }
}
