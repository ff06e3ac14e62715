import type { FindingRef, VerdictFeed } from "../ports/verdict-feed.ts";
import { microseconds } from "../util/instant.ts";
import { MARGIN_MS } from "./changed-tests.ts";
import type { FollowState } from "./follow-state.ts";

/** Findings that came under review, or left it. */
export function changedReviews({ underReview: before }: FollowState, shown: readonly FindingRef[]) {
  const underReview = Object.fromEntries(shown.map(({ findingId, testId }) => [String(findingId), testId]));
  const ended = Object.entries(before).filter(([id]) => underReview[id] === undefined);
  const findings: FindingRef[] = [
    ...shown.filter(({ findingId }) => before[String(findingId)] === undefined),
    ...ended.map(([id, testId]) => ({ findingId: Number(id), testId })),
  ];
  return { findings, underReview };
}

/** An import's findings are among the reviews too; behind more of them than these, the slow rotation has to find what changed. */
const MOST_PAGES = 10;

/** Findings that people looked at in the UI since the last look, and not those of which the feed told. */
export async function takeReviews(feed: VerdictFeed, { reviews, watermark }: FollowState) {
  const before = reviews ?? { upTo: watermark, handled: {}, settled: false };
  const floor = microseconds(before.upTo) + (before.settled === true ? 1 : -MARGIN_MS * 1000);
  let upTo = before.upTo;
  const findings: FindingRef[] = [];
  const seen = new Map<string, string>();
  let pages = 0;
  for await (const page of feed.reviews()) {
    const recent = page.filter(({ reviewedAt }) => microseconds(reviewedAt) >= floor);
    for (const { findingId, testId, reviewedAt, known } of recent) {
      if (microseconds(reviewedAt) > microseconds(upTo)) upTo = reviewedAt;
      if (known || seen.has(String(findingId))) continue;
      seen.set(String(findingId), reviewedAt);
      if (before.handled[String(findingId)] !== reviewedAt) findings.push({ findingId, testId });
    }
    if (recent.length < page.length || ++pages === MOST_PAGES) break;
  }
  const keep = Date.parse(upTo) - MARGIN_MS;
  const handled = Object.fromEntries([...seen].filter(([, at]) => Date.parse(at) >= keep));
  return { findings, reviews: { upTo, handled, settled: upTo === before.upTo } };
}
