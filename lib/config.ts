import * as z from "zod";
import {
  bool,
  findingsName,
  flag,
  hostNames,
  httpUrl,
  instant,
  int,
  labels,
  namespaces,
  objectName,
  severity,
  webhookUrl,
} from "./config-fields.ts";
import { RelayError } from "./errors.ts";
import { gateHeaders } from "./model/gate-headers.ts";
import { IMPORT_MODES } from "./model/import-mode.ts";
import { TITLE_PARTS, unknownParts } from "./model/notice.ts";
import { SYNC_MODES } from "./model/receipt.ts";
import { dropUndefined } from "./model/scan.ts";
import { scanTypeMapSchema } from "./model/scan-types.ts";
import { apiKeyIn, dojoUrlIn } from "./model/typos.ts";
import { describeIssues } from "./util/issues.ts";
import { jsonText } from "./util/json-text.ts";
import { rememberSecretVariables } from "./util/secret-variables.ts";

/** The environment: the only reader of `process.env`; everything else receives its part. */
export type Env = Readonly<Record<string, string | undefined>>;

const MiB = 1024 * 1024;

/** What both functions read. */
const common = z.object({
  /** For S3 and SQS if they have no endpoint of their own; see {@link read}. */
  AWS_ENDPOINT_URL: httpUrl.optional(),
  AWS_ENDPOINT_URL_S3: httpUrl.optional(),
  AWS_ENDPOINT_URL_SQS: httpUrl.optional(),
  AWS_REGION: z.string().default("us-east-1"),
  QUEUE_URL: httpUrl,
  DLQ_URL: httpUrl,
  SIDECAR_NAME: objectName.default("scan.json"),
  FINDINGS_NAME: findingsName.default("findings.json"),
  MAX_SIDECAR_BYTES: int(1 * MiB, 1),
  SIDECAR_GRACE_SECONDS: int(30),
  DEFECTDOJO_HOOK_LABELS: labels.optional(),
  LOG_LEVEL: z
    .string()
    .toLowerCase()
    .pipe(z.enum(["debug", "info", "warn", "error"]))
    .default("info"),
});

/** Access to DefectDojo. Durations in seconds. */
const dojo = z.object({
  DEFECTDOJO_URL: z.string().transform(dojoUrlIn).pipe(httpUrl),
  DEFECTDOJO_APIKEY: z.string().transform(apiKeyIn).pipe(z.string().min(1)).optional(),
  DEFECTDOJO_APIKEY_SECRET: z.string().min(1).optional(),
  DEFECTDOJO_APIKEY_PARAMETER: z.string().min(1).optional(),
  /** Sent with every request to DefectDojo, for a gateway in front of it: `{"NAME": "VALUE"}`. */
  DEFECTDOJO_HEADERS: jsonText(gateHeaders).optional(),
  DEFECTDOJO_USERNAME: z.string().min(1).optional(),
  DEFECTDOJO_USER_ID: z.coerce.number().int().positive().optional(),
  DEFECTDOJO_LOW_PRIVILEGED_MODE: bool(false),
  DEFECTDOJO_SYNC_FINDINGS_BACK: bool(true),
  SYNC_MODE: z.enum(SYNC_MODES).default("replace"),
  IMPORT_MODE: z.enum(IMPORT_MODES).default("import"),
  DEFAULT_PRODUCT_TYPE_NAME: z.string().trim().min(1).max(255).optional(),
  DEFAULT_ENGAGEMENT_NAME: z.string().trim().min(1).max(300).optional(),
  SCAN_TYPE_MAP: jsonText(scanTypeMapSchema).optional(),
  ON_FEWER_FINDINGS: z.enum(["keep", "generic"]).default("keep"),
  GENERIC_DETAILS: z.enum(["basic", "full"]).default("basic"),
  READ_CONCURRENCY: int(4, 1, 32),
  DEFECTDOJO_TIMEOUT_SECONDS: int(60, 1, 900),
  POLL_SECONDS: z.coerce.number().min(0.05).max(60).default(2),
  HEARTBEAT_SECONDS: int(120, 3, 43_200),
  IMPORT_SETTLE_SECONDS: int(120, 1),
  IMPORT_STALLED_SECONDS: int(300, 1),
  IMPORT_REFUSAL_SECONDS: int(120, 0),
  DEDUPLICATION_TIMEOUT_SECONDS: int(300, 1),
  DEDUPLICATION_QUIET_SECONDS: int(6, 0),
  SECOND_LOOK_SECONDS: int(120, 0, 3_600),
  MAX_FINDINGS_BYTES: int(1024 * MiB, 1),
  MAX_RAW_RESULT_BYTES: int(1024 * MiB, 1),
  MAX_FAILURES: int(5, 1, 100),
});

const importer = common.extend(dojo.shape);

