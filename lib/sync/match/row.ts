import type { DojoSeverity } from "../../model/annotations.ts";
import type { DojoFinding } from "../../ports/defectdojo.ts";
import type { ScanFinding } from "../../report/findings-file.ts";

/** What a finding of DefectDojo is known by. Only what parsers fill in; see the parsers in `dojo/tools` of DefectDojo. */
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

/** How a finding of the scanner asks for its counterpart. */
interface ScannerKeys {
  /** Surest first: the first key that any finding of DefectDojo has decides. */
  readonly keys: readonly string[];
  /** True where each key is a part of the finding, and DefectDojo has a finding for each part. */
  readonly parts?: boolean;
  /** What tells findings of one key apart: of several candidates the one with the same hints is meant. */
  readonly hints?: readonly string[];
  /** True where DefectDojo's parser makes a finding of such a one only under conditions that its report alone shows. */
  readonly maybe?: boolean;
}

interface DojoKeys {
  readonly keys: readonly string[];
  readonly hints?: readonly string[];
}

/** How a scanner's findings and those that DefectDojo's parser makes of the same report know each other. */
export interface MatchRow {
  /** Undefined for a finding that DefectDojo's parser makes nothing of. */
  readonly scanner: (finding: ScanFinding, index: number) => ScannerKeys | undefined;
  readonly dojo: (finding: DojoFacts) => DojoKeys;
  /** The severity that DefectDojo's parser gives, where that is not the scanner's. */
  readonly severity?: (finding: ScanFinding) => DojoSeverity;
}
