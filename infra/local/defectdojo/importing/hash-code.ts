import { createHash } from "node:crypto";
import type { Finding, Place, ReportedFinding } from "../model.ts";
import type { Matching } from "../test-types.ts";
import { locationValue } from "./place.ts";

/** The hash that matches findings, computed as in DefectDojo (`dojo/finding/models.py`), so the hashes are equal. */
export function hashCode(finding: ReportedFinding, places: readonly Place[], matching: Matching): string {
  const fields = matching.hashCodeFields;
  const usual = fields === null || (finding.cwe === 0 && !matching.allowsNullCwe);
  const text = usual
    ? finding.title + finding.cwe + python(finding.line) + python(finding.file_path) + finding.description
    : fields.map((field) => ingredient(field, finding, places)).join("");
  return createHash("sha256")
    .update(`${text}${finding.service ?? ""}`.toLowerCase().trim())
    .digest("hex");
}

function ingredient(field: string, finding: ReportedFinding, places: readonly Place[]): string {
  if (field === "endpoints") return [...new Set(places.map(locationValue))].sort().join("");
  if (field === "vulnerability_ids") return [...new Set(finding.vulnerability_ids)].sort().join("");
  return python(finding[field as keyof Finding & keyof ReportedFinding]);
}

function python(value: unknown): string {
  return value === null || value === undefined ? "None" : String(value);
}
