import { Readable } from "node:stream";

/** A body whose connection breaks once its reader has the start of it. */
export function brokenBody(start: string, error?: Error): Readable {
  let given = false;
  return new Readable({
    read() {
      if (given) this.destroy(error);
      else this.push(start);
      given = true;
    },
  });
}
