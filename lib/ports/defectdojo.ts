import type { DojoSeverity } from "../model/annotations.ts";
import type { VerdictCounts } from "../model/verdicts.ts";
import type { DojoFinding, FindingPage } from "./dojo-finding.ts";

/** The DefectDojo port. Ids are DefectDojo's. Every method throws RelayError, sorted by {@link RelayError.errorClass}. */
export interface DefectDojo {
  /** The token's own user. */
  user(): Promise<User>;
  /**
   * Whether DefectDojo marks duplicates within this user's requests: deduplication is then done when an import responds. Queried each time, because an
   * administrator may change it.
   */
  blocksExecution(): Promise<boolean>;
  /** @throws RelayError `user-missing` */
  userNamed(username: string): Promise<User>;
  /** The product type of that name, created if it is missing and the token may; or the one of that id. @throws RelayError `product-type-missing` */
  productType(wanted: string | number, mayCreate: boolean): Promise<Named>;
  /** The product of this name, created in the product type if there is none. */
  product(wanted: ProductWanted): Promise<Product>;
  /** Clears the cached ids: somebody deleted an object. */
  forget(): void;
  /** The engagement of exactly this name and version, created if there is none, reopened if it was closed. */
  engagement(wanted: EngagementWanted): Promise<Engagement>;
  /**
   * DefectDojo's own spelling of an environment, found case-insensitively.
   * @throws RelayError `sidecar-invalid`, with the annotation and the choices
   */
  environment(name: string): Promise<string>;
  /** Checks options that not every version supports. @throws RelayError `sidecar-invalid`, with the annotation and the version */
  checkParameters(options: LimitedOptions): Promise<void>;
  /** Whether this version supports a field of generic findings that not every one does; false if the version is unknown. */
  takesField(field: LimitedField): Promise<boolean>;
  /** Whether this server has a parser of that name. */
  hasTestType(name: string): Promise<boolean>;
  /**
   * DefectDojo's own spelling of a scan type, found case-insensitively.
   * @throws RelayError `sidecar-invalid`, with the annotation and the nearest one
   */
  testType(name: string): Promise<string>;
  /** All tests of a build id, oldest first. */
  testsByBuildId(buildId: string): Promise<Test[]>;
  /**
   * The living test of a scan: of the tests with this engagement, title and scan type the newest whose import is done; undefined if there is
   * none yet.
   */
  livingTest(wanted: LivingTestWanted): Promise<LivingTest | undefined>;
  /** What DefectDojo recorded of the imports and reimports with this build id, oldest first; none while they are running. */
  importRecords(buildId: string): Promise<ImportRecord[]>;
  /** Whether DefectDojo recorded any import or reimport of the test. */
  isRecorded(testId: number): Promise<boolean>;
  /** The test, or undefined if it is gone. */
  test(id: number): Promise<Test | undefined>;
  /** The record of this id, or undefined if it is gone. */
  importRecord(id: number): Promise<ImportRecord | undefined>;
  /** One import, or with a `testId` a reimport. @throws RelayError `import-unknown` if it may or may not have happened */
  importScan(request: ImportRequest): Promise<ImportAnswer>;
  /** What the test belongs to, under its current names, at a constant cost; undefined if it has no finding from which to read it. */
  placeOfTest(testId: number): Promise<Place | undefined>;
  /** How many findings the test has, or how many duplicates. */
  findingCount(testId: number, duplicatesOnly?: boolean): Promise<number>;
  /**
   * The test's findings by severity and verdict, by count queries: no finding is read, and the number of requests does not depend on the size.
   * @param known the counts in the import's own response, with the duplicates after deduplication; they are not queried again
   */
  countFindings(testId: number, known?: ImportStatistics): Promise<TestCounts>;
  /** The test's findings in the order of the report, page by page; several pages are requested in parallel. */
  findingPages(testId: number, expected: number | undefined): AsyncIterable<FindingPage>;
  /** Findings by their ids, in this order; missing ones are left out. */
  findingsById(ids: readonly number[]): AsyncIterable<FindingPage>;
  /**
   * A part of the test's findings, page by page, each once: those with a verdict of people (false positive, out of scope, risk accepted), or those that
   * are not closed.
   */
  findingsThat(testId: number, are: "judged" | "open"): AsyncIterable<readonly DojoFinding[]>;
  updateTest(testId: number, change: TestChange): Promise<Test>;
  /** @returns false if the token may not */
  deleteTest(testId: number): Promise<boolean>;
  /**
   * Hides the test's findings from reports and deduplication, for a test that cannot be deleted.
   * @param mayGoOn asked before each of them
   * @returns whether all are hidden; if not, the next call continues from there
   */
  closeFindings(testId: number, mayGoOn: () => boolean): Promise<boolean>;
  /** URLs for people. */
  url(kind: "product" | "engagement" | "test" | "finding" | "product/type", id: number): string;
}

