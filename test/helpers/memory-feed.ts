import type { FindingRef, StatusChange, VerdictFeed } from "../../lib/ports/verdict-feed.ts";

interface Row extends StatusChange {
  readonly original: number | undefined;
  underReview: boolean;
}

/** The feed of verdicts over findings in memory, in DefectDojo's order and in its pages. */
export interface MemoryFeed extends VerdictFeed {
  /** Requests by kind: one a page. */
  readonly asked: { changes: number; duplicates: number; underReview: number };
  add(testId: number, at: string, original?: number): number;
  /** A verdict: moves the finding's clock. */
  judge(findingId: number, at: string): void;
  /** Does not move it. */
  review(findingId: number, underReview: boolean): void;
  /** Called before each request; what it throws is what the request throws. */
  before: () => void;
}

export function memoryFeed(pageSizes: readonly [first: number, later: number] = [10, 250]): MemoryFeed {
  const rows = new Map<number, Row>();
  const list = async function* (wanted: (row: Row) => boolean): AsyncGenerator<FindingRef> {
    yield* [...rows.values()].filter(wanted).map(({ findingId, testId }) => ({ findingId, testId }));
  };
  const feed: MemoryFeed = {
    asked: { changes: 0, duplicates: 0, underReview: 0 },
    before: () => undefined,
    add: (testId, at, original) => {
      const findingId = rows.size + 1;
      const duplicate = original !== undefined;
      rows.set(findingId, {
        findingId,
        testId,
        changedAt: at,
        createdAt: at,
        duplicate,
        judged: false,
        original,
        underReview: false,
      });
      return findingId;
    },
    judge: (findingId, at) =>
      void rows.set(findingId, { ...(rows.get(findingId) as Row), changedAt: at, judged: true }),
    review: (findingId, underReview) => {
      (rows.get(findingId) as Row).underReview = underReview;
    },
    statusChanges: async function* () {
      for (let offset = 0, size = pageSizes[0]; ; size = pageSizes[1]) {
        feed.before();
        feed.asked.changes++;
        const newest = [...rows.values()].sort((a, b) => Date.parse(b.changedAt) - Date.parse(a.changedAt));
        const found = newest.slice(offset, offset + size);
        yield found;
        offset += found.length;
        if (found.length === 0 || offset >= newest.length) return;
      }
    },
    duplicatesOf: (id) => {
      feed.asked.duplicates++;
      return list(({ original }) => original === id);
    },
    underReview: () => {
      feed.asked.underReview++;
      return list(({ underReview }) => underReview);
    },
  };
  return feed;
}
