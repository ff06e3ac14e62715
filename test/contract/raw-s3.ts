import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EmbeddedS3Options, startEmbeddedS3 } from "../../infra/local/s3/server.ts";

/** A signature for requests that no SDK sends. Signatures are not verified, so it need not be valid. */
export const SIGNED = {
  authorization: "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0",
};

/** Waits for background work on disk. */
export const PATIENCE = { timeout: 30_000, interval: 20 };

/** An embedded S3 with a bucket "bucket", accessed without an SDK. */
export async function startRawS3() {
  const dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-s3-"));
  const reports: string[] = [];
  const options: EmbeddedS3Options = { dataDir, report: (message) => reports.push(message) };
  let server = await startEmbeddedS3(options);
  const send = async (
    method: string,
    path: string,
    headers: Record<string, string> = {},
    body?: string | Uint8Array<ArrayBuffer>,
  ) => {
    const init = { method, headers: { ...SIGNED, ...headers }, ...(body !== undefined && { body }) };
    const response = await fetch(server.url + path, init);
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
  await send("PUT", "/bucket");
  return {
    dataDir,
    /** Internal errors of the server. */
    reports,
    send,
    url: () => server.url,
    port: () => server.port,
    async restart(meanwhile: () => Promise<void>) {
      await server.close();
      await meanwhile();
      server = await startEmbeddedS3(options);
    },
    async close() {
      await server.close();
      await rm(dataDir, { recursive: true });
    },
  };
}

export type RawS3 = Awaited<ReturnType<typeof startRawS3>>;

export function codeOf(text: string): string | undefined {
  return /<Code>(\w+)<\/Code>/.exec(text)?.[1];
}
