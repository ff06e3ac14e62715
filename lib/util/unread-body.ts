import type { Readable } from "node:stream";

/**
 * A response's body, returned before it is read: if its connection breaks meanwhile, whoever reads it gets the error. Without a listener, that error would
 * end the process.
 */
export function unreadBody<T extends Readable>(body: T): T {
  return body.on("error", () => undefined);
}
