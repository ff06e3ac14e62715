import { redact } from "./util/secrets.ts";

/**
 * The one family of errors of the relay, in three classes:
 * - `permanent`: no retry can fix it; the message goes to the dead-letter queue after this attempt.
 * - `transient`: a retry may fix it; the message is redelivered with a growing visibility timeout.
 * - `unknown`: a request may or may not have taken effect (an import without an answer). The next delivery looks the
 *   outcome up in DefectDojo before it does anything again.
 */
export type ErrorClass = "permanent" | "transient" | "unknown";

/**
 * Everything that can go wrong, by cause: its class and the advice to a person.
 * Everything that classifies, retries, dead-letters or explains a failure reads this table.
 */
export const REASONS = {
  "event-invalid": ["permanent", "Check the sender of the notification; `dojo-relay backfill` finds its scan."],
  "job-invalid": ["permanent", "Drop the message with `dojo-relay dlq drop` and run `dojo-relay backfill`."],
  "sidecar-missing": [
    "transient",
    "Upload the Scan (`kubectl get scan NAME -o json`) to the folder of the findings, before them.",
  ],
  "sidecar-invalid": ["permanent", "Correct the Scan beside the findings, then redrive or upload the findings again."],
  "sidecar-too-large": ["permanent", "Raise MAX_SIDECAR_BYTES, or remove unneeded fields from the Scan."],
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
    "Check DEFECTDOJO_APIKEY and the permissions of its user (`dojo-relay doctor`), then redrive.",
  ],
  "dojo-not-found": ["permanent", "Check DEFECTDOJO_URL and whether the object was deleted, then redrive."],
  "dojo-too-large": [
    "permanent",
    "Raise DD_SCAN_FILE_MAX_SIZE and the body limit of the web server in front of DefectDojo.",
  ],
  "dojo-redirected": [
    "permanent",
    "Set DEFECTDOJO_URL to the URL that DefectDojo redirects to; the API key is never sent along a redirect.",
  ],
  "dojo-tls": [
    "permanent",
    "Add the private CA with NODE_EXTRA_CA_CERTS, or renew the certificate; verification stays on.",
  ],
  "dojo-conflict": [
    "transient",
    "Two requests wrote the same row in DefectDojo at once; the job is retried automatically.",
  ],
  "dojo-not-json": [
    "transient",
    "Add the host of DEFECTDOJO_URL to DefectDojo's DD_ALLOWED_HOSTS, and check the responses of the proxies in front of it; the job is retried automatically.",
  ],
  "dojo-gate": [
    "transient",
    "A gateway in front of DefectDojo requires a login: set its headers in DEFECTDOJO_HEADERS, or a DEFECTDOJO_URL behind it; the key never follows a redirect.",
  ],
  "dojo-busy": ["transient", "DefectDojo is throttling requests; lower MAX_CONCURRENCY if this persists."],
  "dojo-unavailable": [
    "transient",
    "Check DefectDojo's logs; the job is retried automatically. If only this report fails, DefectDojo's parser cannot read it.",
  ],
  "dojo-unreachable": [
    "transient",
    "Check DEFECTDOJO_URL, DNS, network policy and proxy; the job is retried automatically.",
  ],
  "dojo-timeout": ["transient", "DefectDojo did not respond in time; the job is retried automatically."],
  "dojo-answer-invalid": [
    "permanent",
    "Check that DEFECTDOJO_URL points at DefectDojo itself and that its version is 2.x or 3.x.",
  ],
  "dojo-answer-too-large": [
    "permanent",
    "Shorten the named finding in DefectDojo; if none is named, check that DEFECTDOJO_URL points at DefectDojo itself.",
  ],
  "import-unknown": ["unknown", "The next attempt first checks in DefectDojo whether the import happened."],
  "import-refused": [
    "permanent",
    "DefectDojo rejected the report as native and as generic; its logs show the parser's error.",
  ],
  "report-refused": [
    "permanent",
    "Correct the report or its scan type (--as, annotation import-as) and upload it again: findings.json holds nothing that could be imported instead.",
  ],
  "import-incomplete": [
    "permanent",
    "DefectDojo stored a different number of findings than were sent; compare the test with findings.json.",
  ],
  "deduplication-unfinished": [
    "transient",
    "DefectDojo's Celery worker lags behind; the job continues from the finished import.",
  ],
  "read-unstable": ["transient", "The test changed while it was read; the job is retried automatically."],
  "product-type-missing": [
    "permanent",
    "Create the product type and add the token's user to it; a low-privileged token may not create one.",
  ],
  "user-missing": ["permanent", "Correct DEFECTDOJO_USERNAME, or unset it to make the token's own user the lead."],
  "storage-forbidden": [
    "permanent",
    "Grant the relay read and write access to the scan's folder, then redrive; a hook's presigned URLs expire.",
  ],
  "storage-rejected": [
    "permanent",
    "Look up the object store's error code (region, encryption, key or bucket name), fix the cause, then redrive.",
  ],
  "storage-missing": ["permanent", "Check the bucket's name and region, then redrive."],
  "storage-unavailable": ["transient", "The object store failed; the job is retried automatically."],
  "storage-precondition": ["permanent", "Another writer was faster; the newer object is kept."],
  "key-unavailable": [
    "transient",
    "Check the name of the secret or parameter, the role's permission to read it, and the network path to Secrets Manager or SSM.",
  ],
  "webhook-refused": [
    "permanent",
    "Correct NOTIFY_URL or what it points to, then run `dojo-relay notify`: it sends what is outstanding.",
  ],
  "webhook-unavailable": [
    "transient",
    "Check the receiver of NOTIFY_URL, DNS and proxy; the message is sent again, finally by `dojo-relay notify`.",
  ],
  "queue-unavailable": ["transient", "The queue failed; the message is retried automatically."],
  "cluster-refused": [
    "permanent",
    "Check that the Scan exists and what the service account may do (docs/hook.md, docs/kubernetes.md; `dojo-relay doctor --kubernetes`).",
  ],
  "cluster-unavailable": ["transient", "The Kubernetes API failed; the request is retried automatically."],
  "waits-exhausted": [
    "transient",
    "DefectDojo has not finished in all that time: check its Celery worker, then redrive; the job continues from what DefectDojo has.",
  ],
  "failures-exhausted": ["permanent", "Fix the last error in the logs, then run `dojo-relay dlq redrive`."],
  "config-invalid": ["permanent", "Correct the named environment variables (`dojo-relay doctor` checks them all)."],
  "data-directory-unusable": [
    "permanent",
    "Set DATA_DIR to a directory that the service's user can write to, on a healthy disk with free space; nothing in it was changed.",
  ],
  internal: ["transient", "This is a bug in dojo-relay: please report it with the log line."],
} as const satisfies Record<string, readonly [ErrorClass, string]>;

export type Reason = keyof typeof REASONS;

export interface RelayErrorOptions {
  /** What the error is about: `s3://bucket/key`, a path of DefectDojo's API, a scan. */
  readonly object?: string;
  /** Seconds that the server asked us to wait (`Retry-After`). */
  readonly retryAfterSeconds?: number;
  /** HTTP status, if there was a response. */
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
 * Any thrown value as a RelayError. An unknown one is `internal` and retried: it must not lose a job.
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
    const text = `${messageOf(e)}${code}`;
    // A message that quotes its cause is not followed by it.
    if (!parts.some((part) => inOneLine(part).includes(inOneLine(text)))) parts.push(text);
    e = e instanceof Error ? e.cause : undefined;
  }
  // Before and after: a secret may have blanks that are folded.
  const line = redact(inOneLine(redact(parts.join(": "))));
  return line.length > limit ? `${line.slice(0, limit - 1)}…` : line;
}

const inOneLine = (text: string) => text.replace(/\s+/g, " ");

/** Anything may be thrown, even values without text. */
function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  return typeof error === "object" && error !== null ? Object.prototype.toString.call(error) : String(error);
}
