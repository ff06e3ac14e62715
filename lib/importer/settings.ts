import type { ImporterConfig } from "../config.ts";
import { type IngestSettings, ingestSettings } from "../ingest/settings.ts";
import { flowSettings } from "../settings.ts";
import type { FlowSettings } from "../types.ts";

export interface RecordSettings {
  readonly flow: FlowSettings;
  readonly ingest: IngestSettings;
  /** Failures after which a message goes to the dead-letter queue; waiting for a long import is not one. */
  readonly maxFailures: number;
  /** How long a message stays hidden between two heartbeats of its importer. Seconds. */
  readonly heartbeatSeconds: number;
  /** How long after a receipt with assumed deduplication its test is checked again; 0: never. Milliseconds. */
  readonly secondLookMs: number;
}

/** The part of the configuration that the importer needs. */
export function recordSettings(config: ImporterConfig): RecordSettings {
  return {
    maxFailures: config.MAX_FAILURES,
    heartbeatSeconds: config.HEARTBEAT_SECONDS,
    secondLookMs: config.SECOND_LOOK_SECONDS * 1000,
    ingest: ingestSettings(config),
    flow: flowSettings(config),
  };
}
