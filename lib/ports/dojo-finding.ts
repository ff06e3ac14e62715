import type { DojoSeverity } from "../model/annotations.ts";

/** A finding in DefectDojo, with the objects that its ids refer to. */
export interface DojoFinding {
  readonly id: number;
  readonly testId: number;
  readonly title: string;
  readonly severity: DojoSeverity;
  readonly description: string;
  readonly mitigation: string;
  readonly references: string;
  /** ISO 8601 */
  readonly createdAt: string;
  readonly uniqueIdFromTool: string | undefined;
  /** The scanner's name for this kind of finding, if DefectDojo's parser keeps it. */
  readonly vulnIdFromTool: string | undefined;
  readonly filePath: string | undefined;
  readonly line: number | undefined;
  readonly componentName: string | undefined;
  readonly componentVersion: string | undefined;
  readonly vulnerabilityIds: readonly string[];
  readonly service: string | undefined;
  readonly duplicate: boolean;
  readonly duplicateOf: number | undefined;
  readonly falsePositive: boolean;
  readonly riskAccepted: boolean;
  readonly outOfScope: boolean;
  readonly mitigated: boolean;
  readonly active: boolean;
  readonly verified: boolean;
  readonly underReview: boolean;
  /** Id of the user who closed it, if it is closed. */
  readonly mitigatedBy: number | undefined;
  /** The last review, by the import or in DefectDojo's UI; ISO 8601. */
  readonly lastReviewedAt: string | undefined;
  readonly lastReviewedBy: number | undefined;
  /** Its locations as URLs, in DefectDojo's order. */
  readonly locations: readonly string[];
}

/** A page of a list of findings. */
export interface FindingPage {
  /** How many findings the test has, according to this page's response. */
  readonly total: number;
  readonly findings: readonly DojoFinding[];
  /** The originals of this page's duplicates by their id. */
  readonly originals: ReadonlyMap<number, DojoFinding>;
}
