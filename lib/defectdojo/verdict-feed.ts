import * as z from "zod";
import { RelayError } from "../errors.ts";
import type { FeedPage, FindingRef, StatusChange, TestGlance, VerdictFeed } from "../ports/verdict-feed.ts";
import type { DojoApi } from "./api.ts";
import { duplicatesOf } from "./duplicates.ts";
import { listGuard } from "./list-guard.ts";
import { relatedFindings } from "./related-findings.ts";
import { page } from "./schemas.ts";

/** A small page is enough for an idle round; a burst of changes is read in larger ones. */
const FIRST_PAGE = 10;
const LATER_PAGES = 250;
/** The feed covers all findings of the server; readers stop at known ones. */
const MOST_CHANGES = 100_000_000;

const moved = z.object({
  id: z.number().int(),
  test: z.number().int(),
  created: z.string(),
  last_status_update: z.string().nullish(),
  duplicate: z.boolean(),
  false_p: z.boolean().nullish(),
  out_of_scope: z.boolean().nullish(),
  risk_accepted: z.boolean().nullish(),
  is_mitigated: z.boolean().nullish(),
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
    statusChanges: (start = 0) => statusChanges(api, start),
    duplicatesOf: (originals) => duplicatesOf(api, originals),
    underReview: () => underReview(api),
    glance: (testId) => glance(api, testId),
    places: (findingIds) => places(api, findingIds),
  };
}

/**
 * Each page begins with a finding of the one before. If it does not, findings were deleted in the meantime, and the page is requested from further ahead.
 */
async function* statusChanges(api: DojoApi, start: number): AsyncGenerator<FeedPage> {
  const check = listGuard("findings/", LATER_PAGES, MOST_CHANGES);
  const known = new Set<number>();
  for (let offset = start, limit = FIRST_PAGE, back = FIRST_PAGE; ; limit = LATER_PAGES) {
    const query = { o: "-last_status_update", limit, ...(offset === 0 ? {} : { offset }) };
    const { count, results } = await api.get("findings/", query, page(moved));
    const [first] = results;
    if (offset > start && first !== undefined && !known.has(first.id)) {
      back *= 2;
      offset = Math.max(start, offset - back);
      continue;
    }
    back = FIRST_PAGE;
    const last = results.length === 0 || offset + results.length >= count;
    // The last page may hold nothing but the finding that it shares with the one before.
    if (!last || results.length > 1 || known.size === 0) check({ count, results });
    for (const { id } of results) known.add(id);
    yield { total: count, changes: results.map(toChange) };
    if (last) return;
    offset += Math.max(1, results.length - 1);
  }
}

const toChange = (raw: z.output<typeof moved>): StatusChange => ({
  findingId: raw.id,
  testId: raw.test,
  // Findings of very old versions have none: they have not changed since.
  changedAt: raw.last_status_update ?? raw.created,
  createdAt: raw.created,
  duplicate: raw.duplicate,
  judged: [raw.false_p, raw.out_of_scope, raw.risk_accepted, raw.is_mitigated].includes(true),
});

async function* underReview(api: DojoApi): AsyncGenerator<FindingRef> {
  for await (const { id, test } of api.list("findings/", { under_review: true, o: "id" }, inTest, LATER_PAGES))
    yield { findingId: id, testId: test };
}

async function glance(api: DojoApi, testId: number): Promise<TestGlance> {
  try {
    const { count, results } = await api.get("findings/", { test: testId, o: "id", limit: 1 }, page(inTest));
    return { findings: count, first: results[0]?.id };
  } catch (error) {
    // A test that is gone, or that the token cannot see, is not a valid choice of this filter.
    if (error instanceof RelayError && error.reason === "dojo-rejected") return { findings: 0, first: undefined };
    throw error;
  }
}

async function* places(api: DojoApi, findingIds: readonly number[]) {
  for await (const { id: findingId, related_fields: related } of relatedFindings(api, findingIds, placed)) {
    const { product, ...engagement } = related.test.engagement;
    yield { findingId, place: JSON.stringify([product.id, product.name, engagement.id, engagement.name]) };
  }
}
