import { createReadStream } from "node:fs";
import http from "node:http";
import https from "node:https";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { describeError, type Reason, RelayError } from "../../lib/errors.ts";
import type { ObjectHead } from "../../lib/ports/storage.ts";
import { backoff } from "../../lib/util/backoff.ts";
import type { Clock } from "../../lib/util/clock.ts";
import { unreadBody } from "../../lib/util/unread-body.ts";
import type { PresignedUrl } from "./presigned-url.ts";

/** The two requests that presigned URLs allow. A signature for GET does not cover HEAD. */
export interface PresignedHttp {
  /** The object as a stream, or undefined if there is none. Retried if that may help. */
  get(at: PresignedUrl): Promise<{ head: ObjectHead; body: Readable } | undefined>;
  /** One PUT, never retried here. @returns the ETag in the response, or "" */
  put(at: PresignedUrl, file: { readonly path: string; readonly size: number }): Promise<string>;
}

export interface PresignedHttpOptions {
  readonly clock: Clock;
  /** Where `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are read. */
  readonly proxyEnv?: Readonly<Record<string, string | undefined>>;
}

const TRIES = 3;
const FIRST_WAIT_MS = 900;
/** A connection without a byte for this long is abandoned. */
const IDLE_MS = 60_000;
/** At most this much of a refusal is read. */
const LARGEST_REFUSAL = 4_096;

/** Node's own HTTP client: proxies by the usual variables, TLS verified, no redirect followed (a signature holds for one host). */
export function presignedHttp({ clock, proxyEnv }: PresignedHttpOptions): PresignedHttp {
  const options = { keepAlive: true, ...(proxyEnv === undefined ? {} : { proxyEnv }) };
  const agents = { "http:": new http.Agent(options), "https:": new https.Agent(options) };

  const send = async (method: "GET" | "PUT", { url }: PresignedUrl, body?: { path: string; size: number }) => {
    const secure = url.protocol === "https:";
    const agent = agents[secure ? "https:" : "http:"];
    // No Content-Type: a signature of version 2 covers it.
    const headers = body === undefined ? { "accept-encoding": "identity" } : { "content-length": String(body.size) };
    const request = (secure ? https : http).request(url, { method, agent, headers });
    request.setTimeout(IDLE_MS, () =>
      request.destroy(Object.assign(new Error(`no byte for ${IDLE_MS / 1000} s`), { code: "ETIMEDOUT" })),
    );
    const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
      request.once("error", reject);
      request.once("response", resolve);
    });
    if (body === undefined || body.size === 0) request.end();
    // A server that refuses before it has read everything breaks the upload; its answer counts then.
    else pipeline(createReadStream(body.path), request).catch((error: Error) => request.destroy(error));
    return await answered;
  };

  const getOnce = async (at: PresignedUrl) => {
    try {
      const response = await send("GET", at);
      if (response.statusCode === 200) return { head: toHead(response.headers), body: unreadBody(response) };
      const refusal = await readRefusal(response);
      if (response.statusCode === 404 && refusal.code !== "NoSuchBucket") return undefined;
      throw refused({ method: "GET", at }, response, refusal, clock);
    } catch (error) {
      throw unreached("GET", at, error);
    }
  };

  return {
    get: async (at) => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await getOnce(at);
        } catch (error) {
          const again = error instanceof RelayError && error.errorClass === "transient" && attempt < TRIES;
          if (!again || error.retryAfterSeconds !== undefined) throw error;
          await clock.sleep(backoff(FIRST_WAIT_MS, attempt));
        }
      }
    },
    put: async (at, file) => {
      try {
        const response = await send("PUT", at, file);
        const status = response.statusCode ?? 0;
        const refusal = await readRefusal(response);
        if (status < 200 || status > 299) throw refused({ method: "PUT", at }, response, refusal, clock);
        return etagOf(response.headers);
      } catch (error) {
        throw unreached("PUT", at, error);
      }
    },
  };
}

/** The ETag without quotes; for a server that gives none, what changes with the object. */
function etagOf(headers: http.IncomingHttpHeaders): string {
  const etag = (headers.etag ?? "").replace(/^W\//, "").replaceAll('"', "");
  return etag !== "" || headers["last-modified"] === undefined
    ? etag
    : `${headers["last-modified"]} ${headers["content-length"] ?? ""}`;
}

function toHead(headers: http.IncomingHttpHeaders): ObjectHead {
  const modified = new Date(headers["last-modified"] ?? Number.NaN);
  return {
    etag: etagOf(headers),
    size: Number(headers["content-length"] ?? 0),
    lastModified: Number.isNaN(modified.getTime()) ? undefined : modified,
    metadata: {},
  };
}

interface Refusal {
  readonly code: string;
  readonly message: string;
}

/** Code and message of an S3 error document, and nothing else of it: some repeat the signature. */
async function readRefusal(response: http.IncomingMessage): Promise<Refusal> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    if (size < LARGEST_REFUSAL) chunks.push(chunk);
    size += chunk.length;
  }
  const text = Buffer.concat(chunks).toString("utf8", 0, LARGEST_REFUSAL);
  const part = (name: string) => new RegExp(`<${name}>([^<]{1,300})</${name}>`).exec(text)?.[1] ?? "";
  return { code: part("Code"), message: part("Message") };
}

/** S3's codes, then statuses, to our reasons; what is not listed is `storage-forbidden` below 500 and `storage-unavailable` from there. */
const BY_CODE: Readonly<Record<string, Reason>> = {
  RequestTimeout: "storage-unavailable",
  SlowDown: "storage-unavailable",
  NoSuchBucket: "storage-missing",
};
const BY_STATUS: Readonly<Record<number, Reason>> = {
  404: "storage-missing",
  408: "storage-unavailable",
  412: "storage-precondition",
  429: "storage-unavailable",
};

function refused(
  { method, at }: { readonly method: string; readonly at: PresignedUrl },
  { statusCode: status = 0, headers }: http.IncomingMessage,
  { code, message }: Refusal,
  clock: Clock,
): RelayError {
  const reason = BY_CODE[code] ?? BY_STATUS[status] ?? (status >= 500 ? "storage-unavailable" : "storage-forbidden");
  const expired =
    status >= 400 && status < 500 && at.expiresAt !== undefined && at.expiresAt.getTime() <= clock.now()
      ? `the URL was signed until ${at.expiresAt.toISOString()}`
      : "";
  const moved = status >= 300 && status < 400 ? "redirects of a signed URL are not followed" : "";
  const why = [code, message, expired, moved].filter((part) => part !== "").join(": ");
  const seconds = Number(headers["retry-after"] ?? Number.NaN);
  return new RelayError(reason, `${method} ${at.where}: HTTP ${status}${why === "" ? "" : `: ${why}`}`, {
    object: at.where,
    status,
    ...(Number.isFinite(seconds) ? { retryAfterSeconds: Math.min(seconds, 300) } : {}),
  });
}

/** The error for a missing response; one of ours stays as it is. */
function unreached(method: string, at: PresignedUrl, error: unknown): RelayError {
  if (error instanceof RelayError) return error;
  return new RelayError("storage-unavailable", `${method} ${at.where}: ${describeError(error)}`, {
    object: at.where,
    cause: error,
  });
}
