import { createBucket, deleteBucket, getBucketLocation, headBucket, listBuckets } from "./buckets.ts";
import { CHECKSUM_ALGORITHMS, checksumHeader } from "./checksums.ts";
import type { S3Handler } from "./context.ts";
import { notImplemented } from "./errors.ts";
import { listObjects } from "./list.ts";
import {
  abortMultipartUpload,
  completeMultipartUpload,
  createMultipartUpload,
  listUploadParts,
  uploadPart,
} from "./multipart.ts";
import { getNotification, putNotification } from "./notification.ts";
import { copyObject, deleteObject, deleteObjects, putObject } from "./objects.ts";
import { getObject, headObject, OVERRIDE_PARAMETERS } from "./read.ts";
import type { S3Request } from "./request.ts";

interface Route {
  readonly method: string;
  readonly scope: "service" | "bucket" | "object";
  /** Required parameters: they make a POST, say, a CompleteMultipartUpload. */
  readonly needs?: readonly string[];
  /** Other supported parameters. */
  readonly query?: readonly string[];
  /** Supported `x-amz-…` and conditional headers, besides those of every request. A trailing * matches a prefix. */
  readonly headers?: readonly string[];
  readonly handler: S3Handler;
}

/** `x-id` is the SDK's name for the operation. Every signed request has the others. */
const COMMON_QUERY = ["x-id"];
const COMMON_HEADERS = [
  ...["algorithm", "content-sha256", "credential", "date", "expires", "security-token", "signature"],
  ...["signedheaders", "user-agent"],
].map((name) => `x-amz-${name}`);

const CHECKSUM = [
  ...CHECKSUM_ALGORITHMS.map(checksumHeader),
  "x-amz-sdk-checksum-algorithm",
  "x-amz-trailer",
  "x-amz-decoded-content-length",
];
const READ = [
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
  "if-range",
  "x-amz-checksum-mode",
];
const CONDITIONAL_WRITE = ["if-match", "if-none-match"];
const OBJECT = ["x-amz-meta-*", "x-amz-storage-class", "x-amz-acl"];
const READ_QUERY = ["versionId", ...OVERRIDE_PARAMETERS];
const LIST_QUERY = [
  "prefix",
  "delimiter",
  "max-keys",
  "continuation-token",
  "start-after",
  "encoding-type",
  "fetch-owner",
];

/** All supported operations; the first matching row serves the request. */
const ROUTES: readonly Route[] = [
  { method: "GET", scope: "service", handler: listBuckets },
  {
    method: "PUT",
    scope: "bucket",
    needs: ["notification"],
    headers: [...CHECKSUM, "x-amz-skip-destination-validation"],
    handler: putNotification,
  },
  { method: "PUT", scope: "bucket", headers: [...CHECKSUM, "x-amz-acl"], handler: createBucket },
  { method: "HEAD", scope: "bucket", handler: headBucket },
  { method: "DELETE", scope: "bucket", handler: deleteBucket },
  { method: "GET", scope: "bucket", needs: ["location"], handler: getBucketLocation },
  { method: "GET", scope: "bucket", needs: ["notification"], handler: getNotification },
  { method: "GET", scope: "bucket", needs: ["list-type"], query: LIST_QUERY, handler: listObjects },
  { method: "POST", scope: "bucket", needs: ["delete"], headers: CHECKSUM, handler: deleteObjects },
  { method: "HEAD", scope: "object", query: READ_QUERY, headers: READ, handler: headObject },
  {
    method: "GET",
    scope: "object",
    needs: ["uploadId"],
    query: ["max-parts", "part-number-marker"],
    handler: listUploadParts,
  },
  { method: "GET", scope: "object", query: READ_QUERY, headers: READ, handler: getObject },
  { method: "PUT", scope: "object", needs: ["partNumber", "uploadId"], headers: CHECKSUM, handler: uploadPart },
  { method: "PUT", scope: "object", headers: [...OBJECT, ...CHECKSUM, ...CONDITIONAL_WRITE], handler: putObject },
  { method: "DELETE", scope: "object", needs: ["uploadId"], handler: abortMultipartUpload },
  { method: "DELETE", scope: "object", query: ["versionId"], headers: ["if-match"], handler: deleteObject },
  {
    method: "POST",
    scope: "object",
    needs: ["uploads"],
    headers: [...OBJECT, "x-amz-checksum-algorithm", "x-amz-checksum-type"],
    handler: createMultipartUpload,
  },
  {
    method: "POST",
    scope: "object",
    needs: ["uploadId"],
    headers: [...CHECKSUM, ...CONDITIONAL_WRITE, "x-amz-checksum-type", "x-amz-mp-object-size"],
    handler: completeMultipartUpload,
  },
];

const COPY: Route = {
  method: "PUT",
  scope: "object",
  headers: [...OBJECT, ...CONDITIONAL_WRITE, "x-amz-copy-source", "x-amz-copy-source-if-*", "x-amz-metadata-directive"],
  handler: copyObject,
};

/** Accepted values without effect here; others are not implemented. */
const HARMLESS_VALUES: Readonly<Record<string, string>> = { "x-amz-acl": "private", "x-amz-storage-class": "STANDARD" };

/**
 * The handler of the request. A parameter or header that its row does not list asks for an unsupported feature
 * (tags, encryption, locks…) and returns 501, never a false 200.
 */
export function route(request: S3Request): S3Handler {
  const { method, query, headers } = request;
  const scope = request.bucket === undefined ? "service" : request.key === undefined ? "bucket" : "object";
  const plain = ROUTES.find(
    (row) => row.method === method && row.scope === scope && (row.needs ?? []).every((name) => query.has(name)),
  );
  const found = plain && headers.has("x-amz-copy-source") ? COPY : plain;
  if (!found)
    throw notImplemented(`${method} of the ${scope}${query.size > 0 ? ` with ${[...query.keys()].join(", ")}` : ""}`);
  const parameters = new Set([...COMMON_QUERY, ...(found.needs ?? []), ...(found.query ?? [])]);
  for (const name of query.keys()) {
    if (!parameters.has(name)) throw notImplemented(`the parameter ${name} in ${method} of the ${scope}`);
  }
  for (const [name, value] of headers) assertUnderstood(found, name, value);
  return found.handler;
}

function assertUnderstood(row: Route, name: string, value: string): void {
  if (!/^(x-amz-|if-)/.test(name)) return;
  const understood = [...COMMON_HEADERS, ...(row.headers ?? [])].some((pattern) =>
    pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
  );
  const harmless = HARMLESS_VALUES[name];
  if (!understood || (harmless !== undefined && value !== harmless))
    throw notImplemented(`the header ${name}: ${value}`);
}
