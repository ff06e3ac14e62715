import { type Reason, RelayError } from "../errors.ts";
import { type ObjectRef, uri } from "../model/object-keys.ts";

/**
 * Errors worth a retry although their status may suggest otherwise. A conflict with a write in progress is not a lost race: that write may still fail. A
 * lost multipart upload starts over; truncated or corrupted bodies are sent again; expired credentials are renewed.
 */
const TRANSIENT = new Set([
  "SlowDown",
  "ServiceUnavailable",
  "RequestTimeout",
  "InternalError",
  "ConditionalRequestConflict",
  "OperationAborted",
  "NoSuchUpload",
  "InvalidPart",
  "IncompleteBody",
  "BadDigest",
  "XAmzContentSHA256Mismatch",
  "ExpiredToken",
  "TokenRefreshRequired",
]);

/** Statuses of a refused request that ask for another attempt. */
const LATER = new Set([408, 429]);

/** Names and statuses of S3's errors, mapped to our reasons; the first match counts. https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
const ERRORS: readonly (readonly [(name: string, status: number | undefined) => boolean, Reason])[] = [
  [(name, status) => name === "PreconditionFailed" || status === 412, "storage-precondition"],
  [(name) => TRANSIENT.has(name), "storage-unavailable"],
  [(_, status) => status === 403, "storage-forbidden"],
  [(name, status) => name === "NoSuchBucket" || name === "NoSuchKey" || status === 404, "storage-missing"],
  [(_, status = 0) => status >= 400 && status < 500 && !LATER.has(status), "storage-rejected"],
];

/** The SDK's error as ours; for unknown ones (network, 5xx) a retry may help. */
export function storageError(error: unknown, ref: ObjectRef): RelayError {
  if (error instanceof RelayError) return error;
  const { name, status } = errorFacts(error);
  const reason = ERRORS.find(([fits]) => fits(name, status))?.[1] ?? "storage-unavailable";
  const what = status === undefined ? name : `${name} (HTTP ${status})`;
  return new RelayError(reason, `${uri(ref)}: ${what}`, {
    object: uri(ref),
    cause: error,
    ...(status === undefined ? {} : { status }),
  });
}

/** Name (or the code of a failed connection) and HTTP status of any thrown value. */
export function errorFacts(error: unknown): { name: string; status: number | undefined } {
  if (!(error instanceof Error)) return { name: String(error), status: undefined };
  const metadata = "$metadata" in error ? (error.$metadata as { httpStatusCode?: number } | undefined) : undefined;
  // A failed connection has a code that is more specific than its name.
  const code = "code" in error && typeof error.code === "string" ? error.code : undefined;
  return { name: error.name === "Error" && code !== undefined ? code : error.name, status: metadata?.httpStatusCode };
}
