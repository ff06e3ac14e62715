/**
 * A body as one buffer.
 * @param maxBytes read no further than the chunk that exceeds it
 * @param tooLarge creates the error from the number of bytes read so far; the stream's creator destroys it
 */
export async function readBytes(
  body: AsyncIterable<unknown>,
  maxBytes: number,
  tooLarge: (size: number) => Error,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge(size);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
