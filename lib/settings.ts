import type { DojoConfig } from "./config.ts";
import { dropUndefined } from "./model/scan.ts";
import type { FlowSettings } from "./types.ts";
import { seconds } from "./util/clock.ts";

/** The part of the configuration that a job's flow needs. */
export function flowSettings(config: DojoConfig): FlowSettings {
  return {
    lowPrivileged: config.DEFECTDOJO_LOW_PRIVILEGED_MODE,
    userId: config.DEFECTDOJO_USER_ID,
    username: config.DEFECTDOJO_USERNAME,
    syncBack: config.DEFECTDOJO_SYNC_FINDINGS_BACK,
    syncMode: config.SYNC_MODE,
    scanTypeMap: config.SCAN_TYPE_MAP ?? {},
    genericDetails: config.GENERIC_DETAILS,
    onFewerFindings: config.ON_FEWER_FINDINGS,
    defaults: dropUndefined({
      importMode: config.IMPORT_MODE,
      productTypeName: config.DEFAULT_PRODUCT_TYPE_NAME,
      engagementName: config.DEFAULT_ENGAGEMENT_NAME,
    }),
    limits: { maxFindingsBytes: config.MAX_FINDINGS_BYTES, maxRawResultBytes: config.MAX_RAW_RESULT_BYTES },
    ledger: {
      settleMs: seconds(config.IMPORT_SETTLE_SECONDS),
      stalledMs: seconds(config.IMPORT_STALLED_SECONDS),
      refusalMs: seconds(config.IMPORT_REFUSAL_SECONDS),
      pollMs: seconds(config.POLL_SECONDS),
    },
    deduplication: {
      timeoutMs: seconds(config.DEDUPLICATION_TIMEOUT_SECONDS),
      quietMs: seconds(config.DEDUPLICATION_QUIET_SECONDS),
      pollMs: seconds(config.POLL_SECONDS),
    },
  };
}
