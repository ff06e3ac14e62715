import {
  addContents,
  type FindingRef,
  type Review,
  type StatusChange,
  type VerdictFeed,
} from "../../lib/ports/verdict-feed.ts";
import { microseconds } from "../../lib/util/instant.ts";

interface Row extends StatusChange {
  readonly original: number | undefined;
  underReview: boolean;
  reviewedAt: string;
}

/** The maximum number of findings under review that the client returns with the feed. */
const MOST_SHOWN = 40;

type Asked = "changes" | "duplicates" | "underReview" | "reviews" | "glances" | "contents" | "places";
export const NOTHING_ASKED: Readonly<Record<Asked, number>> = {
  ...{ changes: 0, duplicates: 0, underReview: 0, reviews: 0, glances: 0, contents: 0, places: 0 },
};

/** The feed of verdicts on findings in memory, with DefectDojo's order and pages. */
export interface MemoryFeed extends VerdictFeed {
  /** Requests by kind: one per page. */
  readonly asked: Record<Asked, number>;
  add(testId: number, at: string, original?: number): number;
  /** Sets a verdict, which updates `last_status_update`. */
  judge(findingId: number, at: string): void;
  /** Does not update it. */
  review(findingId: number, underReview: boolean): void;
  /** Edits a finding: the UI records a review, the API does not. */
  edit(findingId: number, at: string, where: "api" | "ui"): void;
  /** Deletes findings. */
  remove(wanted: (finding: { findingId: number; testId: number }) => boolean): void;
  /** Moves a test to another product or engagement, or renames these. */
  rename(testId: number, place: string): void;
  /** Runs before each request; its error fails the request. */
  before: () => void;
}

export function memoryFeed(pageSizes: readonly [first: number, later: number] = [10, 250]): MemoryFeed {
  const rows = new Map<number, Row>();
  const places = new Map<number, string>();
  let lastId = 0;
  /** Newest first; undefined after a change. */
  let sorted: Row[] | undefined;
  const put = (row: Row) => {
    sorted = undefined;
    rows.set(row.findingId, row);
  };
  const list = (wanted: (row: Row) => boolean): FindingRef[] =>
    [...rows.values()].filter(wanted).map(({ findingId, testId }) => ({ findingId, testId }));
  const feed: MemoryFeed = {
    asked: { ...NOTHING_ASKED },
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
        content: findingId,
        savedAt: at,
        original,
        underReview: false,
        reviewedAt: at,
      });
      return findingId;
    },
    judge: (findingId, at) => put({ ...(rows.get(findingId) as Row), changedAt: at, judged: true }),
    edit: (findingId, at, where) => {
      const row = rows.get(findingId) as Row;
      const reviewedAt = where === "ui" ? at : row.reviewedAt;
      put({ ...row, content: row.content + 1_000_000, savedAt: at, reviewedAt });
    },
    review: (findingId, underReview) => {
      (rows.get(findingId) as Row).underReview = underReview;
    },
    remove: (wanted) => {
      sorted = undefined;
      for (const row of rows.values()) if (wanted(row)) rows.delete(row.findingId);
    },
    rename: (testId, place) => void places.set(testId, place),
    statusChanges: async function* (start = 0, known = MOST_SHOWN + 1) {
      for (let offset = start, size = pageSizes[0]; ; size = pageSizes[1]) {
        feed.before();
        feed.asked.changes++;
        sorted ??= [...rows.values()].sort((a, b) => microseconds(b.changedAt) - microseconds(a.changedAt));
        const newest = sorted;
        const found = newest.slice(offset, offset + size);
        const shown = offset === 0 && known <= MOST_SHOWN ? { underReview: list((row) => row.underReview) } : {};
        yield { total: newest.length, changes: found, ...shown };
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
    underReview: async () => {
      feed.asked.underReview++;
      return list(({ underReview }) => underReview);
    },
    reviews: async function* () {
      feed.before();
      feed.asked.reviews++;
      const newest = [...rows.values()].sort((a, b) => microseconds(b.reviewedAt) - microseconds(a.reviewedAt));
      const pages = newest.map(({ findingId, testId, reviewedAt, createdAt, changedAt }): Review => {
        const known = reviewedAt === createdAt || reviewedAt === changedAt;
        return { findingId, testId, reviewedAt, known };
      });
      for (let offset = 0, size = pageSizes[0]; offset < pages.length; [offset, size] = [offset + size, pageSizes[1]]) {
        if (offset > 0) feed.asked.reviews++;
        yield pages.slice(offset, offset + size);
      }
    },
    content: async (testId) => {
      feed.before();
      feed.asked.contents++;
      return [...rows.values()]
        .filter((row) => row.testId === testId)
        .reduce((sum, { content }) => addContents(sum, content), 0);
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
