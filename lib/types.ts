import type { OptionDefaults } from "./model/annotations.ts";
import type { SyncMode } from "./model/receipt.ts";
import type { ScanTypeMap } from "./model/scan-types.ts";
import type { Observer } from "./observe.ts";
import type { DefectDojo } from "./ports/defectdojo.ts";
import type { Storage } from "./ports/storage.ts";
import type { Clock } from "./util/clock.ts";

/** The ports of the flows. */
export interface FlowPorts extends Observer {
  readonly storage: Storage;
  readonly dojo: DefectDojo;
  readonly clock: Clock;
}

/** Timing of the wait for an import. Milliseconds. */
export interface ImportTiming {
  /** How long an import without a response may take to appear in DefectDojo. */
  readonly settleMs: number;
  /** How long a running import may make no progress before it counts as dead. */
  readonly stalledMs: number;
  /** How long DefectDojo must fail on a report, leaving an empty test, before that counts as a refusal by its parser. */
  readonly refusalMs: number;
  readonly pollMs: number;
}

/** Timing of the wait for deduplication. Milliseconds. */
export interface DeduplicationTiming {
  readonly timeoutMs: number;
  /** How long the number of duplicates must stay the same to count as final. */
  readonly quietMs: number;
  readonly pollMs: number;
}

/** The largest files that are read from a scan's folder. */
export interface ReportLimits {
  readonly maxFindingsBytes: number;
  readonly maxRawResultBytes: number;
}

export interface FlowSettings {
  readonly lowPrivileged: boolean;
  /** The engagement's lead by id or by name; default: the token's own user. */
  readonly userId: number | undefined;
  readonly username: string | undefined;
  /** False: import only, findings.json is not touched. */
  readonly syncBack: boolean;
  readonly syncMode: SyncMode;
  readonly scanTypeMap: ScanTypeMap;
  /** Which details of a finding go into DefectDojo's own columns in a generic import; `full` makes known findings new once. */
  readonly genericDetails: "basic" | "full";
  /** What to do if DefectDojo's parser keeps fewer findings than the scanner found: nothing, or import as generic instead. */
  readonly onFewerFindings: "keep" | "generic";
  /** Defaults for missing annotations (`DEFAULT_…`). */
  readonly defaults?: OptionDefaults;
  readonly limits: ReportLimits;
  readonly ledger: ImportTiming;
  readonly deduplication: DeduplicationTiming;
}
