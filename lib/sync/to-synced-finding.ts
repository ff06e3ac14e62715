import { createHash } from "node:crypto";
import type { DojoSeverity } from "../model/annotations.ts";
import type { Scan } from "../model/scan.ts";
import type { RunStatus } from "../model/verdicts.ts";
import { RUN_STATUS } from "../model/verdicts.ts";
import type { DojoFinding } from "../ports/dojo-finding.ts";

/** Category of every finding that comes from DefectDojo, as the reference hook sets it. */
export const IMPORTED_CATEGORY = "DefectDojo Imported Finding";

export type ScanSeverity = "HIGH" | "MEDIUM" | "LOW" | "INFORMATIONAL";

export const SCAN_SEVERITIES: Readonly<Record<DojoSeverity, ScanSeverity>> = {
  Critical: "HIGH",
  High: "HIGH",
  Medium: "MEDIUM",
  Low: "LOW",
  Info: "INFORMATIONAL",
};

/** A finding of secureCodeBox as it is written back; satisfies secureCodeBox's findings schema. */
export interface SyncedFinding {
  readonly [field: string]: unknown;
  readonly id: string;
  readonly name: string;
  readonly severity: ScanSeverity;
  readonly category: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface MappingContext {
  readonly scan: Scan;
  /** ISO 8601, for a Scan that does not say when it was created. */
  readonly now: string;
  /** Addresses for people. */
  readonly url: (kind: "finding" | "test", id: number) => string;
  /** Of a living test: what the finding is to the run. */
  readonly statusOf?: ((finding: DojoFinding) => RunStatus) | undefined;
}

/**
 * A finding of DefectDojo in secureCodeBox's terms, with its verdicts; attribute names are the reference hook's.
 * Verdicts stand on the original of a duplicate, so that one is embedded.
 * @param original the finding that this one is a duplicate of, where there is one to be seen
 */
export function toSyncedFinding(
  finding: DojoFinding,
  original: DojoFinding | undefined,
  context: MappingContext,
): SyncedFinding {
  const references = toReferences(finding.references);
  return {
    id: stableUuid(context.url("finding", finding.id)),
    name: finding.title,
    description: finding.description,
    category: IMPORTED_CATEGORY,
    location: finding.locations[0] ?? "unknown",
    osi_layer: null,
    severity: SCAN_SEVERITIES[finding.severity],
    ...(finding.mitigation === "" ? {} : { mitigation: finding.mitigation }),
    ...(references.length === 0 ? {} : { references }),
    attributes: stateOf(finding, original, context),
    parsed_at: finding.createdAt,
    scan: scanOf(context),
  };
}

/** The scan that a finding belongs to. */
export function scanOf({ scan, now }: MappingContext) {
  return {
    created_at: scan.createdAt ?? now,
    name: scan.name,
    namespace: scan.namespace,
    scan_type: scan.scanType,
  };
}

/** DefectDojo's state of a finding, as attributes. */
function stateOf(
  finding: DojoFinding,
  original: DojoFinding | undefined,
  context: MappingContext,
): Record<string, unknown> {
  const { url } = context;
  return {
    "defectdojo.org/finding-id": finding.id,
    "defectdojo.org/finding-url": url("finding", finding.id),
    "defectdojo.org/test-id": finding.testId,
    "defectdojo.org/test-url": url("test", finding.testId),
    ...(context.statusOf === undefined ? {} : { [RUN_STATUS]: context.statusOf(finding) }),
    "defectdojo.org/severity": finding.severity,
    ...(finding.locations.length === 0 ? {} : { "defectdojo.org/locations": finding.locations }),
    duplicate: finding.duplicate,
    falsePositive: finding.falsePositive,
    riskAccepted: finding.riskAccepted,
    outOfScope: finding.outOfScope,
    mitigated: finding.mitigated,
    active: finding.active,
    verified: finding.verified,
    underReview: finding.underReview,
    "defectdojo.org/original-finding-id": finding.duplicateOf ?? null,
    "defectdojo.org/original-finding":
      original === undefined ? null : toSyncedFinding(original, undefined, { ...context, statusOf: undefined }),
  };
}

/** The lines of DefectDojo's references: addresses as `URL`, `TYPE: value` as that type, other lines as `Reference`. */
function toReferences(text: string): { type: string; value: string }[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.replace(/^[\s*-]+/, "").trim())
    .filter((line) => line !== "")
    .map((line) => {
      if (/^https?:\/\/\S+$/i.test(line)) return { type: "URL", value: line };
      const typed = /^([A-Za-z][\w-]{0,20}): (\S.*)$/.exec(line);
      return typed?.[1] === undefined || typed[2] === undefined
        ? { type: "Reference", value: line }
        : { type: typed[1], value: typed[2] };
    });
}

/** RFC 9562's namespace for URLs. */
const URL_NAMESPACE = Buffer.from("6ba7b8119dad11d180b400c04fd430c8", "hex");

/** The same address gives the same UUID (version 5, https://www.rfc-editor.org/rfc/rfc9562#section-5.5). */
export function stableUuid(url: string): string {
  const bytes = createHash("sha1").update(URL_NAMESPACE).update(url).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
