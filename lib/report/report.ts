import { createWriteStream } from "node:fs";
import { open, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { finished, Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { RelayError } from "../errors.ts";
import { DOJO_SEVERITIES, type DojoSeverity } from "../model/annotations.ts";
import type { ScanJob } from "../model/job.ts";
import { type ObjectRef, rawResultsOf, sibling, uri } from "../model/object-keys.ts";
import { LONGEST_REPAIR, MOST_REPAIRS } from "../model/receipt.ts";
import { reportFileName } from "../model/scan-types.ts";
import type { ObjectHead, Storage } from "../ports/storage.ts";
import { storageError } from "../ports/storage-error.ts";
import type { ReportLimits } from "../types.ts";
import { cutText } from "../util/text.ts";
import { readFindings, type ScanFinding } from "./findings-file.ts";
import type { Details } from "./generic-details.ts";
import { toGenericFinding } from "./to-generic-finding.ts";
import { counting, type UploadedCounts, uploadedCounts } from "./uploaded-counts.ts";

/** A report in the temporary folder, as it is sent to DefectDojo: with a known length, and as often as it takes. */
export interface Report {
  readonly path: string;
  readonly name: string;
}

export interface GenericReport extends Report {
  /** How many of its findings DefectDojo must keep: those of the minimum severity and above. */
  readonly expected: number;
  readonly repairs: readonly string[];
  readonly repairCount: number;
  readonly uploaded: UploadedCounts;
}

/** The folder of one scan from which reports are made. */
export interface Upload {
  readonly storage: Storage;
  readonly job: ScanJob;
  readonly limits: ReportLimits;
}

export interface GenericOptions {
  readonly minimumSeverity: DojoSeverity;
  /** Now: no date may be in the future. */
  readonly now: Date;
  readonly details: Details;
}

/**
 * Checks and counts every finding of the uploaded findings.json without keeping any.
 * @throws RelayError `findings-invalid`, `findings-too-large`, `storage-precondition` if another upload took its place
 */
export async function checkFindings(upload: Upload, minimumSeverity: DojoSeverity): Promise<UploadedCounts> {
  const counts = uploadedCounts();
  for await (const _ of counting(openFindings(upload), counts, minimumSeverity));
  return counts;
}

/**
 * The uploaded findings.json as a report for DefectDojo's Generic Findings Import, streamed into `folder`.
 * @throws RelayError as {@link checkFindings}
 */
export async function writeGenericReport(
  upload: Upload,
  { minimumSeverity, now, details }: GenericOptions,
  folder: string,
): Promise<GenericReport> {
  const path = join(folder, "generic-findings.json");
  const least = DOJO_SEVERITIES.indexOf(minimumSeverity);
  const repairs: string[] = [];
  const uploaded = uploadedCounts();
  let [expected, repairCount, index] = [0, 0, 0];
  const lines = async function* () {
    yield '{"findings":[';
    for await (const finding of counting(openFindings(upload), uploaded, minimumSeverity)) {
      const mapped = toGenericFinding(finding, index, now, details);
      for (const repair of mapped.repairs) {
        repairCount++;
        const line = `[${index}] ${cutText(finding.id ?? "", 60)} ${repair}`;
        if (repairs.length < MOST_REPAIRS) repairs.push(cutText(line, LONGEST_REPAIR));
      }
      if (DOJO_SEVERITIES.indexOf(mapped.generic.severity) <= least) expected++;
      yield `${index === 0 ? "" : ",\n"}${JSON.stringify(mapped.generic)}`;
      index++;
    }
    yield "]}";
  };
  await pipeline(Readable.from(batched(lines())), createWriteStream(path));
  return { path, name: "findings.json", uploaded, expected, repairs, repairCount };
}

/**
 * The raw result, unchanged, in `folder`; nothing decodes it.
 * @throws RelayError `raw-result-missing`, `raw-result-too-large`
 */
export async function fetchRawResult({ storage, job, limits }: Upload, folder: string): Promise<Report> {
  const { rawResultFile } = job.scan;
  if (rawResultFile === undefined) throw new Error("the scan names no raw result");
  const refs = rawResultsOf(job, rawResultFile);
  let ref = refs[0] ?? sibling(job, rawResultFile);
  let found: Awaited<ReturnType<Storage["read"]>>;
  for (const one of refs) {
    found = await storage.read(one);
    if (found === undefined) continue;
    ref = one;
    break;
  }
  if (found === undefined) {
    throw new RelayError("raw-result-missing", `${uri(ref)} does not exist, but status.rawResultFile names it`, {
      object: uri(ref),
    });
  }
  limitSize(found, ref, limits.maxRawResultBytes, "raw-result-too-large");
  const path = join(folder, "raw-result");
  await rm(path, { force: true });
  try {
    await pipeline(found.body, createWriteStream(path));
  } catch (error) {
    throw storageError(error, ref);
  }
  return { path, name: reportFileName(rawResultFile, await firstBytes(path)) };
}

/** Whether a report is empty: blank, `{}`, `[]` or `null`. Native parsers fail on such reports. */
export async function isBlank({ path }: Report): Promise<boolean> {
  if ((await stat(path)).size > FIRST_BYTES) return false;
  const whole = (await firstBytes(path)).replace(/^\u00ef\u00bb\u00bf/, "").trim();
  return ["", "{}", "[]", "null", '""'].includes(whole);
}

/** The uploaded findings one by one, if findings.json is still the job's. */
async function* openFindings({ storage, job, limits }: Upload) {
  yield* streamFindings(await storage.read(job, job.etag), job, limits);
}

/**
 * The findings of an opened object, one by one.
 * @throws RelayError `findings-missing`, `findings-too-large`, `findings-invalid`
 */
export async function* streamFindings(
  found: { head: ObjectHead; body: Readable } | undefined,
  ref: ObjectRef,
  { maxFindingsBytes }: Pick<ReportLimits, "maxFindingsBytes">,
): AsyncGenerator<ScanFinding> {
  if (found === undefined) throw new RelayError("findings-missing", `${uri(ref)} is gone`, { object: uri(ref) });
  const { body } = found;
  limitSize(found, ref, maxFindingsBytes, "findings-too-large");
  // A connection error is not an error of the file: it is converted before the parser sees it.
  const guarded = new Transform({ transform: (chunk, _, done) => done(null, chunk) });
  guarded.on("error", () => undefined); // the parser has gone where nobody reads on
  finished(body, { writable: false }, (error) => {
    if (error) guarded.destroy(storageError(error, ref));
  });
  try {
    yield* readFindings(body.pipe(guarded), uri(ref));
  } finally {
    body.destroy();
  }
}

/** For findings.json as the relay wrote it: embedded originals make it larger than any upload may be. */
export const UNLIMITED = { maxFindingsBytes: Number.POSITIVE_INFINITY };

/** The findings that stand in findings.json, one by one. @throws RelayError `storage-precondition` if it has another ETag by now */
export async function* storedFindings(storage: Storage, ref: ObjectRef, etag?: string): AsyncGenerator<ScanFinding> {
  yield* streamFindings(await storage.read(ref, etag), ref, UNLIMITED);
}

function limitSize(
  { head, body }: { readonly head: ObjectHead; readonly body: Readable },
  ref: ObjectRef,
  most: number,
  reason: "findings-too-large" | "raw-result-too-large",
) {
  if (head.size <= most) return;
  body.destroy();
  throw new RelayError(reason, `${uri(ref)} has ${head.size} bytes, more than ${most}`, { object: uri(ref) });
}

const FIRST_BYTES = 256;

/** The file's start as Latin-1, in which UTF-8's byte order mark is three characters. */
async function firstBytes(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(FIRST_BYTES), 0, FIRST_BYTES, 0);
    return buffer.toString("latin1", 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Chunks of some 64 KiB: 100,000 findings do not become as many writes. */
export async function* batched(lines: AsyncIterable<string>): AsyncGenerator<Buffer> {
  let held: string[] = [];
  let length = 0;
  for await (const line of lines) {
    held.push(line);
    length += line.length;
    if (length >= 65_536) {
      yield Buffer.from(held.join(""));
      held = [];
      length = 0;
    }
  }
  if (length > 0) yield Buffer.from(held.join(""));
}
