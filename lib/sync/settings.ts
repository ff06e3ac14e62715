import type { ResyncConfig } from "../config.ts";
import type { SidecarSettings } from "../ingest/sidecar.ts";
import { flowSettings } from "../settings.ts";
import type { FlowSettings } from "../types.ts";

export interface ResyncSettings {
  readonly bucket: string;
  readonly prefix: string;
  /** Only scans that were imported since. */
  readonly since: Date | undefined;
  readonly findingsName: string;
  readonly sidecar: SidecarSettings;
  readonly flow: FlowSettings;
  /** Scans in parallel. */
  readonly concurrency: number;
  /** True as soon as no further scan may start. */
  readonly stop: () => boolean;
}

/** The part of the configuration that a resync needs. */
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
