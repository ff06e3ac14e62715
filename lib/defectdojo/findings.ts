import { RelayError } from "../errors.ts";

import { type DojoApi, idGroups } from "./api.ts";
import { type LocationMode, locate, locateEndpoints } from "./locations.ts";
import type { DojoFinding, FindingPage } from "./port.ts";
import { findingsPage, type RawFinding } from "./schemas.ts";

/** Findings a page: DefectDojo 3.2 gives 250 in some 0.6 s and gains nothing by larger pages. */
export const PAGE_SIZE = 250;

/**
 * A test's findings in the order of their ids, which is that of the report; up to `concurrency` pages are under way at once.
 * @param expected how many the test is known to have, so that all pages can be asked for at once; else the first page tells
 * @throws RelayError `read-unstable` where the test changes while it is read
 */
export async function* findingPages(
  api: DojoApi,
  mode: LocationMode,
  testId: number,
  concurrency: number,
  expected: number | undefined,
): AsyncGenerator<FindingPage> {
  const under: Promise<FindingPage>[] = [];
  let total = expected;
  let offset = 0;
  const start = () => {
    const page = readPage(api, mode, testId, offset);
    page.catch(() => undefined); // its turn to be awaited may never come
    under.push(page);
    offset += PAGE_SIZE;
  };
  start();
  for (let read = 0; ; ) {
    while (total !== undefined && offset < total && under.length < concurrency) start();
    const page = await under.shift();
    if (page === undefined) return;
    total ??= page.total;
    read += page.findings.length;
    const whole = Math.min(PAGE_SIZE, total - (read - page.findings.length));
    if (page.total !== total || page.findings.length !== whole) {
      throw new RelayError(
        "read-unstable",
        `test ${testId}: ${total} findings expected, ${page.total} announced, ${read} read`,
        {
          object: `test ${testId}`,
        },
      );
    }
    yield page;
  }
}

async function readPage(api: DojoApi, mode: LocationMode, testId: number, offset: number): Promise<FindingPage> {
  const answer = await api.get(
    "findings/",
    { test: testId, o: "id", limit: PAGE_SIZE, ...(offset === 0 ? {} : { offset }), ...alongside(mode) },
    findingsPage,
  );
  const own = answer.results;
  const ownById = new Map(own.map((finding) => [finding.id, finding]));
  const originalIds = new Set(
    own.flatMap(({ duplicate, duplicate_finding: id }) => (duplicate && id != null ? id : [])),
  );
  const elsewhere = await readByIds(
    api,
    mode,
    [...originalIds].filter((id) => !ownById.has(id)),
  );
  const all = [...own, ...elsewhere.findings];
  const locations =
    mode === "endpoints"
      ? locateEndpoints(all, { ...answer.prefetch?.endpoints, ...elsewhere.endpoints })
      : await locate(api, all, mode);
  const originals = all.filter(({ id }) => originalIds.has(id));
  const convert = (finding: RawFinding) => toFinding(finding, locations.get(finding.id));
  return {
    total: answer.count,
    findings: own.map(convert),
    originals: new Map(originals.map((finding) => [finding.id, convert(finding)])),
  };
}

/** Findings of any test by their ids; those that are gone or not to be seen are missing. */
async function readByIds(api: DojoApi, mode: LocationMode, ids: Iterable<number>) {
  const findings: RawFinding[] = [];
  const endpoints: Record<string, unknown> = {};
  for (const group of idGroups(ids)) {
    const answer = await api.get(
      "findings/",
      { id: group, limit: group.split(",").length, ...alongside(mode) },
      findingsPage,
    );
    findings.push(...answer.results);
    Object.assign(endpoints, answer.prefetch?.endpoints);
  }
  return { findings, endpoints };
}

const alongside = (mode: LocationMode): Record<string, string> =>
  mode === "endpoints" ? { prefetch: "endpoints" } : {};

function toFinding(raw: RawFinding, location: string | undefined): DojoFinding {
  return {
    id: raw.id,
    testId: raw.test,
    title: raw.title,
    severity: raw.severity,
    description: raw.description,
    mitigation: raw.mitigation,
    references: raw.references,
    createdAt: raw.created,
    uniqueIdFromTool: raw.unique_id_from_tool || undefined,
    duplicate: raw.duplicate,
    duplicateOf: raw.duplicate ? (raw.duplicate_finding ?? undefined) : undefined,
    falsePositive: raw.false_p,
    riskAccepted: raw.risk_accepted,
    outOfScope: raw.out_of_scope,
    mitigated: raw.is_mitigated ?? false,
    active: raw.active ?? false,
    verified: raw.verified ?? false,
    location,
  };
}
