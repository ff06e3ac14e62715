import { RelayError } from "../errors.ts";
import { type ImportOptions, readAnnotations } from "../model/annotations.ts";
import { uri } from "../model/object-keys.ts";
import { ANNOTATION_PREFIX } from "../model/scan.ts";
import { dojoScanType, GENERIC } from "../model/scan-types.ts";
import type { Claimed, Ledger, Prepared } from "./attempt.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { importLedger } from "./ledger.ts";
import { livingLedger } from "./living-ledger.ts";

/** Reads the Scan's options, and what earlier deliveries left behind. @throws RelayError `sidecar-invalid` */
export async function prepare(attempt: Claimed): Promise<Prepared> {
  const { job, key, ports, settings } = attempt;
  const { options, warnings } = readAnnotations(job.scan, uri(job), settings.defaults);
  for (const warning of warnings) ports.log.warn(warning, { object: uri(job) });
  const scanType = await scanTypeFor(attempt, options);
  const checkpoint = await openCheckpoint(ports.pending, job, key, ports.clock.now());
  return { ...attempt, options, warnings, scanType, checkpoint, ledger: LEDGERS[options.importMode] };
}

const LEDGERS: Readonly<Record<ImportOptions["importMode"], Ledger>> = { import: importLedger, reimport: livingLedger };

/** DefectDojo's scan type for the report: the annotated one, else that of the kind of scan. */
async function scanTypeFor({ job: { scan }, ports, settings }: Claimed, { importAs }: ImportOptions): Promise<string> {
  if (importAs === undefined) return dojoScanType(scan, settings.scanTypeMap);
  const scanType = await ports.dojo.testType(importAs);
  if (scanType === GENERIC || scan.rawResultFile !== undefined) return scanType;
  const object = `annotation ${ANNOTATION_PREFIX}import-as`;
  const message = `${object}: ${JSON.stringify(scanType)} reads the raw result, but the scan names none (status.rawResultFile)`;
  throw new RelayError("sidecar-invalid", message, { object });
}
