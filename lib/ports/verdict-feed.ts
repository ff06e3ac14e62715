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
}

/** A finding and where it is. */
export interface FindingRef {
  readonly findingId: number;
  readonly testId: number;
}

/** A page of the feed, and how many findings the token sees in all. */
export interface FeedPage {
  readonly total: number;
  readonly changes: readonly StatusChange[];
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
   */
  statusChanges(start?: number): AsyncIterable<FeedPage>;
  /**
   * The duplicates of originals: these verdicts are theirs, but they do not move in the feed.
   * @returns each duplicate's test, and its original's id
   */
  duplicatesOf(originals: readonly FindingRef[]): AsyncIterable<{ readonly original: number; readonly testId: number }>;
  /** Findings under review: setting and clearing this does not move the feed. */
  underReview(): AsyncIterable<FindingRef>;
  glance(testId: number): Promise<TestGlance>;
  /** Where findings are: product and engagement of each, by id and name, in one text. Findings that are gone are left out. */
  places(findingIds: readonly number[]): AsyncIterable<{ readonly findingId: number; readonly place: string }>;
}