/** What `dojo-relay start` reads in addition; it can embed S3, SQS and DefectDojo. */
const service = z.object({
  AWS_REGION: common.shape.AWS_REGION,
  AWS_ENDPOINT_URL_S3: common.shape.AWS_ENDPOINT_URL_S3,
  AWS_ENDPOINT_URL_SQS: common.shape.AWS_ENDPOINT_URL_SQS,
  QUEUE_URL: httpUrl.optional(),
  DLQ_URL: httpUrl.optional(),
  LOG_LEVEL: common.shape.LOG_LEVEL,
  PORT: int(8080, 0, 65_535),
  HOST: z.string().default("127.0.0.1"),
  S3_PORT: int(0, 0, 65_535),
  SQS_PORT: int(0, 0, 65_535),
  WEBHOOK_TOKEN: z.string().min(1).optional(),
  ALLOWED_HOSTS: hostNames.default([]),
  BUCKET: z.string().default("securecodebox"),
  DATA_DIR: z.string().default(".data"),
  MAX_CONCURRENCY: int(4, 1, 100),
  VISIBILITY_SECONDS: int(120, 3, 43_200),
  IMPORTER_TIMEOUT_SECONDS: int(900, 10, 86_400),
  /** Seconds between two rounds of `follow`; 0 turns it off. */
  FOLLOW_SECONDS: int(30, 0, 86_400),
  /** Where Scans come from: the sidecar beside the findings, the Kubernetes API, or the first that has it. */
  SCAN_SOURCE: z.enum(["sidecar", "kubernetes", "auto"]).default("sidecar"),
  /** What triggers a job: the bucket's notification, the Scan in the Kubernetes API, or either. */
  TRIGGER: z.enum(["webhook", "kubernetes", "both"]).default("webhook"),
  /** Namespaces whose Scans are watched; all if none is named. */
  SCAN_NAMESPACES: namespaces.default([]),
  /** Scans that were created before trigger nothing. */
  SCAN_SINCE: instant.optional(),
  /** Whether `status.findings` of a Scan is patched when it is synced. */
  SCAN_STATUS: bool(true),
});

/** What `dojo-relay hook` reads: the reference hook's variables, and how patient it is. */
const hook = dojo.extend({
  DEFECTDOJO_HOOK_LABELS: common.shape.DEFECTDOJO_HOOK_LABELS,
  LOG_LEVEL: common.shape.LOG_LEVEL,
  SCAN_NAME: z.string().trim().min(1).optional(),
  NAMESPACE: z.string().trim().min(1).default("default"),
  DEFECTDOJO_IS_DEV: bool(false),
  /** The older name of DEFECTDOJO_IS_DEV; it wins, as in the reference hook. */
  IS_DEV: flag.optional(),
  DEFECTDOJO_REFETCH_WAIT_SECONDS: z.string().optional(),
  HOOK_TIMEOUT_SECONDS: int(3_600, 30, 86_400),
});

/** What notifications read. Without a URL nobody is notified. */
const notify = z.object({
  NOTIFY_URL: webhookUrl.optional(),
  NOTIFY_URL_SECRET: z.string().min(1).optional(),
  NOTIFY_URL_PARAMETER: z.string().min(1).optional(),
  NOTIFY_FORMAT: z.enum(["json", "slack", "teams"]).default("json"),
  NOTIFY_MINIMUM_SEVERITY: severity.default("Medium"),
  NOTIFY_TITLE: z
    .string()
    .max(200)
    .refine((text) => unknownParts(text).length === 0, `may only contain {${Object.keys(TITLE_PARTS).join("}, {")}}`)
    .optional(),
});

/** What commands on the bucket alone read. */
const store = z.object({
  AWS_REGION: common.shape.AWS_REGION,
  AWS_ENDPOINT_URL_S3: common.shape.AWS_ENDPOINT_URL_S3,
  AWS_ENDPOINT_URL_SQS: common.shape.AWS_ENDPOINT_URL_SQS,
  BUCKET: service.shape.BUCKET,
  FINDINGS_NAME: common.shape.FINDINGS_NAME,
  SIDECAR_NAME: common.shape.SIDECAR_NAME,
});

/** What operators' commands read in addition; without URLs, the queues are found by their usual names. */
const operator = store.extend({
  QUEUE_URL: service.shape.QUEUE_URL,
  DLQ_URL: service.shape.DLQ_URL,
  MAX_SIDECAR_BYTES: common.shape.MAX_SIDECAR_BYTES,
  SIDECAR_GRACE_SECONDS: common.shape.SIDECAR_GRACE_SECONDS,
  DEFECTDOJO_HOOK_LABELS: common.shape.DEFECTDOJO_HOOK_LABELS,
  HEARTBEAT_SECONDS: dojo.shape.HEARTBEAT_SECONDS,
  VISIBILITY_SECONDS: service.shape.VISIBILITY_SECONDS,
});

