import * as z from "zod";
import { IMPORT_MODES } from "./import-mode.ts";
import { type Job, jobKey, jobRun, keyOf } from "./job.ts";
import type { ObjectRef } from "./object-keys.ts";

const dojoObject = z.object({ id: z.number(), name: z.string(), url: z.string() });
const count = z.number().int();

/** How DefectDojo's findings and the scanner's become one findings.json. */
export const SYNC_MODES = ["replace", "merge", "complete"] as const;
export type SyncMode = (typeof SYNC_MODES)[number];

const RECEIPT_OUTCOMES = ["synced", "imported", "outdated"] as const;

const severities = z.object({ informational: count, low: count, medium: count, high: count });

/**
 * The receipt, `defectdojo.json` beside the findings. It is written last: its landing is the event for everything that wants only
 * what is new and real.
 */
export const receiptSchema = z.object({
  version: z.literal(1),
  jobKey: z.string(),
  /** The run that the key names; missing where the key names the upload alone, as in earlier versions and in the hook. */
  run: z.string().optional(),
  /** Digest of the Scan and its raw result, by which a hook's rewrite of the findings is known; missing where nobody could tell. */
  origin: z.string().optional(),
  /**
   * `synced`: findings.json holds DefectDojo's verdicts. `imported`: read-only mode, findings.json was not touched. `outdated`: a later run is in the
   * living test, nothing of this one was imported, and findings.json was not touched; earlier versions take its receipt for none.
   */
  outcome: z.enum(RECEIPT_OUTCOMES),
  /** Of an outdated run: when the later one began (ISO 8601), the reason, and how to import it all the same. `test` is the later run's. */
  outdated: z.object({ laterRunAt: z.string(), why: z.string(), advice: z.string() }).optional(),
  findingsKey: z.string(),
  /** ETag of the findings as uploaded. */
  etag: z.string(),
  sequencer: z.string().optional(),
  scan: z.object({ name: z.string(), namespace: z.string(), scanType: z.string(), uid: z.string().optional() }),
  /** DefectDojo's scan type for this kind of scan, and the one that the report was imported as. */
  scanType: z.string(),
  importedAs: z.string(),
  /** Why the two differ. */
  fellBack: z.string().optional(),
  syncMode: z.enum(SYNC_MODES),
  /** Missing for an import with its own test. */
  importMode: z.enum(IMPORT_MODES).optional(),
  productType: dojoObject,
  product: dojoObject,
  engagement: dojoObject,
  test: dojoObject,
  /** How many findings the import kept in DefectDojo; missing in receipts of earlier versions. */
  kept: count.optional(),
  /**
   * Whether DefectDojo said that deduplication was done before the findings were read (`confirmed`), or the number of duplicates merely stopped changing
   * (`assumed`; a later resync corrects the counts). Missing in receipts of earlier versions.
   */
  deduplication: z.enum(["confirmed", "assumed"]).optional(),
  /** In the shape of `Scan.status.findings`. */
  findings: z.object({
    count,
    severities,
    categories: z.record(z.string(), count),
  }),
  /** What the scanner found, and what DefectDojo has of it. Missing in receipts of earlier versions. */
  uploaded: z.object({ count, severities }).optional(),
  inDojo: z.object({ count, severities }).optional(),
  /**
   * Findings of the scanner with a counterpart in DefectDojo, those without, and DefectDojo's without a counterpart. Missing if
   * DefectDojo's findings were not read (read-only mode), and in receipts of earlier versions.
   */
  matched: count.optional(),
  onlyInScan: count.optional(),
  onlyInDojo: count.optional(),
  /**
   * DefectDojo's findings by verdict, each counted once by the precedence of `VERDICTS`; `new` are those without a verdict. Receipts of earlier versions have
   * neither `underReview` nor `inactive`, and count a finding under each of its other verdicts.
   */
  new: count,
  /** For a living test: also found by an earlier run; closed before and found again; closed by this run, which did not find them. */
  known: count.optional(),
  reactivated: count.optional(),
  closed: count.optional(),
  /** For a living test: DefectDojo's record of this run (`test_imports/`), which names its findings. */
  testImport: count.optional(),
  /** For a living test, ISO 8601: when an attempt that was interrupted sent this run's report first. What was created since is new. */
  interruptedSince: z.string().optional(),
  /** `recorded`: that record names this run's findings. `assumed`: DefectDojo keeps no records, and the test's open findings are taken for them. */
  runFindings: z.enum(["recorded", "assumed"]).optional(),
  underReview: count.optional(),
  riskAccepted: count,
  outOfScope: count,
  falsePositives: count,
  duplicates: count,
  mitigated: count,
  inactive: count.optional(),
  /** Findings that the import kept or an earlier sync found, and that DefectDojo no longer has; those in findings.json are marked. Missing if there are none. */
  missing: count.optional(),
  /**
   * Findings that DefectDojo marks as duplicates, whatever they count as; a second look compares this number. Missing if unknown, and in
   * receipts of earlier versions, whose `duplicates` are these.
   */
  markedDuplicate: count.optional(),
  /**
   * Changed verdicts that the last writing sync found, at most {@link MOST_CHANGES}, in words (`active`, `falsePositive`, …); no
   * words if the finding did not or does not exist. `by` is the id of DefectDojo's user, if known. Missing before the first writing resync.
   */
  changed: z
    .array(z.object({ findingId: count, from: z.array(z.string()), to: z.array(z.string()), by: count.optional() }))
    .optional(),
  changedCount: count.optional(),
  /** Repairs that DefectDojo's import required, at most {@link MOST_REPAIRS}. */
  repairs: z.array(z.string()),
  repairCount: count,
  warnings: z.array(z.string()),
  /** ISO 8601 */
  startedAt: z.string(),
  finishedAt: z.string(),
  /** Milliseconds by step. */
  timings: z.record(z.string(), z.number()),
});

