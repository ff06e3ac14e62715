import { DOJO_SEVERITIES, type DojoSeverity } from "../model/annotations.ts";
import type { Receipt } from "../model/receipt.ts";
import type { ScanFinding } from "./findings-file.ts";
import { dojoSeverity } from "./to-generic-finding.ts";

export type SeverityCounts = NonNullable<Receipt["uploaded"]>;

const NAMES: Readonly<Record<DojoSeverity, keyof SeverityCounts["severities"]>> = {
  Critical: "high",
  High: "high",
  Medium: "medium",
  Low: "low",
  Info: "informational",
};

/** Findings by severity, in the shape of `Scan.status.findings`. */
export function severityCounts(): SeverityCounts {
  return { count: 0, severities: { informational: 0, low: 0, medium: 0, high: 0 } };
}

export function countSeverity(counts: SeverityCounts, severity: DojoSeverity): void {
  counts.count++;
  counts.severities[NAMES[severity]]++;
}

/** The upload's counts: of all findings, and of those at or above the minimum severity. */
export interface UploadedCounts {
  readonly all: SeverityCounts;
  readonly imported: SeverityCounts;
}

/** Counts the upload's findings while they stream by. */
export async function* counting(
  findings: AsyncIterable<ScanFinding>,
  { all, imported }: UploadedCounts,
  minimum: DojoSeverity,
): AsyncGenerator<ScanFinding> {
  const least = DOJO_SEVERITIES.indexOf(minimum);
  for await (const finding of findings) {
    const severity = dojoSeverity(finding.severity) ?? "Info";
    countSeverity(all, severity);
    if (DOJO_SEVERITIES.indexOf(severity) <= least) countSeverity(imported, severity);
    yield finding;
  }
}

export const uploadedCounts = (): UploadedCounts => ({ all: severityCounts(), imported: severityCounts() });
