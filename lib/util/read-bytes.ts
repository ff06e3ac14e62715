/**
 * A body as one buffer.
 * @param maxBytes read no further than the chunk that exceeds it
 * @param tooLarge makes what is thrown then, of the bytes read so far; whoever made the stream destroys it
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
