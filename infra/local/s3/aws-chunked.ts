import { S3Error } from "./errors.ts";

const MAX_LINE = 16 * 1024;
const LF = 0x0a;

/**
 * Decodes an aws-chunked body (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and
 * …/sigv4-streaming-trailers.html): `<hex size>[;chunk-signature=…]\r\n<bytes>\r\n`, a chunk of size 0, then trailers.
 * Yields the bytes and fills `trailers` (lower-case names). Like all signatures here, chunk signatures are not verified.
 */
export async function* decodeAwsChunked(
  source: AsyncIterable<Uint8Array>,
  trailers: Map<string, string>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let state: "size" | "bytes" | "end of chunk" | "trailer" = "size";
  let remaining = 0;
  let line = "";
  for await (const block of source) {
    let position = 0;
    while (position < block.length) {
      if (state === "bytes") {
        const bytes = block.subarray(position, position + remaining);
        position += bytes.length;
        remaining -= bytes.length;
        if (remaining === 0) state = "end of chunk";
        yield bytes;
        continue;
      }
      const newline = block.indexOf(LF, position);
      const end = newline < 0 ? block.length : newline + 1;
      line += Buffer.from(block.subarray(position, end)).toString("latin1");
      position = end;
      if (line.length > MAX_LINE) throw malformed("a line is too long");
      if (newline < 0) continue;
      // After a trailer some clients send LF and an empty line, as in a sample in AWS's documentation.
      if (state !== "trailer" && !line.endsWith("\r\n")) throw malformed("a line does not end in CRLF");
      const text = line.trimEnd();
      line = "";
      if (state === "end of chunk") {
        if (text !== "") throw malformed("a chunk is longer than its size says");
        state = "size";
      } else if (state === "size") {
        remaining = chunkSize(text);
        state = remaining === 0 ? "trailer" : "bytes";
      } else if (text !== "") {
        const colon = text.indexOf(":");
        if (colon < 1) throw malformed("a trailer has no name");
        trailers.set(text.slice(0, colon).trim().toLowerCase(), text.slice(colon + 1).trim());
      }
    }
  }
  if (line !== "" && state === "trailer") throw malformed("bytes after its end");
  // Some clients omit the last empty line; the chunk of size 0 is mandatory.
  if (state !== "trailer") throw new S3Error("IncompleteBody");
}

function chunkSize(line: string): number {
  const [, digits] = /^([\da-f]{1,12})(?:;[^\r\n]*)?$/i.exec(line) ?? [];
  if (digits === undefined) throw malformed("a chunk has no size");
  return Number.parseInt(digits, 16);
}

function malformed(reason: string): S3Error {
  return new S3Error("InvalidRequest", `The aws-chunked body is malformed: ${reason}.`);
}
