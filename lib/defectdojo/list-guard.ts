import { RelayError } from "../errors.ts";

/** The plausible maximum of most lists: product types, engagements of one name, tests of one build id. */
const MOST_ITEMS = 100_000;
/** DefectDojo returns as many objects per page as requested; a proxy or a later version may return fewer, but not this few. */
const SMALL_PAGE = 100;
const SPARE_PAGES = 10;

interface Page {
  readonly count: number;
  readonly results: readonly unknown[];
}

/**
 * Guards the pages of one list: a broken or hostile server could make it endless. Refuses more objects than plausible, more on a
 * page than requested, a page with only repeated objects, and more than twice the pages announced at first.
 * @param limit the most objects requested per page
 * @returns a function to call with each page. @throws RelayError `dojo-answer-invalid`
 */
export function listGuard(path: string, limit: number, most = MOST_ITEMS): (page: Page) => void {
  const seen = new Set<number>();
  let pages = 0;
  let mostPages = 0;
  const refuse = (what: string): never => {
    throw new RelayError("dojo-answer-invalid", `GET /api/v2/${path}: the list ${what}`, { object: path });
  };
  return ({ count, results }) => {
    if (count > most) refuse(`announces ${count} objects, more than ${most}`);
    if (results.length > limit) refuse(`has ${results.length} objects on a page, ${limit} were requested`);
    if (pages === 0) mostPages = 2 * Math.ceil(count / Math.min(limit, SMALL_PAGE)) + SPARE_PAGES;
    if (++pages > mostPages) refuse(`continues after ${mostPages} pages, more than it announced`);
    const ids = results.flatMap((item) => idOf(item) ?? []);
    if (ids.length > 0 && ids.every((id) => seen.has(id))) refuse("repeats the same objects");
    for (const id of ids) seen.add(id);
  };
}

function idOf(item: unknown): number | undefined {
  const { id } = (item ?? {}) as { id?: unknown };
  return typeof id === "number" ? id : undefined;
}
