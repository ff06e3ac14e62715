import type { CommonConfig } from "../config.ts";
import { seconds } from "../util/clock.ts";
import type { SidecarSettings } from "./sidecar.ts";

export interface IngestSettings extends SidecarSettings {
  /** The only bucket that is served; any if none is named. */
  readonly bucket?: string | undefined;
  /** Labels that a Scan's hookSelector must match; without them every scan is selected. */
  readonly hookLabels: Readonly<Record<string, string>> | undefined;
  /** How long after the notification a missing sidecar may still arrive. Milliseconds. */
  readonly sidecarGraceMs: number;
}

type IngestConfig = Pick<
  CommonConfig,
  "SIDECAR_NAME" | "FINDINGS_NAME" | "MAX_SIDECAR_BYTES" | "DEFECTDOJO_HOOK_LABELS" | "SIDECAR_GRACE_SECONDS"
>;

/** The part of the configuration that ingest needs. */
export function ingestSettings(config: IngestConfig): IngestSettings {
  return {
    sidecarName: config.SIDECAR_NAME,
    findingsName: config.FINDINGS_NAME,
    maxSidecarBytes: config.MAX_SIDECAR_BYTES,
    hookLabels: config.DEFECTDOJO_HOOK_LABELS,
    sidecarGraceMs: seconds(config.SIDECAR_GRACE_SECONDS),
  };
}
