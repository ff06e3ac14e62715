import { type Profile, profileNamed } from "./profiles.ts";

/** How the stand-in is to behave; everything has the default of a fresh DefectDojo 3.2 with deduplication switched on. */
export type StandinOptions = {
  host?: string;
  /** @default 0 (any free port) */
  port?: number;
  /** The version whose answers it gives. @default "3.2-locations" */
  profile?: string;
  /** `V3_FEATURE_LOCATIONS` on (the default of 3.2) or off (what 2.x answers). */
  mode?: "locations" | "endpoints";
  apiKey?: string;
  lowPrivilegedApiKey?: string;
  /** `system_settings.enable_deduplication`. @default true */
  deduplication?: boolean;
  /** False: an older server, which ignores `deduplication_execution_mode` and does not send `deduplication_complete`. */
  asyncWait?: boolean;
  /** Whether the users' contact info says `block_execution`: duplicates are marked within the import then, without Celery. @default false */
  blockExecution?: boolean;
  /** How long after an import that does not wait its duplicates are marked. @default 0 */
  deduplicationDelayMs?: number;
  timing?: Partial<Timing>;
  /** A larger report is refused, as by `DD_SCAN_FILE_MAX_SIZE`. @default 100 MB */
  maxReportBytes?: number;
  /** A larger request body gets 413, as from the nginx in front. @default 800 MB */
  maxUploadBytes?: number;
  /** A longer request line gets 414, as from gunicorn (the image of DefectDojo takes up to 8 KB). @default 4094 */
  maxRequestLine?: number;
  /** Scan types that this server does not know. */
  missingScanTypes?: readonly string[];
  /** Added to every id that is given, as on a server with years behind it. @default 0 */
  idsFrom?: number;
  /** Milliseconds added to every answer. @default 0 */
  latency?: number;
  /** The server's clock. */
  now?: () => Date;
};

export type Timing = {
  importMsPerFinding: number;
  /** Added for every finding that turns out a duplicate. */
  duplicateMsPerFinding: number;
  readMsPerFinding: number;
  fixedMs: number;
  /** How many requests are worked on at a time when timing is on. */
  workers: number;
};

export type Settings = Required<Omit<StandinOptions, "timing" | "profile">> & { timing: Timing; profile: Profile };

/** @throws Error where there is no such profile */
export function settings(options: StandinOptions): Settings {
  const profile = profileNamed(options.profile ?? `3.2-${options.mode ?? "locations"}`);
  return {
    host: "127.0.0.1",
    port: 0,
    mode: profile.mode,
    apiKey: "standin-admin-key",
    lowPrivilegedApiKey: "standin-low-privileged-key",
    deduplication: true,
    asyncWait: profile.asyncWait,
    blockExecution: false,
    deduplicationDelayMs: 0,
    maxReportBytes: 100 * 1024 * 1024,
    maxUploadBytes: 800 * 1024 * 1024,
    maxRequestLine: 4094,
    missingScanTypes: profile.missingScanTypes,
    idsFrom: 0,
    latency: 0,
    now: () => new Date(),
    ...options,
    profile,
    timing: {
      importMsPerFinding: 0,
      duplicateMsPerFinding: 0,
      readMsPerFinding: 0,
      fixedMs: 0,
      workers: 2,
      ...options.timing,
    },
  };
}
