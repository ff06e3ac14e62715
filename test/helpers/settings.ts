import type { RecordSettings } from "../../lib/importer/settings.ts";
import type { IngestSettings } from "../../lib/ingest/settings.ts";
import type { FlowSettings } from "../../lib/types.ts";

/** The import settings with the default configuration and small limits. */
export const aFlow = (changes: Partial<FlowSettings> = {}): FlowSettings => ({
  lowPrivileged: false,
  userId: undefined,
  username: undefined,
  syncBack: true,
  syncMode: "replace",
  scanTypeMap: {},
  genericDetails: "basic",
  onFewerFindings: "keep",
  limits: { maxFindingsBytes: 1_000_000, maxRawResultBytes: 1_000_000 },
  ledger: { settleMs: 120_000, stalledMs: 300_000, refusalMs: 120_000, pollMs: 2_000 },
  deduplication: { timeoutMs: 300_000, quietMs: 6_000, pollMs: 2_000 },
  ...changes,
});

/** Without any waits. */
export const aQuickFlow = (changes: Partial<FlowSettings> = {}): FlowSettings =>
  aFlow({
    ledger: { settleMs: 1, stalledMs: 1, refusalMs: 1, pollMs: 1 },
    deduplication: { timeoutMs: 1, quietMs: 1, pollMs: 1 },
    ...changes,
  });

const INGEST: IngestSettings = {
  sidecarName: "scan.json",
  findingsName: "findings.json",
  maxSidecarBytes: 1_048_576,
  hookLabels: undefined,
  sidecarGraceMs: 30_000,
};

/** The settings that process a message, without a second look. */
export const recordSettings = (changes: Partial<RecordSettings> = {}): RecordSettings => ({
  maxFailures: 5,
  heartbeatSeconds: 120,
  secondLookMs: 0,
  ingest: INGEST,
  flow: aFlow(),
  ...changes,
});
