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
  /** Why it is not the requested scan type. */
  readonly fellBack: string | undefined;
  /** There are no findings beside it: no fallback could import anything. */
  readonly onlySource: boolean;
  /** How many findings DefectDojo must keep, if known. */
  readonly expected: number | undefined;
  /** What was repaired, if anything. */
  readonly repairs: string[] | undefined;
  readonly repairCount: number | undefined;
  /** Counts of the findings.json that was read for it. */
  readonly uploaded: UploadedCounts | undefined;
}

/**
 * The report for a scan type: the raw result, or the findings if no parser of DefectDojo reads that.
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
 * The raw result, if this server's parser is expected to read it. The findings are checked anyway, because they are overwritten.
 * @returns no report if the findings have to be imported instead, and why
 * @throws RelayError `report-refused` if there is nothing to import instead
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
  // secureCodeBox's operator names the kind of raw result that its parser read. Without a name, empty findings prove nothing.
  const onlySource = job.scan.rawResultType === undefined;
  return { report: await readableReport(report, scanType, folder), onlySource, uploaded };
}

/** DefectDojo cannot read the report, and there is nothing else. */
export function refused(why: string, scanType: string, cause?: RelayError): RelayError {
  const object = `scan type ${scanType}`;
  return new RelayError("report-refused", `${why}; there are no findings to import instead`, { object, cause });
}
