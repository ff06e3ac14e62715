import * as z from "zod";
import type { FeedPage, FindingRef, StatusChange } from "../ports/verdict-feed.ts";
import { sha256 } from "../util/digest.ts";
import { microseconds } from "../util/instant.ts";
import type { DojoApi } from "./api.ts";
import { listGuard } from "./list-guard.ts";
import { page } from "./schemas.ts";

/** A small page is enough for an idle round; a burst of changes is read in larger ones. */
export const FIRST_PAGE = 10;
export const LATER_PAGES = 250;
/** The feed covers all findings of the server; readers stop at known ones. */
const MOST_CHANGES = 100_000_000;
/** Up to so many findings under review are shown by each round's page; of more, the page would cost as much as several small ones. */
const MOST_SHOWN = 40;

const text = z.unknown().optional();
/** What `follow` compares of a finding, apart from its verdicts. */
export const described = z.object({
  id: z.number().int(),
  severity: text,
  title: text,
  description: text,
  mitigation: text,
  references: text,
  risk_accepted: z.boolean().nullish(),
});
const moved = described.extend({
  test: z.number().int(),
  created: z.string(),
  updated: z.string().nullish(),
  last_status_update: z.string().nullish(),
  duplicate: z.boolean(),
  false_p: z.boolean().nullish(),
  out_of_scope: z.boolean().nullish(),
  is_mitigated: z.boolean().nullish(),
  under_review: z.boolean().nullish(),
});
type Moved = z.output<typeof moved>;
const inTest = z.object({ id: z.number().int(), test: z.number().int() });

/**
 * Each page begins with a finding of the one before. If it does not, findings were deleted in the meantime, and the page is requested from further ahead.
 */
export async function* statusChanges(
  api: DojoApi,
  start: number,
  reviews: number | undefined,
): AsyncGenerator<FeedPage> {
  const check = listGuard("findings/", LATER_PAGES, MOST_CHANGES);
  const known = new Set<number>();
  let [offset, limit, back] = [start, FIRST_PAGE, FIRST_PAGE];
  if (start === 0 && reviews !== undefined && reviews <= MOST_SHOWN) {
    const front = await readFront(api, reviews);
    check({ count: front.total, results: front.rows });
    for (const { id } of front.rows) known.add(id);
    yield { total: front.total, changes: front.rows.map(toChange), underReview: front.underReview };
    if (front.whole) return;
    [offset, limit] = [Math.max(0, front.rows.length - 1), LATER_PAGES];
  }
  for (; ; limit = LATER_PAGES) {
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

/**
 * One page with the findings under review, and after them the newest of the others: together the front of the feed, as far back as both reach.
 * Where there are more under review than the page has room for, they are listed, and the page is no front of anything.
 * @param reviews how many findings under review to leave room for
 */
async function readFront(api: DojoApi, reviews: number) {
  const query = { o: "-under_review,-last_status_update", limit: FIRST_PAGE + reviews };
  const { count: total, results } = await api.get("findings/", query, page(moved));
  const whole = results.length >= total;
  const [shown, others] = [
    results.filter((row) => row.under_review === true),
    results.filter((row) => !row.under_review),
  ];
  const end = others.at(-1);
  if (!whole && end === undefined) return { total, whole, rows: [], underReview: await underReview(api) };
  const from = whole || end === undefined ? Number.NEGATIVE_INFINITY : microseconds(changedAt(end));
  const rows = results
    .filter((row) => microseconds(changedAt(row)) >= from)
    .toSorted((a, b) => microseconds(changedAt(b)) - microseconds(changedAt(a)));
  return { total, whole, rows, underReview: shown.map(({ id, test }) => ({ findingId: id, testId: test })) };
}

/** Findings of very old versions have no time of a change: they have not changed since. */
const changedAt = (raw: Moved): string => raw.last_status_update ?? raw.created;

const toChange = (raw: Moved): StatusChange => ({
  findingId: raw.id,
  testId: raw.test,
  changedAt: changedAt(raw),
  createdAt: raw.created,
  duplicate: raw.duplicate,
  judged: [raw.false_p, raw.out_of_scope, raw.risk_accepted, raw.is_mitigated].includes(true),
  savedAt: raw.updated ?? undefined,
  content: contentOf(raw),
});

/** @returns 32 bits of a digest */
export const contentOf = ({
  id,
  severity,
  title,
  description,
  mitigation,
  references,
  risk_accepted: accepted,
}: z.output<typeof described>) =>
  Number.parseInt(
    sha256(JSON.stringify([id, severity, title, description, mitigation, references, accepted === true])).slice(0, 8),
    16,
  );

export async function underReview(api: DojoApi): Promise<FindingRef[]> {
  const found: FindingRef[] = [];
  const rows = api.list("findings/", { under_review: true, o: "id" }, inTest, LATER_PAGES);
  for await (const { id, test } of rows) found.push({ findingId: id, testId: test });
  return found;
}
