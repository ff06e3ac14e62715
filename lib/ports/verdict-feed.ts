/** A finding whose status changed: it was created, or somebody gave or withdrew a verdict. Ids are DefectDojo's. */
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

/** The feed of verdicts as `follow` reads it. Every method throws RelayError. */
export interface VerdictFeed {
  /**
   * Findings in the order of their last change of status, the newest first, page by page: a small page first, so that a round
   * in which nothing happened costs one cheap request. What changes meanwhile moves to the front and shows in the next round;
   * a finding may come twice.
   */
  statusChanges(): AsyncIterable<readonly StatusChange[]>;
  /** The duplicates of an original: its verdicts are theirs, but they do not move in the feed. */
  duplicatesOf(findingId: number): AsyncIterable<FindingRef>;
  /** Findings under review: setting and clearing this does not move the feed. */
  underReview(): AsyncIterable<FindingRef>;
}
