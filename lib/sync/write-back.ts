import { Readable } from "node:stream";
import type { ScanJob } from "../model/job.ts";
import { originalOf } from "../model/object-keys.ts";
import { ownMetadata } from "../model/receipt.ts";
import type { DojoFinding, FindingPage } from "../ports/dojo-finding.ts";
import type { Storage } from "../ports/storage.ts";
import { batched } from "../report/report.ts";
import type { DojoWritten, Written } from "./merged-finding.ts";
import { type Tally, verdictsOf } from "./tally.ts";
import { type MappingContext, toSyncedFinding } from "./to-synced-finding.ts";

const JSON_TYPE = "application/json";

/**
 * DefectDojo's findings in their order, mapped.
 * @param mapping what findings of a living test are to the run is told by `statusOf`
 * @param seen is told of each of them
 */
export async function* replaced(
  pages: AsyncIterable<FindingPage>,
  mapping: MappingContext,
  seen: (finding: DojoFinding) => void,
): AsyncGenerator<DojoWritten> {
  for await (const page of pages) {
    for (const finding of page.findings) {
      const original = finding.duplicateOf === undefined ? undefined : page.originals.get(finding.duplicateOf);
      seen(finding);
      yield dojoWritten(finding, original, mapping);
    }
  }
}

/** A finding of DefectDojo, mapped. */
export function dojoWritten(
  finding: DojoFinding,
  original: DojoFinding | undefined,
  mapping: MappingContext,
): DojoWritten {
  const judged = [finding, ...(original === undefined ? [] : [original])].map(
    ({ mitigatedBy, lastReviewedAt, lastReviewedBy }) => ({ mitigatedBy, lastReviewedAt, lastReviewedBy }),
  );
  const inRun = mapping.statusOf?.(finding);
  return {
    written: toSyncedFinding(finding, original, mapping),
    verdicts: { ...verdictsOf(finding, original), ...(inRun === undefined ? {} : { inRun }) },
    judged,
    severity: finding.severity,
  };
}

/**
 * Keeps the upload beside the findings as `findings.original.json`: a copy inside the store, and only of the upload that is synced.
 * @throws RelayError `storage-precondition` if findings.json is no longer that upload
 */
export async function keepOriginal({ storage, job, currentEtag }: Place): Promise<void> {
  await storage.copy(job, originalOf(job), currentEtag, { contentType: JSON_TYPE, metadata: ownMetadata(job) });
}

/** The findings that are written over. */
export interface Place {
  readonly storage: Storage;
  readonly job: ScanJob;
  /** ETag that they have now. */
  readonly currentEtag: string;
}

/**
 * Streams the findings over those in the bucket, if nobody wrote there since `currentEtag`.
 * @returns the new ETag
 * @throws RelayError `storage-precondition` if somebody did; the bucket holds what they wrote
 */
export async function writeFindings(place: Place, findings: AsyncIterable<Written>, tally: Tally): Promise<string> {
  const body = Readable.from(batched(encode(findings, tally)), { objectMode: false });
  return await putFindings(place, body);
}

/** Puts a body over the findings, marked as ours; errors as {@link writeFindings}. */
export async function putFindings(
  { storage, job, currentEtag }: Place,
  body: Readable,
  metadata: Readonly<Record<string, string>> = {},
): Promise<string> {
  return await storage.write(job, body, {
    contentType: JSON_TYPE,
    metadata: { ...ownMetadata(job), ...metadata },
    condition: { ifMatch: currentEtag },
  });
}

/** The text of findings.json, finding by finding, counted as they pass. */
export async function* encode(findings: AsyncIterable<Written>, tally: Tally): AsyncGenerator<string> {
  let first = true;
  for await (const { verdicts, written } of findings) {
    tally.add(verdicts, written);
    yield `${first ? "[\n" : ",\n"}${JSON.stringify(written)}`;
    first = false;
  }
  yield first ? "[]\n" : "\n]\n";
}
