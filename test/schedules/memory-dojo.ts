import { RelayError } from "../../lib/errors.ts";
import { DOJO_SEVERITIES } from "../../lib/model/annotations.ts";
import { type Counted, countedAs, eachVerdict } from "../../lib/model/verdicts.ts";
import type {
  DefectDojo,
  ImportAnswer,
  ImportRequest,
  LivingTest,
  Test,
  TestCounts,
} from "../../lib/ports/defectdojo.ts";
import type { DojoFinding } from "../../lib/ports/dojo-finding.ts";
import { verdictsOf } from "../../lib/sync/tally.ts";
import type { Clock } from "../../lib/util/clock.ts";
import { type Fate, type ImportTiming, runImport } from "./memory-dojo-import.ts";
import { memoryPages } from "./memory-dojo-pages.ts";
import { type DojoTables, dojoTables, refused, type TestRow } from "./memory-dojo-tables.ts";

export interface MemoryDojo {
  readonly tables: DojoTables;
  /** The port's import, which a fault can end early. */
  importScan(request: ImportRequest, fate?: Fate): Promise<ImportAnswer>;
  readonly port: DefectDojo;
  /** The server is upgraded, or its location feature switched, before its n-th request for findings from now. */
  switchMode(requests: number): void;
}

export interface MemoryDojoOptions extends Partial<ImportTiming> {
  /** The token is not allowed to delete tests. */
  readonly lowPrivileged?: boolean;
  /** Findings per page. */
  readonly pageSize?: number;
}

/**
 * An in-memory DefectDojo behind the port, with what the flows use; memory-dojo.test.ts compares it to the stand-in:
 * imports that continue after the client gave up, tests left at 50 %, duplicates, a token without the right to delete.
 */
