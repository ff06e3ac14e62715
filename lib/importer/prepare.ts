import { readAnnotations } from "../model/annotations.ts";
import { uri } from "../model/object-keys.ts";
import { dojoScanType } from "../model/scan-types.ts";
import type { Claimed, Prepared } from "./attempt.ts";
import { openCheckpoint } from "./checkpoint.ts";

/** What the Scan asks for, and what earlier deliveries left behind. @throws RelayError `sidecar-invalid` */
export async function prepare(attempt: Claimed): Promise<Prepared> {
  const { job, key, ports, settings } = attempt;
  const { options, warnings } = readAnnotations(job.scan, uri(job), settings.defaults);
  for (const warning of warnings) ports.log.warn(warning, { object: uri(job) });
  const scanType = dojoScanType(job.scan, settings.scanTypeMap);
  const checkpoint = await openCheckpoint(ports.pending, job, key, ports.clock.now());
  return { ...attempt, options, warnings, scanType, checkpoint };
}
