import * as z from "zod";
import type { FindingRef, StatusChange, VerdictFeed } from "../ports/verdict-feed.ts";
import type { DojoApi } from "./api.ts";
import { listGuard } from "./list-guard.ts";
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
const placed = z.object({ id: z.number().int(), test: z.number().int() });

/**
 * The feed of verdicts over the API. False positive, out of scope, close and (from 2.58 on) risk acceptance move a finding to the front of
 * `findings/?o=-last_status_update`; under review and a severity changed by hand do not.
 */
export function verdictFeed(api: DojoApi): VerdictFeed {
  return {
    statusChanges: () => statusChanges(api),
    duplicatesOf: (findingId) => refs(api, { duplicate_finding: findingId }),
    underReview: () => refs(api, { under_review: true }),
  };
}

async function* statusChanges(api: DojoApi): AsyncGenerator<readonly StatusChange[]> {
  const check = listGuard("findings/", LATER_PAGES, MOST_CHANGES);
  for (let offset = 0, limit = FIRST_PAGE; ; limit = LATER_PAGES) {
    const query = { o: "-last_status_update", limit, ...(offset === 0 ? {} : { offset }) };
    const { count, results } = await api.get("findings/", query, page(moved));
    check({ count, results });
    yield results.map((raw) => ({
      findingId: raw.id,
      testId: raw.test,
      // Findings of very old versions have none: they have not changed since.
      changedAt: raw.last_status_update ?? raw.created,
      createdAt: raw.created,
      duplicate: raw.duplicate,
      judged: [raw.false_p, raw.out_of_scope, raw.risk_accepted, raw.is_mitigated].includes(true),
    }));
    offset += results.length;
    if (results.length === 0 || offset >= count) return;
  }
}

async function* refs(api: DojoApi, query: Readonly<Record<string, number | boolean>>): AsyncGenerator<FindingRef> {
  for await (const { id, test } of api.list("findings/", { ...query, o: "id" }, placed, LATER_PAGES))
    yield { findingId: id, testId: test };
}