export type Receipt = z.infer<typeof receiptSchema>;

/** Of an outdated run: why nothing of it was imported, and what to do. Undefined for any other. */
export function outdatedNote({ outcome, outdated }: Pick<Receipt, "outcome" | "outdated">): string | undefined {
  if (outcome !== "outdated") return undefined;
  return outdated === undefined ? outcome : `${outcome}: ${outdated.why}. ${outdated.advice}`;
}

/** How the warning begins that DefectDojo has fewer or less severe findings than were uploaded. */
export const KEEPS_LESS = "DefectDojo keeps less than the scanner found: ";

/** Beginnings of the warnings that findings vanished from DefectDojo, and that none is left. */
export const NOW_FEWER = "DefectDojo now has ";
export const NOW_EMPTY = "findings.json is empty now: ";

/** These warnings, if the receipt has any. */
export const lossOf = ({ warnings }: Pick<Receipt, "warnings">): string | undefined =>
  warnings
    .filter((warning) => [KEEPS_LESS, NOW_FEWER, NOW_EMPTY].some((start) => warning.startsWith(start)))
    .join("; ") || undefined;

export const MOST_REPAIRS = 100;
export const MOST_CHANGES = 100;
/** Characters. */
export const LONGEST_REPAIR = 1_000;

/** Metadata that identifies our own write-back; S3 returns names in lower case. */
const JOB_METADATA = "dojo-relay-job";
const ETAG_METADATA = "dojo-relay-etag";
const RUN_METADATA = "dojo-relay-run";
/** On objects written by a resync: the number of changed verdicts, and when it started, as in its receipt. */
const CHANGED_METADATA = "dojo-relay-changed";
const SYNCED_METADATA = "dojo-relay-synced";

export function changesMetadata(startedAt: string, changedCount: number): Record<string, string> {
  return { [CHANGED_METADATA]: String(changedCount), [SYNCED_METADATA]: startedAt };
}

/** What a resync wrote into the metadata of findings.json; undefined without a resync. */
export function readChangesMetadata(metadata: Readonly<Record<string, string>>) {
  const [startedAt, changed] = [metadata[SYNCED_METADATA], Number(metadata[CHANGED_METADATA])];
  return startedAt === undefined || !Number.isInteger(changed) ? undefined : { startedAt, changedCount: changed };
}

export function ownMetadata(job: Job): Record<string, string> {
  const run = jobRun(job);
  return {
    [JOB_METADATA]: jobKey(job),
    [ETAG_METADATA]: job.etag,
    ...(run === undefined ? {} : { [RUN_METADATA]: run }),
  };
}

/**
 * The key of the job that wrote this object back, or undefined for an upload. The key covers bucket and key: a copy of a synced
 * file to another place is an upload there.
 */
export function writtenBackBy(ref: ObjectRef, metadata: Readonly<Record<string, string>>): string | undefined {
  const { [JOB_METADATA]: key, [ETAG_METADATA]: etag, [RUN_METADATA]: run } = metadata;
  return key !== undefined && etag !== undefined && key === keyOf(ref, etag, run) ? key : undefined;
}

/** The run whose job wrote this object back, and the ETag that its upload had; undefined for an upload, and if the key names no run. */
export function writtenBackOf(
  ref: ObjectRef,
  metadata: Readonly<Record<string, string>>,
): { readonly run: string; readonly etag: string } | undefined {
  const { [ETAG_METADATA]: etag, [RUN_METADATA]: run } = metadata;
  const known = writtenBackBy(ref, metadata) !== undefined && etag !== undefined && run !== undefined;
  return known ? { run, etag } : undefined;
}

/** ETag of the upload that this object was written over, or undefined for an upload. */
export function uploadedEtag(ref: ObjectRef, metadata: Readonly<Record<string, string>>): string | undefined {
  return writtenBackBy(ref, metadata) === undefined ? undefined : metadata[ETAG_METADATA];
}

/** ETag of the upload that this object is the kept copy of; a store may give a copy a different one. */
export const keptFrom = (metadata: Readonly<Record<string, string>>): string | undefined => metadata[ETAG_METADATA];

/** Whether the receipt was written for findings at this location: a copied folder contains another's. */
export function isReceiptOf(ref: ObjectRef, { jobKey: key, etag, run }: Receipt): boolean {
  return key === keyOf(ref, etag, run);
}
