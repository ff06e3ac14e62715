import { DOJO_SEVERITIES, type DojoSeverity } from "./annotations.ts";

const FROM_SCAN: Readonly<Record<string, DojoSeverity>> = {
  HIGH: "High",
  MEDIUM: "Medium",
  LOW: "Low",
  INFORMATIONAL: "Info",
};

/** A finding of findings.json, as far as its severity goes. */
interface Rated {
  readonly severity?: string | null | undefined;
  readonly attributes?: Readonly<Record<string, unknown>> | null | undefined;
}

/** The severity of a finding of findings.json: DefectDojo's own, which includes Critical; else the scanner's. */
export function severityIn({ severity, attributes }: Rated): DojoSeverity {
  const own = attributes?.["defectdojo.org/severity"];
  return DOJO_SEVERITIES.find((one) => one === own) ?? FROM_SCAN[severity?.toUpperCase() ?? ""] ?? "Info";
}

/** Whether the first is as bad as the second, or worse. */
export const isAsBad = (severity: DojoSeverity, least: DojoSeverity): boolean =>
  DOJO_SEVERITIES.indexOf(severity) <= DOJO_SEVERITIES.indexOf(least);

/** For sorting: worst first. */
export const byWorst = (a: { severity: DojoSeverity }, b: { severity: DojoSeverity }): number =>
  DOJO_SEVERITIES.indexOf(a.severity) - DOJO_SEVERITIES.indexOf(b.severity);
