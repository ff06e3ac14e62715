import type { DojoSeverity } from "../model/annotations.ts";
import type { VerdictCounts } from "../model/verdicts.ts";

/** DefectDojo in our words. Ids are DefectDojo's. Every method throws RelayError, sorted by {@link RelayError.errorClass}. */
export interface DefectDojo {
  /** The token's own user. */
  user(): Promise<User>;
  /**
   * Whether DefectDojo marks duplicates within this user's requests, so that an import that answers is deduplicated. Asked anew each time, as an
   * administrator may change it.
   */
  blocksExecution(): Promise<boolean>;
  /** @throws RelayError `user-missing` */
  userNamed(username: string): Promise<User>;
  /** The product type of that name, created where it is missing and the token may; or the one of that id. @throws RelayError `product-type-missing` */
  productType(wanted: string | number, mayCreate: boolean): Promise<Named>;
  /** The product of this name, created in the product type where there is none. */
  product(wanted: ProductWanted): Promise<Product>;
  /** Forgets what is remembered of ids: somebody deleted an object. */
  forget(): void;
  /** The engagement of exactly this name and version, created where there is none, reopened where it was closed. */
  engagement(wanted: EngagementWanted): Promise<Engagement>;
  /**
   * DefectDojo's own spelling of an environment, found in any case.
   * @throws RelayError `sidecar-invalid`, with the annotation and the choices
   */
  environment(name: string): Promise<string>;
  /** Checks options that not every version takes. @throws RelayError `sidecar-invalid`, with the annotation and the version */
  checkParameters(options: LimitedOptions): Promise<void>;
  /** Whether this version takes a field of generic findings that not every one takes; false where its version is not known. */
  takesField(field: LimitedField): Promise<boolean>;
  /** Whether this server has a parser of that name. */
  hasTestType(name: string): Promise<boolean>;
  /**
   * DefectDojo's own spelling of a scan type, found in any case.
   * @throws RelayError `sidecar-invalid`, with the annotation and the nearest one
   */
  testType(name: string): Promise<string>;
  /** All tests of a build id, oldest first. */
  testsByBuildId(buildId: string): Promise<Test[]>;
  /**
   * The test that runs of a scan live on in: of those of this engagement, title and scan type the newest whose import is done; undefined where there is
   * none yet.
   */
  livingTest(wanted: LivingTestWanted): Promise<LivingTest | undefined>;
  /** What DefectDojo recorded of the imports and reimports with this build id, oldest first; none while they are under way. */
  importRecords(buildId: string): Promise<ImportRecord[]>;
  /** Whether DefectDojo recorded any import or reimport of the test. */
  isRecorded(testId: number): Promise<boolean>;
  /** The test, or undefined where it is gone. */
  test(id: number): Promise<Test | undefined>;
  /** The record of this id, or undefined where it is gone. */
  importRecord(id: number): Promise<ImportRecord | undefined>;
  /** One import, or with a `testId` a reimport. @throws RelayError `import-unknown` where it may or may not have happened */
  importScan(request: ImportRequest): Promise<ImportAnswer>;
  /** What the test belongs to, as it is named today, at a constant cost; undefined where it has no finding, which alone would tell. */
  placeOfTest(testId: number): Promise<Place | undefined>;
  /** How many findings the test has; those that are duplicates if asked. */
  findingCount(testId: number, duplicatesOnly?: boolean): Promise<number>;
  /**
   * The test's findings by severity and verdict, by counting alone: no finding is read, and as many requests are made whatever the size.
   * @param known what the import's own answer counted, with the duplicates of after deduplication; it is not asked for again
   */
  countFindings(testId: number, known?: ImportStatistics): Promise<TestCounts>;
  /** The test's findings in the order of the report, page by page; several pages are asked for side by side. */
  findingPages(testId: number, expected: number | undefined): AsyncIterable<FindingPage>;
  /** Findings by their ids, in the order of these; those that are gone are left out. */
  findingsById(ids: readonly number[]): AsyncIterable<FindingPage>;
  /**
   * A part of the test's findings, page by page, each once: those with a verdict of people (false positive, out of scope, risk accepted), or those that
   * are not closed.
   */
  findingsThat(testId: number, are: "judged" | "open"): AsyncIterable<readonly DojoFinding[]>;
  updateTest(testId: number, change: TestChange): Promise<Test>;
  /** @returns false where the token may not */
  deleteTest(testId: number): Promise<boolean>;
  /**
   * Takes the test's findings out of sight of reports and deduplication, where the test cannot be deleted.
   * @param mayGoOn asked before each of them
   * @returns whether all are; else the next call continues from there
   */
  closeFindings(testId: number, mayGoOn: () => boolean): Promise<boolean>;
  /** Addresses for people. */
  url(kind: "product" | "engagement" | "test" | "finding" | "product/type", id: number): string;
}

/** Options of an import that some versions refuse. */
export interface LimitedOptions {
  readonly groupBy?: string;
}

/** Fields of generic findings that some versions refuse, and the whole report with them. */
export type LimitedField = "cwes";

/** What a test belongs to. */
export interface Place {
  readonly productType: Named;
  readonly product: Named;
  readonly engagement: Named;
}

export interface Named {
  readonly id: number;
  readonly name: string;
}

export interface User {
  readonly id: number;
  readonly username: string;
  readonly superuser: boolean;
}

export interface Product extends Named {
  readonly productTypeId: number;
}

