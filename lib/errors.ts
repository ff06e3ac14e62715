import { redact } from "./util/secrets.ts";

/**
 * The one family of errors of the relay, in three classes:
 * - `permanent`: no retry mends it; the message goes to the dead-letter queue after this try.
 * - `transient`: a retry may mend it; the message comes back with a growing visibility timeout.
 * - `unknown`: a request may or may not have taken effect (an import without an answer). The next delivery looks the
 *   outcome up in DefectDojo before it does anything again.
 */
export type ErrorClass = "permanent" | "transient" | "unknown";

/**
 * What can go wrong, by cause: the class it is treated as and what a person can do about it.
 * Everything that sorts, retries, puts aside or explains a failure reads this table.
 */
export const REASONS = {
  "event-invalid": [
    "permanent",
    "Check what sends the notification; a replay by `dojo-relay backfill` finds its scan.",
  ],
  "job-invalid": ["permanent", "Drop the message with `dojo-relay dlq drop` and run `dojo-relay backfill`."],
  "sidecar-missing": [
    "transient",
    "Upload the Scan (`kubectl get scan NAME -o json`) beside the findings, before them.",
  ],
  "sidecar-invalid": ["permanent", "Correct the Scan beside the findings, then redrive or upload the findings again."],
  "sidecar-too-large": ["permanent", "Raise MAX_SIDECAR_BYTES, or strip what is not needed from the Scan."],
  "findings-missing": [
    "transient",
    "Upload the findings again, or drop the message if the scan was deleted on purpose.",
  ],
  "findings-invalid": ["permanent", "Correct findings.json (schema: secureCodeBox findings) and upload it again."],
  "findings-too-large": ["permanent", "Raise MAX_FINDINGS_BYTES and the temporary storage of the importer."],
  "raw-result-missing": ["permanent", "Upload the raw result that status.rawResultFile names, then redrive."],
  "raw-result-too-large": ["permanent", "Raise MAX_RAW_RESULT_BYTES and DefectDojo's DD_SCAN_FILE_MAX_SIZE."],
  "dojo-rejected": [
    "permanent",
    "Correct the field that DefectDojo names (annotation, sidecar or report), then redrive.",
  ],
  "dojo-forbidden": [
    "permanent",
    "Check DEFECTDOJO_APIKEY and the rights of its user (`dojo-relay doctor`), then redrive.",
  ],
  "dojo-not-found": ["permanent", "Check DEFECTDOJO_URL and that the object was not deleted meanwhile, then redrive."],
  "dojo-too-large": [
    "permanent",
    "Raise DD_SCAN_FILE_MAX_SIZE and the body limit of the web server before DefectDojo.",
  ],
  "dojo-redirected": [
    "permanent",
    "Set DEFECTDOJO_URL to the address that DefectDojo redirects to; keys never follow a redirect.",
  ],
  "dojo-tls": [
    "permanent",
    "Add the private CA by NODE_EXTRA_CA_CERTS, or renew the certificate; verification stays on.",
  ],
  "dojo-conflict": [
    "transient",
    "Two requests wanted the same row in DefectDojo at once; the job is tried again by itself.",
  ],
  "dojo-not-json": [
    "transient",
    "Add the host of DEFECTDOJO_URL to DefectDojo's DD_ALLOWED_HOSTS, and see what the proxies before it answer; the job is tried again by itself.",
  ],
  "dojo-gate": [
    "transient",
    "A gate before DefectDojo wants a login: give it what it asks for in DEFECTDOJO_HEADERS, or a DEFECTDOJO_URL behind it; the key never follows a redirect.",
  ],
  "dojo-busy": ["transient", "DefectDojo asks to slow down; lower MAX_CONCURRENCY if this goes on."],
  "dojo-unavailable": ["transient", "See DefectDojo's own logs; the job is tried again by itself."],
  "dojo-unreachable": [
    "transient",
    "Check DEFECTDOJO_URL, DNS, network policy and proxy; the job is tried again by itself.",
  ],
  "dojo-timeout": ["transient", "DefectDojo did not answer in time; the job is tried again by itself."],
  "dojo-answer-invalid": [
    "permanent",
    "Check that DEFECTDOJO_URL is DefectDojo's own address and its version (2.x or 3.x).",
  ],
  "dojo-answer-too-large": [
    "permanent",
    "Shorten the finding that is named, in DefectDojo; where none is, check that DEFECTDOJO_URL is DefectDojo's own address.",
  ],
  "import-unknown": [
    "unknown",
    "The next try looks in DefectDojo whether the import happened before it imports again.",
  ],
  "import-refused": [
    "permanent",
    "The report was refused as native and as generic; see DefectDojo's logs for the parser's error.",
  ],
  "import-incomplete": [
    "permanent",
    "DefectDojo keeps another number of findings than were sent; compare the test with findings.json.",
  ],
  "deduplication-unfinished": [
    "transient",
    "DefectDojo's Celery worker is behind; the job goes on from the finished import.",
  ],
  "read-unstable": ["transient", "The test changed while it was read; the job is tried again by itself."],
  "product-type-missing": [
    "permanent",
    "Create the product type and put the token's user on it; low-privileged tokens may not.",
  ],
  "user-missing": ["permanent", "Correct DEFECTDOJO_USERNAME, or leave it out: the token's own user is the lead then."],
  "storage-forbidden": [
    "permanent",
    "Give the relay read and write on the scan's folder, then redrive; a hook's presigned addresses are good for a while only.",
  ],
  "storage-rejected": [
    "permanent",
    "Look up the code that the object store gives: region, encryption, key or bucket are not as it wants them; then redrive.",
  ],
  "storage-missing": ["permanent", "Check the bucket's name and region, then redrive."],
  "storage-unavailable": ["transient", "The object store did not answer well; the job is tried again by itself."],
  "storage-precondition": ["permanent", "Another writer was first; the newer object stays."],
  "key-unavailable": [
    "transient",
    "Check the secret's or parameter's name, the role's right to read it, and the way to Secrets Manager or SSM.",
  ],
  "queue-unavailable": ["transient", "The queue did not answer well; the message is tried again by itself."],
  "cluster-refused": [
    "permanent",
    "Check SCAN_NAME, NAMESPACE and that the service account may get scans and patch scans/status.",
  ],
  "cluster-unavailable": ["transient", "The Kubernetes API did not answer well; the request is tried again by itself."],
  "failures-exhausted": [
    "permanent",
    "See the last error in the logs; redrive with `dojo-relay dlq redrive` when it is mended.",
  ],
  "config-invalid": ["permanent", "Correct the named environment variables (`dojo-relay doctor` checks them all)."],
  "data-directory-unusable": [
    "permanent",
    "Name in DATA_DIR a directory that the service's user may write to, on a healthy disk with room; nothing in it was changed.",
  ],
  internal: ["transient", "This is a fault of dojo-relay: please report it with the log line."],
} as const satisfies Record<string, readonly [ErrorClass, string]>;