export function memoryDojo(clock: Clock, options: MemoryDojoOptions = {}): MemoryDojo {
  const { lowPrivileged = false, pageSize = 250 } = options;
  const timing = { msPerFinding: 10, asyncWait: true, deduplicationDelayMs: 0, ...options };
  const tables = dojoTables();
  const pages = memoryPages(tables, pageSize);
  const { productTypes, products, engagements, tests, nextId } = tables;
  const testOf = (id: number, what: string): TestRow => {
    const test = tests.get(id);
    if (test === undefined) throw refused(what, 404, "No Test matches the given query.");
    return test;
  };
  /** The filter of a list: an unknown id is not a valid choice. */
  const filterBy = (testId: number): TestRow => {
    const test = tests.get(testId);
    if (test === undefined) {
      const detail = "test: Select a valid choice. That choice is not one of the available choices.";
      throw refused("GET /api/v2/findings/", 400, detail);
    }
    return test;
  };
  const described = ({ findings: _, ...test }: TestRow): LivingTest => test;
  const shown = (row: TestRow): Test => {
    const { start: _, end: __, description: ___, ...test } = described(row);
    return test;
  };

  const importScan = async (request: ImportRequest, fate?: Fate) => {
    const answer = runImport({ tables, clock, timing }, request, fate);
    answer.catch(() => undefined);
    const late = clock.sleep(request.timeoutMs).then(() => {
      throw new RelayError("import-unknown", "POST /api/v2/import-scan/: no answer in time");
    });
    late.catch(() => undefined);
    return await Promise.race([answer, late]);
  };

  const port: DefectDojo = {
    user: async () => ({ id: 1, username: "relay", superuser: !lowPrivileged }),
    blocksExecution: async () => false,
    userNamed: async (username) => {
      throw new RelayError("user-missing", `DefectDojo has no user ${username}`);
    },
    productType: async (wanted, mayCreate) => {
      const found = [...productTypes.values()].find(({ id, name }) => id === wanted || name === wanted);
      if (found !== undefined) return found;
      if (!mayCreate || typeof wanted === "number") throw new RelayError("product-type-missing", String(wanted));
      const made = { id: nextId(), name: wanted };
      productTypes.set(made.id, made);
      return { ...made, isNew: true };
    },
    product: async ({ name, productTypeId }) => {
      const found = [...products.values()].find((product) => product.name === name);
      if (found !== undefined) return found;
      const made = { id: nextId(), name, productTypeId };
      products.set(made.id, made);
      return { ...made, isNew: true };
    },
    forget: () => undefined,
    engagement: async ({ productId, name, version, deduplicateOnEngagement }) => {
      const found = [...engagements.values()].find(
        (one) => one.productId === productId && one.name === name && one.version === version,
      );
      if (found !== undefined) return found;
      const made = { id: nextId(), productId, name, version, deduplicateOnEngagement };
      engagements.set(made.id, made);
      return { ...made, isNew: true };
    },
    checkParameters: async () => undefined,
    environment: async (name) => name,
    takesField: async () => true,
    hasTestType: async (name) => name === "Nmap Scan" || name === "Generic Findings Import",
    testType: async (name) => name,
    testsByBuildId: async (buildId) => [...tests.values()].filter((test) => test.buildId === buildId).map(shown),
    livingTest: async ({ engagementId, title, scanType }) => {
      const living = [...tests.values()].findLast(
        (test) =>
          test.engagementId === engagementId &&
          test.title === title &&
          test.scanType === scanType &&
          test.percentComplete === 100,
      );
      return living && described(living);
    },
    importRecords: async (buildId) => tables.records.filter((record) => record.buildId === buildId),
    isRecorded: async (id) => tables.records.some(({ testId }) => testId === id),
    test: async (id) => {
      const test = tests.get(id);
      return test && shown(test);
    },
    importRecord: async (id) => tables.records.find((record) => record.id === id),
    importScan: (request) => importScan(request),
    placeOfTest: async (testId) => {
      const engagement = engagements.get(tests.get(testId)?.engagementId ?? 0);
      const product = products.get(engagement?.productId ?? 0);
      const productType = productTypes.get(product?.productTypeId ?? 0);
      if (engagement === undefined || product === undefined || productType === undefined) return undefined;
      const named = ({ id, name }: { id: number; name: string }) => ({ id, name });
      return { productType: named(productType), product: named(product), engagement: named(engagement) };
    },
    findingCount: async (testId, duplicatesOnly = false) =>
      filterBy(testId).findings.filter(({ duplicate }) => duplicate || !duplicatesOnly).length,
    countFindings: async (testId) => countsOf(filterBy(testId).findings),
    findingPages: pages.findingPages,
    findingsById: async function* (ids) {
      const all = new Map([...tests.values()].flatMap(({ findings }) => findings.map((one) => [one.id, one] as const)));
      const found = [...new Set(ids)].sort((a, b) => a - b).flatMap((id) => all.get(id) ?? []);
      for (let offset = 0; offset < found.length; offset += pageSize) {
        const page = found.slice(offset, offset + pageSize).map(({ hash: _, ...finding }) => finding);
        const originals = page.flatMap(({ duplicateOf }) => all.get(duplicateOf ?? 0) ?? []);
        yield { total: found.length, findings: page, originals: new Map(originals.map((one) => [one.id, one])) };
      }
    },
    findingsThat: async function* (testId, are) {
      const open = ({ mitigated }: DojoFinding) => !mitigated;
      const judged = (one: DojoFinding) => one.falsePositive || one.outOfScope || one.riskAccepted;
      yield filterBy(testId).findings.filter(are === "open" ? open : judged);
    },
    updateTest: async (testId, { title, buildId, start, end, description }) => {
      const test = testOf(testId, `PATCH /api/v2/tests/${testId}/`);
      if (title !== undefined) test.title = title;
      if (start !== undefined) test.start = start;
      if (end !== undefined) test.end = end;
      if (description !== undefined) test.description = description;
      if (buildId !== undefined) test.buildId = buildId;
      return shown(test);
    },
    deleteTest: async (testId) => {
      if (lowPrivileged) return !tests.has(testId);
      if (tables.importing.has(testId))
        throw refused(`DELETE /api/v2/tests/${testId}/`, 500, "Internal server error, check logs for details");
      tests.delete(testId);
      tables.records.splice(0, Infinity, ...tables.records.filter((record) => record.testId !== testId));
      return true;
    },
    closeFindings: async (testId, mayGoOn) => {
      for (const finding of filterBy(testId).findings.filter(({ duplicate }) => !duplicate)) {
        if (!mayGoOn()) return false;
        Object.assign(finding, { active: false, verified: false, duplicate: true });
      }
      return true;
    },
    url: (kind, id) => `http://dojo.test/${kind}/${id}`,
  };
  return { tables, importScan, port, switchMode: pages.switchMode };
}

function countsOf(findings: readonly DojoFinding[]): TestCounts {
  const count = (matches: (finding: DojoFinding) => boolean) => findings.filter(matches).length;
  const verdicts = findings.map((finding) => countedAs(verdictsOf(finding, undefined)));
  const counted = (wanted: Counted) => verdicts.filter((verdict) => verdict === wanted).length;
  const bySeverity = DOJO_SEVERITIES.map((severity) => [severity, count((one) => one.severity === severity)]);
  return {
    total: findings.length,
    severities: Object.fromEntries(bySeverity) as TestCounts["severities"],
    verdicts: { new: counted("new"), ...eachVerdict((row) => counted(row.count)) },
    markedDuplicate: count(({ duplicate }) => duplicate),
  };
}
