import * as z from "zod";
import { RelayError } from "../errors.ts";
import { addContents, type Review, type TestGlance, type VerdictFeed } from "../ports/verdict-feed.ts";
import type { DojoApi } from "./api.ts";
import { duplicatesOf } from "./duplicates.ts";
import { relatedFindings } from "./related-findings.ts";
import { page } from "./schemas.ts";
import { contentOf, described, FIRST_PAGE, LATER_PAGES, statusChanges, underReview } from "./status-changes.ts";

/** `DateRangeFilter`: the past 7 days. Findings that nobody looked at have no time, and would come first otherwise. */
const LAST_DAYS = 2;
/** Saved in one request, both clocks are a moment apart. Milliseconds. */
const MOMENT_MS = 1_000;

const reviewed = z.object({
  id: z.number().int(),
  test: z.number().int(),
  created: z.string(),
  last_status_update: z.string().nullish(),
  last_reviewed: z.string(),
});
const inTest = z.object({ id: z.number().int(), test: z.number().int() });
const named = z.object({ id: z.number().int(), name: z.string() });
const placed = z.object({
  id: z.number().int(),
  related_fields: z.object({ test: z.object({ engagement: named.extend({ product: named }) }) }),
});

/**
 * The feed of verdicts over the API. False positive, out of scope, close and (from 2.58 on) risk acceptance move a finding to the front of
 * `findings/?o=-last_status_update`; under review and a severity changed by hand do not.
 */
export function verdictFeed(api: DojoApi): VerdictFeed {
  return {
    statusChanges: (start = 0, known = undefined) => statusChanges(api, start, known),
    duplicatesOf: (originals) => duplicatesOf(api, originals),
    underReview: () => underReview(api),
    reviews: () => reviews(api),
    glance: (testId) => glance(api, testId),
    content: (testId) => content(api, testId),
    places: (findingIds) => places(api, findingIds),
  };
}

async function* reviews(api: DojoApi): AsyncGenerator<readonly Review[]> {
  for (let offset = 0, limit = FIRST_PAGE; ; limit = LATER_PAGES) {
    const query = { last_reviewed: LAST_DAYS, o: "-last_reviewed", limit, ...(offset === 0 ? {} : { offset }) };
    const { count, results } = await api.get("findings/", query, page(reviewed));
    yield results.map(toReview);
    offset += results.length;
    if (results.length === 0 || offset >= count) return;
  }
}

function toReview(raw: z.output<typeof reviewed>): Review {
  const at = Date.parse(raw.last_reviewed);
  const isNear = (time: string) => Math.abs(at - Date.parse(time)) <= MOMENT_MS;
  const known = at <= Date.parse(raw.created) + MOMENT_MS || isNear(raw.last_status_update ?? raw.created);
  return { findingId: raw.id, testId: raw.test, reviewedAt: raw.last_reviewed, known };
}

async function content(api: DojoApi, testId: number): Promise<number> {
  let sum = 0;
  try {
    for await (const row of api.list("findings/", { test: testId, o: "id" }, described, LATER_PAGES))
      sum = addContents(sum, contentOf(row));
  } catch (error) {
    if (!isGone(error)) throw error;
  }
  return sum;
}

/** A test that is gone, or that the token does not see, is no choice of a filter. */
const isGone = (error: unknown) => error instanceof RelayError && error.reason === "dojo-rejected";

async function glance(api: DojoApi, testId: number): Promise<TestGlance> {
  try {
    const { count, results } = await api.get("findings/", { test: testId, o: "id", limit: 1 }, page(inTest));
    return { findings: count, first: results[0]?.id };
  } catch (error) {
    if (isGone(error)) return { findings: 0, first: undefined };
    throw error;
  }
}

async function* places(api: DojoApi, findingIds: readonly number[]) {
  for await (const { id: findingId, related_fields: related } of relatedFindings(api, findingIds, placed)) {
    const { product, ...engagement } = related.test.engagement;
    yield { findingId, place: JSON.stringify([product.id, product.name, engagement.id, engagement.name]) };
  }
}
