import type { FindingRef, StatusChange, VerdictFeed } from "../../lib/ports/verdict-feed.ts";

import { microseconds } from "../../lib/util/instant.ts";

interface Row extends StatusChange {
  readonly original: number | undefined;
  underReview: boolean;
}

/** The feed of verdicts over findings in memory, in DefectDojo's order and in its pages. */
export interface MemoryFeed extends VerdictFeed {
  /** Requests by kind: one a page. */
  readonly asked: { changes: number; duplicates: number; underReview: number; glances: number; places: number };
  add(testId: number, at: string, original?: number): number;
  /** A verdict: moves the finding's clock. */
  judge(findingId: number, at: string): void;
  /** Does not move it. */
  review(findingId: number, underReview: boolean): void;
  /** Deletes findings. */
  remove(wanted: (finding: { findingId: number; testId: number }) => boolean): void;
  /** The product or engagement of a test is another, or has another name. */
  rename(testId: number, place: string): void;
  /** Called before each request; what it throws is what the request throws. */
  before: () => void;
}

export function memoryFeed(pageSizes: readonly [first: number, later: number] = [10, 250]): MemoryFeed {
  const rows = new Map<number, Row>();
  const places = new Map<number, string>();
  let lastId = 0;
  /** Newest first; undefined once something changed. */
  let sorted: Row[] | undefined;
  const put = (row: Row) => {
    sorted = undefined;
    rows.set(row.findingId, row);
  };
  const list = async function* (wanted: (row: Row) => boolean): AsyncGenerator<FindingRef> {
    yield* [...rows.values()].filter(wanted).map(({ findingId, testId }) => ({ findingId, testId }));
  };
  const feed: MemoryFeed = {
    asked: { changes: 0, duplicates: 0, underReview: 0, glances: 0, places: 0 },
    before: () => undefined,
    add: (testId, at, original) => {
      const findingId = ++lastId;
      const duplicate = original !== undefined;
      put({
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
    judge: (findingId, at) => put({ ...(rows.get(findingId) as Row), changedAt: at, judged: true }),
    review: (findingId, underReview) => {
      (rows.get(findingId) as Row).underReview = underReview;
    },
    remove: (wanted) => {
      sorted = undefined;
      for (const row of rows.values()) if (wanted(row)) rows.delete(row.findingId);
    },
    rename: (testId, place) => void places.set(testId, place),
    statusChanges: async function* (start = 0) {
      for (let offset = start, size = pageSizes[0]; ; size = pageSizes[1]) {
        feed.before();
        feed.asked.changes++;
        sorted ??= [...rows.values()].sort((a, b) => microseconds(b.changedAt) - microseconds(a.changedAt));
        const newest = sorted;
        const found = newest.slice(offset, offset + size);
        yield { total: newest.length, changes: found };
        offset += found.length;
        if (found.length === 0 || offset >= newest.length) return;
      }
    },
    duplicatesOf: async function* (originals) {
      feed.asked.duplicates += originals.length;
      const ids = new Set(originals.map(({ findingId }) => findingId));
      for (const { original, testId } of [...rows.values()])
        if (original !== undefined && ids.has(original)) yield { original, testId };
    },
    underReview: () => {
      feed.asked.underReview++;
      return list(({ underReview }) => underReview);
    },
    glance: async (testId) => {
      feed.before();
      feed.asked.glances++;
      const inTest = [...rows.values()].filter((row) => row.testId === testId);
      return { findings: inTest.length, first: inTest[0]?.findingId };
    },
    places: async function* (findingIds) {
      feed.asked.places += Math.ceil(findingIds.length / 100);
      for (const findingId of findingIds) {
        const row = rows.get(findingId);
        if (row !== undefined) yield { findingId, place: places.get(row.testId) ?? "the first product" };
      }
    },
  };
  return feed;
}
