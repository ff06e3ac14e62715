import type { OptionDefaults } from "./model/annotations.ts";
import type { SyncMode } from "./model/receipt.ts";
import type { ScanTypeMap } from "./model/scan-types.ts";
import type { Observer } from "./observe.ts";
import type { DefectDojo } from "./ports/defectdojo.ts";
import type { Storage } from "./ports/storage.ts";
import type { Clock } from "./util/clock.ts";

/** What the flows reach the world through. */
export interface FlowPorts extends Observer {
  readonly storage: Storage;
  readonly dojo: DefectDojo;
  readonly clock: Clock;
}

/** How an import is waited for. Milliseconds. */
export interface ImportTiming {
  /** How long an import without an answer may take to show up in DefectDojo. */
  readonly settleMs: number;
  /** How long a running import may stand still before it is taken for dead. */
  readonly stalledMs: number;
  /** How long DefectDojo has to fail on a report with an empty test left behind, before its parser is taken to have refused it. */
  readonly refusalMs: number;
  readonly pollMs: number;
}

/** How deduplication is waited for. Milliseconds. */
export interface DeduplicationTiming {
  readonly timeoutMs: number;
  /** How long the number of duplicates must stay the same to be taken for final. */
  readonly quietMs: number;
  readonly pollMs: number;
}

/** The largest files that are read of a scan's folder. */
export interface ReportLimits {
  readonly maxFindingsBytes: number;
  readonly maxRawResultBytes: number;
}

export interface FlowSettings {
  readonly lowPrivileged: boolean;
  /** The engagement's lead by id or by name; the token's own user where both are missing. */
  readonly userId: number | undefined;
  readonly username: string | undefined;
  /** False: import only, findings.json is not touched. */
  readonly syncBack: boolean;
  readonly syncMode: SyncMode;
  readonly scanTypeMap: ScanTypeMap;
  /** How much of a finding goes into columns of its own in a generic import; `full` makes known findings new once. */
  readonly genericDetails: "basic" | "full";
  /** What happens where DefectDojo's parser keeps fewer findings than the scanner found: nothing, or a generic import in its place. */
  readonly onFewerFindings: "keep" | "generic";
  /** What annotations that are missing mean (`DEFAULT_…`). */
  readonly defaults?: OptionDefaults;
  readonly limits: ReportLimits;
  readonly ledger: ImportTiming;
  readonly deduplication: DeduplicationTiming;
}
