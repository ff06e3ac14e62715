import type { DojoSeverity } from "../../model/annotations.ts";
import type { DojoFinding } from "../../ports/dojo-finding.ts";
import type { ScanFinding } from "../../report/findings-file.ts";

/** The fields that identify a finding of DefectDojo. Only fields that parsers fill in; see the parsers in `dojo/tools` of DefectDojo. */
export type DojoFacts = Pick<
  DojoFinding,
  | "title"
  | "description"
  | "uniqueIdFromTool"
  | "vulnIdFromTool"
  | "filePath"
  | "line"
  | "componentName"
  | "componentVersion"
  | "vulnerabilityIds"
  | "service"
  | "locations"
>;

/** How to find the counterpart of a scanner's finding. */
interface ScannerKeys {
  /** Most reliable first: the first key that any finding of DefectDojo has decides. */
  readonly keys: readonly string[];
  /** True if each key is a part of the finding, and DefectDojo has a finding for each part. */
  readonly parts?: boolean;
  /** What distinguishes findings of one key: of several candidates the one with the same hints matches. */
  readonly hints?: readonly string[];
  /** True if DefectDojo's parser keeps such a finding only under conditions that only the report shows. */
  readonly maybe?: boolean;
}

interface DojoKeys {
  readonly keys: readonly string[];
  readonly hints?: readonly string[];
}

/** How a scanner's findings match those that DefectDojo's parser makes from the same report. */
export interface MatchRow {
  /** Undefined for a finding that DefectDojo's parser drops. */
  readonly scanner: (finding: ScanFinding, index: number) => ScannerKeys | undefined;
  readonly dojo: (finding: DojoFacts) => DojoKeys;
  /** The severity from DefectDojo's parser, if it differs from the scanner's. */
  readonly severity?: (finding: ScanFinding) => DojoSeverity;
}
