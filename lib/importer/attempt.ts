import type { Delivery } from "../deferral.ts";
import type { ImportOptions } from "../model/annotations.ts";
import type { ScanJob } from "../model/job.ts";
import type { Scan } from "../model/scan.ts";
import type {
  Engagement,
  ImportAnswer,
  ImportStatistics,
  LivingRun,
  Named,
  Product,
  Test,
  User,
} from "../ports/defectdojo.ts";
import type { TestIndex } from "../ports/test-index.ts";
import type { TestLeases } from "../ports/test-lease.ts";
import type { UploadedCounts } from "../report/uploaded-counts.ts";
import type { FlowPorts, FlowSettings } from "../types.ts";
import type { Checkpoint, CheckpointStore, JobCheckpoint } from "./checkpoint.ts";
import type { Decision } from "./decide.ts";
import type { ImportLoad } from "./import-load.ts";

export interface ImportPorts extends FlowPorts {
  readonly pending: CheckpointStore;
  /** Index of tests by bucket; undefined if only the scan's own objects can be written (the hook). */
  readonly index?: ((bucket: string) => TestIndex) | undefined;
  /** Leases on living tests by bucket; undefined as above. */
  readonly leases?: ((bucket: string) => TestLeases) | undefined;
  /** The current Scan beside the findings; undefined if it cannot be read. */
  readonly currentScan?: (() => Promise<Scan | undefined>) | undefined;
  /** Called with the job as soon as its final key is known. */
  readonly onKey?: ((job: ScanJob) => void) | undefined;
  /** The imports of this process; missing if there is only one. */
  readonly load?: ImportLoad;
}

/** The objects in DefectDojo that a scan belongs to. */
export interface ImportContext {
  readonly lead: User | { readonly id: number };
  readonly productType: Named;
  readonly product: Product;
  readonly engagement: Engagement;
  /** In DefectDojo's own spelling. */
  readonly environment: string | undefined;
  readonly warnings: readonly string[];
}

/** One delivery's attempt at a job. Every step receives it from the previous one and returns it with its own results. */
export interface Attempt {
  readonly job: ScanJob;
  readonly ports: ImportPorts;
  readonly settings: FlowSettings;
  readonly delivery: Delivery;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** How long the whole delivery lasts. Milliseconds. */
  readonly deliveryMs: number;
}

/** The job belongs to this delivery. */
export interface Claimed extends Attempt {
  /** The job's key: DefectDojo's build id of the test. */
  readonly key: string;
  /** The readable copy of the job's upload: findings.json, or the copy beside it once that was overwritten. */
  readonly upload: ScanJob;
  readonly current: {
    /** ETag of findings.json now. */
    readonly etag: string;
    /** findings.json is this job's own write-back. */
    readonly own: boolean;
    /** findings.json is a write-back over this upload, by this job or that of an earlier run. */
    readonly overwritten: boolean;
  };
}

/** The Scan's options and the traces of earlier deliveries are known. */
export interface Prepared extends Claimed {
  readonly options: ImportOptions;
  readonly warnings: readonly string[];
  /** DefectDojo's scan type for this kind of scan. */
  readonly scanType: string;
  readonly checkpoint: JobCheckpoint;
  readonly ledger: Ledger;
}

/** How an import mode finds out what became of a job's import, and where its report goes. */
export interface Ledger {
  /** Queries DefectDojo. @param answered the test named in the response to this delivery's import */
  look(attempt: Prepared, answered: number | undefined): Promise<Looked>;
  /** Where a report of this scan type goes. @throws Deferral while another job holds that place */
  target(attempt: Prepared, context: ImportContext, scanType: string): Promise<Target>;
  /** Tells other runs that this one is about to be sent. */
  announce(attempt: Prepared, target: SendTarget, scanType: string): Promise<void>;
  /** DefectDojo's parser refused the report for good: other runs take its place. */
  withdraw(attempt: Prepared, context: ImportContext, scanType: string): Promise<void>;
  /** Whether an import of the job has appeared by now: checked right before one is sent. */
  hasBegun(attempt: Prepared): Promise<boolean>;
  /** The import is done and described: other runs may follow. */
  leave(attempt: Imported, context: ImportContext): Promise<void>;
  /** The tests that a refused import left behind. */
  leftBehind(attempt: Prepared): Promise<readonly Test[]>;
}

export interface Looked {
  readonly decision: Decision;
  /** The named test, if another delivery of this job removed it. */
  readonly displaced: number | undefined;
  /** For a living test that was found. */
  readonly living?: LivingRun;
}

export type Target = SendTarget | { readonly overtaken: Overtaken };

export interface SendTarget {
  /** The living test to reimport into; undefined: a new test. */
  readonly into: number | undefined;
  /** Whether to close findings of earlier runs that are not found again. */
  readonly closes: boolean;
  /** What the living test says of its newest run. */
  readonly newestRun?: Checkpoint["newestRun"];
}

/** A run that began before the newest one of its living test. */
export interface Overtaken {
  readonly testId: number;
  /** When the later run began. ISO 8601. */
  readonly laterRunAt: string;
  readonly why: string;
}

/** DefectDojo has exactly one complete test of this job. */
export interface Imported extends Prepared {
  readonly testId: number;
  /** The test's build id: another job's key if a later run is in this living test already. */
  readonly buildId: string;
  readonly importedAs: string;
  readonly fellBack: string | undefined;
  /** The response, if this delivery made the import. */
  readonly answer: ImportAnswer | undefined;
  /** Counts of the upload that this report was made from. */
  readonly uploaded: UploadedCounts | undefined;
  /** Where the report was sent, if this delivery sent it. */
  readonly context: ImportContext | undefined;
  /** Missing unless it is a living test. */
  readonly living?: LivingRun | undefined;
}

/** The test's place and number of findings are known, and deduplication is over. */
export interface Deduplicated extends Imported {
  readonly context: ImportContext;
  readonly total: number;
  /** Whether its end is known, or the number of duplicates merely stopped changing. */
  readonly deduplication: "confirmed" | "assumed";
  /** The counts in the import's own response, if there was one, with its duplicates updated. */
  readonly statistics: ImportStatistics | undefined;
  readonly importedAt: number;
}
