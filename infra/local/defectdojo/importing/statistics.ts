import type { Finding } from "../model.ts";

const COUNTED = [
  "active",
  "verified",
  "duplicate",
  "false_p",
  "out_of_scope",
  "is_mitigated",
  "risk_accepted",
] as const;
const SEVERITY_KEYS = ["info", "low", "medium", "high", "critical", "total"] as const;

/** The counts by severity in the response to an import. */
export function statistics(findings: Iterable<Finding>): Record<string, Record<string, number>> {
  const counts: Record<string, Record<string, number>> = {};
  for (const key of SEVERITY_KEYS) counts[key] = Object.fromEntries([...COUNTED, "total"].map((name) => [name, 0]));
  for (const finding of findings) {
    for (const key of [finding.severity.toLowerCase(), "total"]) {
      const row = counts[key];
      if (row === undefined) continue;
      for (const name of COUNTED) if (finding[name]) row[name] = (row[name] ?? 0) + 1;
      row.total = (row.total ?? 0) + 1;
    }
  }
  return counts;
}
