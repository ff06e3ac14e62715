import { RelayError } from "../errors.ts";
import { uri } from "../model/object-keys.ts";
import { GENERIC } from "../model/scan-types.ts";
import { checkFindings, fetchRawResult, type Report, writeGenericReport } from "../report/report.ts";
import { readableReport } from "../report/report-of-nothing.ts";
import type { UploadedCounts } from "../report/uploaded-counts.ts";
import type { Prepared } from "./attempt.ts";

/** A report that is ready to be sent. */
export interface MadeReport {
  readonly report: Report;
  readonly scanType: string;
  /** Why that is not the scan type that was asked for. */
  readonly fellBack: string | undefined;
  /** Nothing else tells what was found: no fallback could import anything. */
  readonly onlySource: boolean;
  /** How many findings DefectDojo must keep, where that is known. */
  readonly expected: number | undefined;
  /** What was repaired, where anything was. */
  readonly repairs: string[] | undefined;
  readonly repairCount: number | undefined;
  /** Counts of the findings.json that was read for it. */
  readonly uploaded: UploadedCounts | undefined;
}

/**
 * The report for a scan type: the raw result, or the findings where no parser of DefectDojo takes that.
 * @param folder where its file is written
 */
export async function makeReport(attempt: Prepared, wanted: string, folder: string): Promise<MadeReport> {
  const { upload: job, ports, settings, options } = attempt;
  const { report, fellBack, onlySource = false, uploaded } = await nativeReport(attempt, wanted, folder);
  if (report !== undefined) {
    const counted = { expected: undefined, repairs: undefined, repairCount: undefined };
    return { report, scanType: wanted, fellBack, onlySource, uploaded, ...counted };
  }
  const upload = { storage: ports.storage, job, limits: settings.limits };
  const full = settings.genericDetails === "full";
  const generic = await writeGenericReport(
    upload,
    {
      minimumSeverity: options.minimumSeverity,
      now: new Date(ports.clock.now()),
      details: { full, cwes: full && (await ports.dojo.takesField("cwes")) },
    },
    folder,
  );
  const { expected, repairs, repairCount } = generic;
  const repaired = repairCount > 0;
  return {
    report: generic,
    scanType: GENERIC,
    fellBack,
    onlySource,
    expected,
    repairs: repaired ? [...repairs] : undefined,
    repairCount: repaired ? repairCount : undefined,
    uploaded: generic.uploaded,
  };
}

/**
 * The raw result, where this server's parser can be expected to take it. The findings are checked all the same: they are what is written over.
 * @returns no report where the findings have to be imported instead, and why
 * @throws RelayError `report-refused` where there is nothing to import instead
 */
async function nativeReport(
  { upload: job, options, ports: { storage, dojo, log }, settings: { limits } }: Prepared,
  scanType: string,
  folder: string,
): Promise<{ report?: Report; fellBack?: string; onlySource?: boolean; uploaded?: UploadedCounts }> {
  if (scanType === GENERIC) return {};
  const upload = { storage, job, limits };
  if (!(await dojo.hasTestType(scanType))) {
    const fellBack = `this DefectDojo has no parser ${JSON.stringify(scanType)}`;
    const instead =
      job.scan.rawResultType !== undefined || (await checkFindings(upload, options.minimumSeverity)).all.count > 0;
    if (!instead) throw refused(fellBack, scanType);
    log.warn(`${fellBack}; the findings are imported as ${GENERIC}`, { object: uri(job) });
    return { fellBack };
  }
  const report = await fetchRawResult(upload, folder);
  const uploaded = await checkFindings(upload, options.minimumSeverity);
  if (uploaded.all.count > 0) return { report, uploaded };
  // secureCodeBox's operator names the kind of raw result of which its parser made the findings. Where nobody did, no findings say nothing.
  const onlySource = job.scan.rawResultType === undefined;
  return { report: await readableReport(report, scanType, folder), onlySource, uploaded };
}

/** The report of which DefectDojo makes nothing is all there is. */
export function refused(why: string, scanType: string, cause?: RelayError): RelayError {
  const object = `scan type ${scanType}`;
  return new RelayError("report-refused", `${why}; no findings are there to import instead`, { object, cause });
}
