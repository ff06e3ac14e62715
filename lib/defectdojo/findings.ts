import { RelayError } from "../errors.ts";
import type { DojoFinding, FindingPage } from "../ports/dojo-finding.ts";
import { mapInOrder } from "../util/concurrency.ts";
import { type DojoApi, endedEarly, idGroups, type Query } from "./api.ts";
import { readPage } from "./finding-page.ts";
import { listGuard } from "./list-guard.ts";
import type { LocationModes } from "./location-modes.ts";

/** Findings per page: DefectDojo 3.2 takes 0.6 s for 250, and larger pages gain nothing. */
export const PAGE_SIZE = 250;

/** More than any report has in one test, and more than a findings.json could hold. */
const MOST_FINDINGS = 5_000_000;

/** Findings of a test by their places in the order of ids. */
interface Part {
  readonly offset: number;
  readonly limit: number;
}

/**
 * A test's findings in the order of their ids, which is that of the report; up to `concurrency` pages are requested in parallel.
 * A page too large for one response is split.
 * @param expected the known number of findings, to request all pages at once; else the first page gives it
 * @throws RelayError `read-unstable` when the test changes while it is read, `dojo-answer-too-large` when a single finding is
 */
export async function* findingPages(
  api: DojoApi,
  modes: LocationModes,
  testId: number,
  {
    concurrency,
    expected,
    pageSize = PAGE_SIZE,
  }: { concurrency: number; expected: number | undefined; pageSize?: number },
): AsyncGenerator<FindingPage> {
  const under: { part: Part; page: Promise<FindingPage> }[] = [];
  const inOrder = idsInOrder(testId);
  let total = expected;
  let offset = 0;
  const read = ({ offset: from, limit }: Part) =>
    readPage(api, modes, { test: testId, o: "id", limit, ...(from === 0 ? {} : { offset: from }) });
  const start = () => {
    const part = { offset, limit: pageSize };
    const page = read(part);
    page.catch(() => undefined); // it may never be awaited
    under.push({ part, page });
    offset += pageSize;
  };
  /** The page of a part; if it is too large, those of its halves, one at a time in memory. */
  const pagesOf = async function* (part: Part, asked: Promise<FindingPage>): AsyncGenerator<FindingPage> {
    const page = await asked.catch((error: unknown) => {
      if (!isTooLarge(error)) throw error;
      if (part.limit === 1) throw tooLarge(testId, part.offset, error);
      return undefined;
    });
    if (page !== undefined) {
      total ??= page.total;
      checkPage(testId, part, page, total);
      inOrder(page);
      yield page;
      return;
    }
    const there = total === undefined ? part.limit : Math.min(part.limit, total - part.offset);
    const half = Math.max(1, Math.floor(there / 2));
    for (const smaller of [
      { offset: part.offset, limit: half },
      { offset: part.offset + half, limit: part.limit - half },
    ]) {
      if (total === undefined || smaller.offset < total) yield* pagesOf(smaller, read(smaller));
    }
  };
  start();
  for (;;) {
    while (total !== undefined && offset < total && under.length < concurrency) start();
    const next = under.shift();
    if (next === undefined) return;
    yield* pagesOf(next.part, next.page);
  }
}

/**
 * Findings by their ids, in the order of these, as {@link findingPages} gives those of a test. Deleted ones are left out.
 * @throws RelayError `dojo-answer-too-large` where one finding is
 */
export async function* findingsById(
  api: DojoApi,
  modes: LocationModes,
  ids: readonly number[],
  concurrency: number,
): AsyncGenerator<FindingPage> {
  const groups = groupsOf([...new Set(ids)].sort((a, b) => a - b));
  const asked = mapInOrder(toAsync(groups), concurrency, async (group) => ({
    group,
    page: await readGroup(api, modes, group),
  }));
  for await (const { group, page } of asked) {
    if (page !== undefined) yield page;
    else for (const half of halved(group)) yield* findingsById(api, modes, half, 1);
  }
}