/** Options of an import that some versions refuse. */
export interface LimitedOptions {
  readonly groupBy?: string;
}

/** Fields of generic findings for which some versions refuse the whole report. */
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
  /** Link the engagement to secureCodeBox as its orchestration engine; requires permissions that a low-privileged token lacks. */
  readonly orchestrated: boolean;
  readonly sourceCodeManagementUri?: string;
}

export interface Engagement extends Named {
  readonly productId: number;
  /** It was just created. */
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
  /** ISO 8601 */
  readonly end: string;
  /** Empty until the test is described. */
  readonly description: string;
}

/** The findings that an import or reimport touched, by id. */
export interface ImportRecord {
  readonly id: number;
  readonly testId: number;
  readonly buildId: string;
  /** An import, which created the test. */
  readonly first: boolean;
  /** ISO 8601, by DefectDojo's clock: its end. */
  readonly recordedAt: string;
  readonly new: readonly number[];
  /** Reported again and unchanged. */
  readonly known: readonly number[];
  readonly closed: readonly number[];
  readonly reactivated: readonly number[];
}

/** What a run did to its living test. */
export interface LivingRun {
  /** Undefined if DefectDojo keeps no import history. */
  readonly record: ImportRecord | undefined;
  /** The number of records of this report. */
  readonly records: number;
  /** ISO 8601: when an attempt that was interrupted sent this report first. What was created since is this run's, but not in its record. */
  readonly since?: string | undefined;
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
  /** The living test to reimport into; without it a test is created. */
  readonly testId?: number;
  readonly buildId: string;
  readonly file: { readonly path: string; readonly name: string };
  readonly title: string;
  readonly version: string;
  readonly minimumSeverity: DojoSeverity;
  readonly closeOldFindings: boolean;
  readonly leadId: number;
  /** yyyy-mm-dd; overrides the date of every finding, so left out if findings carry their own. */
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
  /** Milliseconds to wait for the response; the import itself continues without it. */
  readonly timeoutMs: number;
}

export interface ImportAnswer {
  readonly testId: number;
  /** The test's findings after the import, all severities; undefined if the server does not report it, and after a reimport. */
  readonly total: number | undefined;
  /** Undefined if the server does not report it, and after a reimport. */
  readonly statistics?: ImportStatistics | undefined;
  /** True: done. False: the server gave up waiting. Undefined: not reported (before 3.1). */
  readonly deduplicated: boolean | undefined;
}

/** The counts of an import's own test, by the findings' own verdicts; a finding counts under each that it has. */
export interface ImportStatistics {
  readonly total: number;
  readonly severities: Readonly<Record<DojoSeverity, number>>;
  /** Too few until deduplication is done. */
  readonly duplicates: number;
  readonly falsePositives: number;
  readonly riskAccepted: number;
  readonly outOfScope: number;
  readonly mitigated: number;
  /** Neither active nor a duplicate. */
  readonly inactive: number;
}

/** A test's findings, each counted under one of its own verdicts. */
export interface TestCounts {
  readonly total: number;
  readonly severities: Readonly<Record<DojoSeverity, number>>;
  readonly verdicts: VerdictCounts;
  /** All duplicates, whatever they count as; undefined if unknown. */
  readonly markedDuplicate: number | undefined;
}
