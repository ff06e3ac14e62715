import type { CommonConfig, DojoConfig, ImporterConfig, ResyncConfig } from "./config.ts";
import type { RecordSettings } from "./importer/process-message.ts";
import type { IngestSettings } from "./ingest/ingest.ts";
import type { ResyncSettings } from "./sync/resync-scans.ts";
import type { FlowSettings } from "./types.ts";

const seconds = (value: number) => value * 1000;

type IngestConfig = Pick<
  CommonConfig,
  "SIDECAR_NAME" | "FINDINGS_NAME" | "MAX_SIDECAR_BYTES" | "DEFECTDOJO_HOOK_LABELS" | "SIDECAR_GRACE_SECONDS"
>;

/** What ingest needs, of the configuration. */
export function ingestSettings(config: IngestConfig): IngestSettings {
  return {
    sidecarName: config.SIDECAR_NAME,
    findingsName: config.FINDINGS_NAME,
    maxSidecarBytes: config.MAX_SIDECAR_BYTES,
    hookLabels: config.DEFECTDOJO_HOOK_LABELS,
    sidecarGraceMs: seconds(config.SIDECAR_GRACE_SECONDS),
  };
}

/** What the flow of an import needs, of the configuration. */
export function flowSettings(config: DojoConfig): FlowSettings {
  return {
    lowPrivileged: config.DEFECTDOJO_LOW_PRIVILEGED_MODE,
    userId: config.DEFECTDOJO_USER_ID,
    username: config.DEFECTDOJO_USERNAME,
    syncBack: config.DEFECTDOJO_SYNC_FINDINGS_BACK,
    syncMode: config.SYNC_MODE,
    scanTypeMap: config.SCAN_TYPE_MAP ?? {},
    limits: { maxFindingsBytes: config.MAX_FINDINGS_BYTES, maxRawResultBytes: config.MAX_RAW_RESULT_BYTES },
    ledger: {
      settleMs: seconds(config.IMPORT_SETTLE_SECONDS),
      stalledMs: seconds(config.IMPORT_STALLED_SECONDS),
      pollMs: seconds(config.POLL_SECONDS),
    },
    deduplication: {
      timeoutMs: seconds(config.DEDUPLICATION_TIMEOUT_SECONDS),
      quietMs: seconds(config.DEDUPLICATION_QUIET_SECONDS),
      pollMs: seconds(config.POLL_SECONDS),
    },
  };
}

/** What the importer needs, of the configuration. */
export function recordSettings(config: ImporterConfig): RecordSettings {
  return {
    maxFailures: config.MAX_FAILURES,
    heartbeatSeconds: config.HEARTBEAT_SECONDS,
    ingest: ingestSettings(config),
    flow: flowSettings(config),
  };
}

/** What a resync needs, of the configuration. */
export function resyncSettings(config: ResyncConfig): Omit<ResyncSettings, "since" | "stop"> {
  return {
    bucket: config.BUCKET,
    prefix: config.RESYNC_PREFIX,
    findingsName: config.FINDINGS_NAME,
    sidecar: {
      sidecarName: config.SIDECAR_NAME,
      findingsName: config.FINDINGS_NAME,
      maxSidecarBytes: config.MAX_SIDECAR_BYTES,
    },
    flow: flowSettings(config),
    concurrency: 4,
  };
}