/** @returns undefined if no response can hold so many */
async function readGroup(api: DojoApi, modes: LocationModes, ids: readonly number[]): Promise<FindingPage | undefined> {
  try {
    const page = await readPage(api, modes, { id: ids.join(","), o: "id", limit: ids.length });
    if (page.total > page.findings.length) throw endedEarly("findings/", page.total, page.findings.length);
    return page;
  } catch (error) {
    if (!isTooLarge(error)) throw error;
    const [only] = ids;
    if (ids.length > 1 || only === undefined) return undefined;
    const message = `finding ${only}, or its original, is larger than a response may be`;
    throw new RelayError("dojo-answer-too-large", message, { object: `finding ${only}`, cause: error });
  }
}

/** Groups that are a page each, and fit into a URL each. */
function* groupsOf(ids: readonly number[]): Generator<number[]> {
  for (let at = 0; at < ids.length; at += PAGE_SIZE)
    for (const group of idGroups(ids.slice(at, at + PAGE_SIZE))) yield group.split(",").map(Number);
}

const halved = (ids: readonly number[]) => {
  const half = Math.ceil(ids.length / 2);
  return [ids.slice(0, half), ids.slice(half)];
};

async function* toAsync<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items;
}

/** Filters of `findings/`, one after another. A duplicate is not active, and not closed. */
const FILTERS: Readonly<Record<"judged" | "open", readonly Query[]>> = {
  judged: [{ false_p: true }, { out_of_scope: true }, { risk_accepted: true }],
  open: [
    { is_mitigated: false, active: true },
    { is_mitigated: false, duplicate: true },
  ],
};

/** Findings of a test that match one of the filters, page by page, each only once. */
export async function* findingsThat(
  api: DojoApi,
  modes: LocationModes,
  testId: number,
  are: "judged" | "open",
): AsyncGenerator<readonly DojoFinding[]> {
  const seen = new Set<number>();
  for (const filter of FILTERS[are]) {
    const check = listGuard("findings/", PAGE_SIZE, MOST_FINDINGS);
    for (let offset = 0, total = 1; offset < total; ) {
      const query = { test: testId, ...filter, o: "id", limit: PAGE_SIZE, ...(offset === 0 ? {} : { offset }) };
      const page = await readPage(api, modes, query);
      check({ count: page.total, results: page.findings });
      yield page.findings.filter(({ id }) => !seen.has(id) && seen.add(id));
      total = page.total;
      offset += page.findings.length;
      if (page.findings.length === 0 && total > offset) throw endedEarly("findings/", total, offset);
    }
  }
}

/** Whether a response was too large; one with fewer findings may fit. */
export const isTooLarge = (error: unknown) => error instanceof RelayError && error.reason === "dojo-answer-too-large";

/** The error that names the one finding too large for a response, by itself or with its original. */
function tooLarge(testId: number, place: number, cause: unknown): RelayError {
  const message = `test ${testId}: finding [${place}] in the order of ids, or its original, is larger than a response may be`;
  return new RelayError("dojo-answer-too-large", message, { object: `test ${testId}`, cause });
}

/** Refuses a page that repeats findings: they come in the order of their ids. @throws RelayError `read-unstable` */
function idsInOrder(testId: number): (page: FindingPage) => void {
  let last = Number.NEGATIVE_INFINITY;
  return ({ findings }) => {
    for (const { id } of findings) {
      if (id <= last) {
        const message = `test ${testId}: finding ${id} comes after ${last}, in a list in the order of ids`;
        throw new RelayError("read-unstable", message, { object: `test ${testId}` });
      }
      last = id;
    }
  };
}

/** @throws RelayError `read-unstable` when a page has an unexpected number of findings */
function checkPage(testId: number, { offset, limit }: Part, page: FindingPage, total: number): void {
  const read = page.findings.length;
  if (total > MOST_FINDINGS) {
    const message = `test ${testId}: ${total} findings are announced, more than ${MOST_FINDINGS}`;
    throw new RelayError("dojo-answer-invalid", message, { object: `test ${testId}` });
  }
  if (page.total === total && read === Math.min(limit, total - offset)) return;
  const message = `test ${testId}: ${total} findings expected, ${page.total} announced, ${offset + read} read`;
  throw new RelayError("read-unstable", message, { object: `test ${testId}` });
}
