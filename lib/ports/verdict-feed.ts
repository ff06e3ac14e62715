/** A finding whose status changed: it was created, or somebody set or withdrew a verdict. Ids are DefectDojo's. */
export interface StatusChange {
  readonly findingId: number;
  readonly testId: number;
  /** ISO 8601, by DefectDojo's clock: `last_status_update`. */
  readonly changedAt: string;
  /** ISO 8601, by DefectDojo's clock. */
  readonly createdAt: string;
  readonly duplicate: boolean;
  /** False positive, out of scope, risk accepted or mitigated. */
  readonly judged: boolean;
  /** ISO 8601, by DefectDojo's clock: when it was last saved; undefined where the version does not tell. */
  readonly savedAt: string | undefined;
  /** Stands for what may change without moving the feed: severity, texts, and on 2.34 an accepted risk. 32 bits. */
  readonly content: number;
}

/** In whatever order findings come, their contents sum up to the same 32 bits. */
export const addContents = (a: number, b: number): number => (a + b) % 2 ** 32;

/** A finding and where it is. */
export interface FindingRef {
  readonly findingId: number;
  readonly testId: number;
}

/** A page of the feed, and how many findings the token sees in all. */
export interface FeedPage {
  readonly total: number;
  readonly changes: readonly StatusChange[];
  /** All findings under review, where the first page has room for them. */
  readonly underReview?: readonly FindingRef[];
}

/** A finding that somebody looked at in the UI, or wrote a note about: its severity or texts may be others now. */
export interface Review extends FindingRef {
  /** ISO 8601, by DefectDojo's clock. */
  readonly reviewedAt: string;
  /** The import's own, or one that moved the feed too. */
  readonly known: boolean;
}

/** What the second look queries of a test. */
export interface TestGlance {
  readonly findings: number;
  /** One of its findings; undefined where it has none, or is gone. */
  readonly first: number | undefined;
}

/** The feed of verdicts as `follow` reads it. Every method throws RelayError. */
export interface VerdictFeed {
  /**
   * Findings in the order of their last change of status, the newest first, page by page: a small page first, so that a round
   * in which nothing happened costs one cheap request. What changes meanwhile moves to the front and shows in the next round;
   * a finding may come twice, and none is left out.
   * @param start how many of the newest to leave out
   * @param underReview how many findings were under review at the last round: the first page shows these too, if they are not too many
   */
  statusChanges(start?: number, underReview?: number): AsyncIterable<FeedPage>;
  /**
   * The duplicates of originals: these verdicts are theirs, but they do not move in the feed.
   * @returns each duplicate's test, and its original's id
   */
  duplicatesOf(originals: readonly FindingRef[]): AsyncIterable<{ readonly original: number; readonly testId: number }>;
  /** Findings under review: setting and clearing this does not move the feed. */
  underReview(): Promise<readonly FindingRef[]>;
  /** What people looked at in the last days, the newest first, page by page: editing a finding in the UI shows here. */
  reviews(): AsyncIterable<readonly Review[]>;
  glance(testId: number): Promise<TestGlance>;
  /** @returns the sum of the `content` of a test's findings, modulo 2³²; of a test that is gone, 0 */
  content(testId: number): Promise<number>;
  /** Where findings are: product and engagement of each, by id and name, in one text. Findings that are gone are left out. */
  places(findingIds: readonly number[]): AsyncIterable<{ readonly findingId: number; readonly place: string }>;
}
