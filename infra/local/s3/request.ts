import type { IncomingMessage } from "node:http";
import { notImplemented, S3Error } from "./errors.ts";

const MAX_KEY_BYTES = 1024;
const METADATA_PREFIX = "x-amz-meta-";

/** A request for the handlers. Header names are lower case; header values are latin1, as in node:http. */
export interface S3Request {
  readonly method: string;
  readonly path: string;
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  readonly query: ReadonlyMap<string, string>;
  /** The headers; a presigned request adds its `X-Amz-…` parameters, which replace headers. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: IncomingMessage;
}

export function parseRequest(message: IncomingMessage): S3Request {
  const [path = "", search = ""] = splitOnce(message.url ?? "", "?");
  if (!path.startsWith("/")) throw new S3Error("InvalidURI");
  const [bucket = "", key = ""] = splitOnce(path.slice(1), "/").map(decodeUri);
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) throw new S3Error("KeyTooLongError");
  const headers = readHeaders(message);
  const query = new Map<string, string>();
  for (const [name, value] of parseQuery(search)) {
    const lower = name.toLowerCase();
    if (lower.startsWith("x-amz-")) headers.set(lower, value);
    else query.set(name, value);
  }
  const request: S3Request = {
    method: message.method ?? "",
    path: decodeUri(path),
    bucket: bucket || undefined,
    key: key || undefined,
    query,
    headers,
    body: message,
  };
  authenticate(request);
  return request;
}

export function requireBucket(request: S3Request): string {
  if (request.bucket === undefined) throw notImplemented(`${request.method} of the service`);
  return request.bucket;
}

export function requireKey(request: S3Request): string {
  if (request.key === undefined) throw notImplemented(`${request.method} of a bucket`);
  return request.key;
}

/**
 * Decodes the text of a header value. node:http returns one character per byte; clients send non-ASCII
 * text as UTF-8.
 */
export function headerText(value: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(value, "latin1"));
  } catch {
    return value;
  }
}

/** User metadata: names without the prefix, values as sent. */
export function readMetadata(request: S3Request): Record<string, string> {
  const metadata: Record<string, string> = {};
  let size = 0;
  for (const [name, value] of request.headers) {
    if (!name.startsWith(METADATA_PREFIX)) continue;
    metadata[name.slice(METADATA_PREFIX.length)] = value;
    size += name.length - METADATA_PREFIX.length + value.length;
  }
  if (size > 2048) throw new S3Error("MetadataTooLarge");
  return metadata;
}

/** An unsigned integer from the query or a header, or `fallback` if absent. */
export function readInteger(source: ReadonlyMap<string, string>, name: string, fallback: number): number {
  const value = source.get(name);
  if (value === undefined || value === "") return fallback;
  if (!/^\d{1,15}$/.test(value)) throw new S3Error("InvalidArgument", `${name} must be an integer, not ${value}`);
  return Number(value);
}

/**
 * Signatures are accepted without verification: the server listens on loopback only. A signature is still
 * required, because a web page in a browser can send unsigned "simple" requests to loopback, but not this header.
 */
function authenticate({ method, headers }: S3Request): void {
  if (headers.get("authorization")?.startsWith("AWS4-HMAC-SHA256 ")) return;
  const date = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(headers.get("x-amz-date") ?? "");
  if (!headers.has("x-amz-signature") || !date || !/^(GET|HEAD|PUT)$/.test(method)) throw new S3Error("AccessDenied");
  const [, year, month, day, hour, minute, second] = date;
  const signed = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  const seconds = readInteger(headers, "x-amz-expires", 0);
  if (!(signed + seconds * 1000 > Date.now())) throw new S3Error("AccessDenied", "Request has expired");
}

function readHeaders(message: IncomingMessage): Map<string, string> {
  return new Map(
    Object.entries(message.headersDistinct).map(([name, values]) => [name, (values ?? []).join(",")] as const),
  );
}

function parseQuery(search: string): [string, string][] {
  return search
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => {
      const [name = "", value = ""] = splitOnce(pair, "=");
      return [decodeUri(name.replaceAll("+", " ")), decodeUri(value.replaceAll("+", " "))];
    });
}

function splitOnce(text: string, separator: string): string[] {
  const index = text.indexOf(separator);
  return index < 0 ? [text] : [text.slice(0, index), text.slice(index + 1)];
}

function decodeUri(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    throw new S3Error("InvalidURI", `${text} is not UTF-8 in percent encoding`, { cause: error });
  }
}
