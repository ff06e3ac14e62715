import { type Profile, profileNamed } from "./profiles.ts";

/** How the stand-in behaves; the defaults are those of a fresh DefectDojo 3.2 with deduplication enabled. */
export type StandinOptions = {
  host?: string;
  /** @default 0 (any free port) */
  port?: number;
  /** The version that it simulates. @default "3.2-locations" */
  profile?: string;
  /** `V3_FEATURE_LOCATIONS` on (the default of 3.2) or off (as in 2.x). */
  mode?: "locations" | "endpoints";
  apiKey?: string;
  lowPrivilegedApiKey?: string;
  /** `system_settings.enable_deduplication`. @default true */
  deduplication?: boolean;
  /** False: an older server that ignores `deduplication_execution_mode` and never sends `deduplication_complete`. */
  asyncWait?: boolean;
  /** Whether the users' contact info sets `block_execution`: the import then marks duplicates itself, without Celery. @default false */
  blockExecution?: boolean;
  /** Delay before duplicates are marked after an import that does not wait for them. @default 0 */
  deduplicationDelayMs?: number;
  timing?: Partial<Timing>;
  /** Larger reports are rejected, as with `DD_SCAN_FILE_MAX_SIZE`. @default 100 MB */
  maxReportBytes?: number;
  /** Larger request bodies get 413, as from DefectDojo's nginx. @default 800 MB */
  maxUploadBytes?: number;
  /** Longer request lines get 414, as from gunicorn (DefectDojo's image accepts up to 8 KB). @default 4094 */
  maxRequestLine?: number;
  /** Scan types that this server does not support. */
  missingScanTypes?: readonly string[];
  /** Added to every new id, as on a server that has run for years. @default 0 */
  idsFrom?: number;
  /** Milliseconds added to every response. @default 0 */
  latency?: number;
  /** The server's clock. */
  now?: () => Date;
};

export type Timing = {
  importMsPerFinding: number;
  /** Added for every finding marked as a duplicate. */
  duplicateMsPerFinding: number;
  readMsPerFinding: number;
  fixedMs: number;
  /** The number of concurrent requests when timing is on. */
  workers: number;
};

export type Settings = Required<Omit<StandinOptions, "timing" | "profile">> & { timing: Timing; profile: Profile };

/** @throws Error for an unknown profile */
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