/** What the notify function and command read: the bucket and the webhook. */
const notifier = notify.extend({ ...store.shape, LOG_LEVEL: common.shape.LOG_LEVEL });

/** What a resync reads: the bucket and DefectDojo, no queue. */
const resync = dojo.extend({
  ...store.shape,
  MAX_SIDECAR_BYTES: common.shape.MAX_SIDECAR_BYTES,
  LOG_LEVEL: common.shape.LOG_LEVEL,
  /** For the scheduled function: which scans, and for how many days after their import. */
  RESYNC_PREFIX: z.string().default(""),
  RESYNC_DAYS: int(7, 1, 3_650),
});

/** What a follower of verdicts reads: the bucket, the job queue and DefectDojo. */
const follow = dojo.extend({
  ...store.shape,
  QUEUE_URL: service.shape.QUEUE_URL,
  DLQ_URL: service.shape.DLQ_URL,
  LOG_LEVEL: common.shape.LOG_LEVEL,
  FOLLOW_SECONDS: service.shape.FOLLOW_SECONDS,
});

/** The same for the function, which does not look the queue up by its name. */
const followFunction = follow.extend({ QUEUE_URL: httpUrl });

export type CommonConfig = Readonly<z.output<typeof common>>;
export type DojoConfig = Readonly<z.output<typeof dojo>>;
export type ImporterConfig = Readonly<z.output<typeof importer>>;
export type ServiceConfig = Readonly<z.output<typeof service>>;
export type HookConfig = Readonly<z.output<typeof hook>>;
export type StoreConfig = Readonly<z.output<typeof store>>;
export type OperatorConfig = Readonly<z.output<typeof operator>>;
export type ResyncConfig = Readonly<z.output<typeof resync>>;
export type NotifyConfig = Readonly<z.output<typeof notify>>;
export type NotifierConfig = Readonly<z.output<typeof notifier>>;
export type FollowConfig = Readonly<z.output<typeof follow>>;

/** @throws RelayError `config-invalid`, naming every variable that is missing or wrong */
export const readCommonConfig = (env: Env): CommonConfig => read(common, env);
/** @throws RelayError `config-invalid`, naming every variable that is missing or wrong */
export const readDojoConfig = (env: Env): DojoConfig => read(dojo, env);
/** @throws RelayError `config-invalid`, naming every variable that is missing or wrong */
export const readImporterConfig = (env: Env): ImporterConfig => read(importer, env);
/** @throws RelayError `config-invalid`, naming every variable that is missing or wrong */
export const readServiceConfig = (env: Env): ServiceConfig => read(service, env);
/** @throws RelayError `config-invalid`, naming every variable that is missing or wrong */
export const readHookConfig = (env: Env): HookConfig => read(hook, env);
/** @throws RelayError `config-invalid`, naming every variable that is missing or wrong */
export const readStoreConfig = (env: Env): StoreConfig => read(store, env);
/** @throws RelayError `config-invalid`, naming every variable that is missing or wrong */
export const readOperatorConfig = (env: Env): OperatorConfig => read(operator, env);
/** @throws RelayError `config-invalid`, naming every variable that is missing or wrong */
export const readResyncConfig = (env: Env): ResyncConfig => read(resync, env);
/** @throws RelayError `config-invalid`, naming every variable that is missing or wrong */
export const readNotifyConfig = (env: Env): NotifyConfig => read(notify, env);
/** @throws RelayError `config-invalid`, naming every variable that is missing or wrong */
export const readNotifierConfig = (env: Env): NotifierConfig => read(notifier, env);
/** @throws RelayError `config-invalid`, naming every variable that is missing or wrong */
export const readFollowConfig = (env: Env): FollowConfig => read(follow, env);

/** @throws RelayError `config-invalid`, naming every variable that is missing or wrong */
export const readFollowFunctionConfig = (env: Env) => read(followFunction, env);

function read<T extends z.ZodType>(schema: T, env: Env): Readonly<z.output<T>> {
  // An empty or blank variable counts as missing, as in shells and compose files; a blank number would be 0.
  const set = dropUndefined(
    Object.fromEntries(Object.entries(env).map(([name, value]) => [name, value?.trim() === "" ? undefined : value])),
  );
  rememberSecretVariables(env);
  const { AWS_ENDPOINT_URL: endpoint } = set;
  const endpoints = endpoint === undefined ? {} : { AWS_ENDPOINT_URL_S3: endpoint, AWS_ENDPOINT_URL_SQS: endpoint };
  const parsed = schema.safeParse({ ...endpoints, ...set });
  if (!parsed.success) {
    throw new RelayError("config-invalid", `Invalid configuration: ${describeIssues(parsed.error)}`, {
      object: "environment",
    });
  }
  return Object.freeze(parsed.data);
}
