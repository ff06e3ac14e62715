import { createHash } from "node:crypto";
import { Transform } from "node:stream";

/** Passes bytes on and hashes them: SHA-256 in hex, to be read once at the end. */
export function hashStream(): { readonly stream: Transform; readonly sha256: () => string } {
  const hash = createHash("sha256");
  const stream = new Transform({
    transform: (chunk: Buffer, _, done) => {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  return { stream, sha256: () => hash.digest("hex") };
}
