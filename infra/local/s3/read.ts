import { existingBucket } from "./buckets.ts";
import { assertReadConditions } from "./conditions.ts";
import type { S3Context, S3Handler } from "./context.ts";
import { S3Error } from "./errors.ts";
import { headerText, requireBucket, requireKey, type S3Request } from "./request.ts";
import type { StoredObject } from "./store.ts";

/** Response headers that a signed GET may override, by parameter name. */
const OVERRIDES = {
  "response-cache-control": "cache-control",
  "response-content-disposition": "content-disposition",
  "response-content-encoding": "content-encoding",
  "response-content-language": "content-language",
  "response-content-type": "content-type",
  "response-expires": "expires",
} as const;

export const OVERRIDE_PARAMETERS = Object.keys(OVERRIDES);

/** Buckets are unversioned: the only version has the id "null". */
export function assertVersion(versionId: string | undefined): void {
  if (versionId !== undefined && versionId !== "null") throw new S3Error("NoSuchVersion");
}

export function existingObject(context: S3Context, bucket: string, key: string): StoredObject {
  existingBucket(context, bucket);
  const object = context.objects.get(bucket, key);
  if (!object) throw new S3Error("NoSuchKey");
  return object;
}

export const headObject: S3Handler = (context, request) => {
  const { status, headers } = describe(context, request);
  return { status, headers };
};

export const getObject: S3Handler = (context, request) => {
  const { status, headers, object, start, end } = describe(context, request);
  const release = context.bodies.hold(object.segments);
  return { status, headers, body: context.bodies.read(object.segments, start, end), finished: release };
};

// --- utils ---

function describe(context: S3Context, request: S3Request) {
  const object = existingObject(context, requireBucket(request), requireKey(request));
  assertVersion(request.query.get("versionId"));
  assertReadConditions(request.headers, object);
  const range = parseRange(applicableRange(request, object), object.size);
  const [start, end] = range ?? [0, object.size];
  const headers: Record<string, string> = {
    ...object.headers,
    ...Object.fromEntries(
      Object.entries(object.metadata).map(([name, value]) => [`x-amz-meta-${name}`, encodeMetadata(value)]),
    ),
    "accept-ranges": "bytes",
    "content-length": String(end - start),
    etag: `"${object.etag}"`,
    "last-modified": new Date(object.modified).toUTCString(),
    ...(range ? { "content-range": `bytes ${start}-${end - 1}/${object.size}` } : checksumHeaders(request, object)),
  };
  for (const [parameter, name] of Object.entries(OVERRIDES)) {
    const value = request.query.get(parameter);
    if (value !== undefined) headers[name] = value;
  }
  return { status: range ? 206 : 200, headers, object, start, end };
}

function checksumHeaders({ headers }: S3Request, { checksum }: StoredObject): Record<string, string> {
  if (!checksum || headers.get("x-amz-checksum-mode")?.toUpperCase() !== "ENABLED") return {};
  return {
    [`x-amz-checksum-${checksum.algorithm.toLowerCase()}`]: checksum.value,
    "x-amz-checksum-type": checksum.type,
  };
}

/** Like MinIO, S3 returns non-ASCII text as an encoded word (RFC 2047). */
function encodeMetadata(value: string): string {
  const text = headerText(value);
  return /^[ -~]*$/.test(text) ? text : `=?UTF-8?B?${Buffer.from(text).toString("base64")}?=`;
}

/** If-Range: the range applies only if the client has a part of the same entity. */
function applicableRange({ headers }: S3Request, object: StoredObject): string | undefined {
  const condition = headers.get("if-range");
  const same = condition === undefined || condition === `"${object.etag}"`;
  return same ? headers.get("range") : undefined;
}

/** The first byte and the byte after the last one. As in S3, a header that is not a single byte range is ignored. */
function parseRange(header: string | undefined, size: number): [number, number] | undefined {
  const [, first = "", last = ""] = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? "") ?? [];
  if (first === "" && last === "") return undefined;
  if (first !== "" && last !== "" && Number(first) > Number(last)) return undefined;
  const start = first === "" ? Math.max(size - Number(last), 0) : Number(first);
  const end = first === "" || last === "" ? size : Math.min(Number(last) + 1, size);
  if (start >= end) throw new S3Error("InvalidRange", undefined, { headers: { "content-range": `bytes */${size}` } });
  return [start, end];
}
