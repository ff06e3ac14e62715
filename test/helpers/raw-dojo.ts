import type { z } from "zod";
import type { finding } from "../../lib/defectdojo/schemas.ts";

type RawInput = z.input<typeof finding> & { readonly [field: string]: unknown };

/** A finding in DefectDojo's API format: the fields that are read and a few more. */
export function rawFinding(id: number, changes: Partial<RawInput> = {}): RawInput {
  return {
    id,
    test: 7,
    title: `Finding ${id}`,
    severity: "Low",
    description: "d",
    mitigation: null,
    references: null,
    created: "2026-11-24T17:59:30.906437Z",
    unique_id_from_tool: `u-${id}`,
    duplicate: false,
    duplicate_finding: null,
    false_p: false,
    risk_accepted: false,
    out_of_scope: false,
    is_mitigated: false,
    active: true,
    verified: false,
    endpoints: [],
    numerical_severity: "S3",
    ...changes,
  };
}