export type Reason = keyof typeof REASONS;

export interface RelayErrorOptions {
  /** What the error is about: `s3://bucket/key`, a path of DefectDojo's API, a scan. */
  readonly object?: string;
  /** Seconds that the other side asked us to wait (`Retry-After`). */
  readonly retryAfterSeconds?: number;
  /** HTTP status, where there was an answer. */
  readonly status?: number;
  readonly cause?: unknown;
}

/** Thrown for every failure that the relay knows; its reason is a row of {@link REASONS}. */
export class RelayError extends Error {
  override readonly name = "RelayError";
  readonly reason: Reason;
  readonly object: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly status: number | undefined;

  constructor(reason: Reason, message: string, options: RelayErrorOptions = {}) {
    super(redact(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.reason = reason;
    this.object = options.object;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.status = options.status;
  }

  get errorClass(): ErrorClass {
    return REASONS[this.reason][0];
  }

  get advice(): string {
    return REASONS[this.reason][1];
  }
}

/**
 * Any thrown value as a RelayError. What is not known is `internal` and retried: an unknown error must not lose a job.
 */
export function toRelayError(error: unknown, object?: string): RelayError {
  if (error instanceof RelayError) return error;
  return new RelayError("internal", messageOf(error), { cause: error, ...(object === undefined ? {} : { object }) });
}

/** The error, its causes and codes in one line without secrets, for logs and message attributes. Never longer than `limit` characters. */
export function describeError(error: unknown, limit = 1_000): string {
  const parts: string[] = [];
  for (let e: unknown = error, depth = 0; e !== undefined && depth < 5; depth++) {
    const code = e instanceof Error && "code" in e && typeof e.code === "string" ? ` (${e.code})` : "";
    parts.push(`${messageOf(e)}${code}`);
    e = e instanceof Error ? e.cause : undefined;
  }
  const line = redact(redact(parts.join(": ")).replace(/\s+/g, " "));
  return line.length > limit ? `${line.slice(0, limit - 1)}…` : line;
}

/** Anything may be thrown, also what has no text. */
function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  return typeof error === "object" && error !== null ? Object.prototype.toString.call(error) : String(error);
}
