import type { DeduplicationTiming } from "./importer/deduplication.ts";
import type { LedgerTiming } from "./importer/ledger.ts";
import type { Receipt, SyncMode } from "./model/receipt.ts";
import type { ScanTypeMap } from "./model/scan-types.ts";
import type { Observer } from "./observe.ts";
import type { DefectDojo } from "./ports/defectdojo.ts";
import type { Storage } from "./ports/storage.ts";
import type { ReportLimits } from "./report/report.ts";
import type { Clock } from "./util/clock.ts";

/** What the flows reach the world through. */
export interface FlowPorts extends Observer {
  readonly storage: Storage;
  readonly dojo: DefectDojo;
  readonly clock: Clock;
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
  readonly limits: ReportLimits;
  readonly ledger: LedgerTiming;
  readonly deduplication: DeduplicationTiming;
}

/**
 * How a job ended:
 * - `synced`, `imported`: done, with a receipt (`imported`: read-only mode).
 * - `done-before`: an earlier delivery had finished it.
 * - `superseded`: a newer upload or another writer owns the findings; nothing was written.
 */
export interface JobOutcome {
  readonly outcome: "synced" | "imported" | "done-before" | "superseded";
  readonly receipt?: Receipt;
  readonly why?: string;
}
