import { RelayError } from "../../lib/errors.ts";
import type {
  Engagement,
  EngagementWanted,
  ImportRecord,
  LivingTest,
  Named,
  Product,
  Test,
} from "../../lib/ports/defectdojo.ts";
import type { DojoFinding } from "../../lib/ports/dojo-finding.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export type FindingRow = Mutable<DojoFinding> & { hash: string };
export type TestRow = Mutable<LivingTest> & { readonly findings: FindingRow[] };
type EngagementRow = Engagement & Pick<EngagementWanted, "version" | "deduplicateOnEngagement">;

/** The tables of the DefectDojo in memory. */
export interface DojoTables {
  readonly productTypes: Map<number, Named>;
  readonly products: Map<number, Product>;
  readonly engagements: Map<number, EngagementRow>;
  readonly tests: Map<number, TestRow>;
  /** Records of completed imports and reimports, in order. */
  readonly records: ImportRecord[];
  /** Tests with a running import. */
  readonly importing: Set<number>;
  readonly nextId: () => number;
}

export function dojoTables(): DojoTables {
  let id = 100;
  return {
    productTypes: new Map([[1, { id: 1, name: "Research and Development" }]]),
    products: new Map(),
    engagements: new Map(),
    tests: new Map(),
    records: [],
    importing: new Set(),
    nextId: () => ++id,
  };
}

/** Findings of the test's product, oldest first; only those of the engagement if either engagement deduplicates on its own. */
function comparable(tables: DojoTables, test: Test): FindingRow[] {
  const own = tables.engagements.get(test.engagementId);
  const inScope = [...tables.tests.values()].filter(({ engagementId }) => {
    const other = tables.engagements.get(engagementId);
    if (other?.id === own?.id) return true;
    return other?.productId === own?.productId && !own?.deduplicateOnEngagement && !other?.deduplicateOnEngagement;
  });
  return inScope.flatMap(({ findings }) => findings).sort((a, b) => a.id - b.id);
}

/** Marks findings with the hash of an older one; an original is never itself a duplicate. */
export function deduplicate(tables: DojoTables, test: TestRow): void {
  const candidates = comparable(tables, test);
  for (const finding of test.findings) {
    if (finding.duplicate) continue;
    const original = candidates.find(
      ({ id, hash, duplicate }) => id < finding.id && hash === finding.hash && !duplicate,
    );
    if (original === undefined) continue;
    Object.assign(finding, { duplicate: true, active: false, verified: false, duplicateOf: original.id });
  }
}

/** Stores the record of an import or reimport: ids by action. */
export function remember(
  { records, nextId }: DojoTables,
  { id: testId, buildId }: Test,
  first: boolean,
  actions: Readonly<Partial<Record<"new" | "known" | "closed" | "reactivated", readonly FindingRow[]>>>,
): void {
  const ids = (rows: readonly FindingRow[] = []) => rows.map(({ id }) => id).sort((a, b) => a - b);
  const { new: created, known, closed, reactivated } = actions;
  records.push({
    ...{
      id: nextId(),
      testId,
      buildId,
      first,
      recordedAt: "2026-11-24T12:00:00.000000Z",
      new: ids(created),
      known: ids(known),
      closed: ids(closed),
    },
    reactivated: ids(reactivated),
  });
}

/** A rejection in the form that lib/defectdojo/client.ts returns. */
export function refused(what: string, status: 400 | 404 | 409 | 500, detail: string): RelayError {
  const reason = (
    { 400: "dojo-rejected", 404: "dojo-not-found", 409: "dojo-conflict", 500: "dojo-unavailable" } as const
  )[status];
  return new RelayError(reason, `${what}: HTTP ${status}: ${detail}`, { object: what, status });
}