export interface ProductWanted {
  readonly name: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly productTypeId: number;
  readonly businessCriticality?: string;
}

export interface EngagementWanted {
  readonly productId: number;
  readonly name: string;
  readonly version: string;
  readonly tags: readonly string[];
  readonly branchTag: string;
  readonly deduplicateOnEngagement: boolean;
  readonly leadId: number;
  /** yyyy-mm-dd */
  readonly start: string;
  /** yyyy-mm-dd, not before `start` */
  readonly end: string;
  /** Link the engagement to secureCodeBox as its orchestration engine; needs rights that a low-privileged token lacks. */
  readonly orchestrated: boolean;
  readonly sourceCodeManagementUri?: string;
}

export interface Engagement extends Named {
  readonly productId: number;
  /** It was made right now. */
  readonly isNew?: boolean;
}

export interface Test {
  readonly id: number;
  readonly title: string;
  readonly scanType: string;
  readonly engagementId: number;
  readonly buildId: string;
  /** 100 when the import is done, 50 while it runs or after it died. */
  readonly percentComplete: number;
  /** ISO 8601 */
  readonly createdAt?: string;
}

export interface LivingTestWanted {
  readonly engagementId: number;
  readonly title: string;
  readonly scanType: string;
}

export interface LivingTest extends Test {
  /** ISO 8601; DefectDojo's own, the time of the import, until the test is described. */
  readonly start: string;
  readonly isDescribed: boolean;
}

/** What an import or reimport did to findings: their ids. */
export interface ImportRecord {
  readonly id: number;
  readonly testId: number;
  readonly buildId: string;
  /** It was an import, which made the test. */
  readonly first: boolean;
  /** ISO 8601, by DefectDojo's clock: its end. */
  readonly recordedAt: string;
  readonly new: readonly number[];
  /** Reported again, and left as they are. */
  readonly known: readonly number[];
  readonly closed: readonly number[];
  readonly reactivated: readonly number[];
}

/** What a run did to its living test. */
export interface LivingRun {
  /** Undefined where DefectDojo keeps no import history. */
  readonly record: ImportRecord | undefined;
  /** How many records there are of this report. */
  readonly records: number;
}

export interface TestChange {
  readonly title?: string;
  readonly description?: string;
  readonly start?: string;
  readonly end?: string;
  readonly buildId?: string;
}

export interface ImportRequest {
  readonly scanType: string;
  readonly engagementId: number;
  /** The living test to reimport into; else a test is made. */
  readonly testId?: number;
  readonly buildId: string;
  readonly file: { readonly path: string; readonly name: string };
  readonly title: string;
  readonly version: string;
  readonly minimumSeverity: DojoSeverity;
  readonly closeOldFindings: boolean;
  readonly leadId: number;
  /** yyyy-mm-dd; overrides the date of every finding, so left out where findings carry their own. */
  readonly scanDate?: string;
  readonly tags: readonly string[];
  readonly active?: boolean;
  readonly verified?: boolean;
  readonly service?: string;
  readonly environment?: string;
  readonly branchTag?: string;
  readonly commitHash?: string;
  readonly groupBy?: string;
  /** Further fields of import-scan, by the API's names. */
  readonly flags?: Readonly<Record<string, boolean>>;
  /** Milliseconds to wait for the answer; the import itself goes on behind it. */
  readonly timeoutMs: number;
}

export interface ImportAnswer {
  readonly testId: number;
  /** Findings that the test has after the import, all severities; undefined where the server does not say, and after a reimport. */
  readonly total: number | undefined;
  /** Undefined where the server does not say, and after a reimport. */
  readonly statistics?: ImportStatistics | undefined;
  /** True: done. False: given up waiting. Undefined: the server does not say (before 3.1). */
  readonly deduplicated: boolean | undefined;
}

/** What an import counts of its own test, by verdicts that stand on the findings themselves; a finding counts under each that it has. */
export interface ImportStatistics {
  readonly total: number;
  readonly severities: Readonly<Record<DojoSeverity, number>>;
  /** Before deduplication is done, fewer than there will be. */
  readonly duplicates: number;
  readonly falsePositives: number;
  readonly riskAccepted: number;
  readonly outOfScope: number;
  readonly mitigated: number;
  /** Neither active nor a duplicate. */
  readonly inactive: number;
}

/** A test's findings; each is counted as one verdict, of those that stand on the finding itself. */
export interface TestCounts {
  readonly total: number;
  readonly severities: Readonly<Record<DojoSeverity, number>>;
  readonly verdicts: VerdictCounts;
  /** All duplicates, whatever they are counted as; undefined where that is not known. */
  readonly markedDuplicate: number | undefined;
}

/** A finding as DefectDojo has it, with what its ids point to. */
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
  /** What the scanner calls this kind of finding, as far as DefectDojo's parser tells. */
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
  /** Id of the user who closed it, where it is closed. */
  readonly mitigatedBy: number | undefined;
  /** The last review: by the import, and in DefectDojo's pages; ISO 8601. */
  readonly lastReviewedAt: string | undefined;
  readonly lastReviewedBy: number | undefined;
  /** Its locations as URLs, in DefectDojo's order. */
  readonly locations: readonly string[];
}

export interface FindingPage {
  /** How many findings the test has, as this page's answer said. */
  readonly total: number;
  readonly findings: readonly DojoFinding[];
  /** The originals of this page's duplicates by their id. */
  readonly originals: ReadonlyMap<number, DojoFinding>;
}
