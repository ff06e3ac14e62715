import { readFile } from "node:fs/promises";
import { GENERIC } from "../../lib/model/scan-types.ts";
import type { DefectDojo, ImportRequest, Test, TestChange } from "../../lib/ports/defectdojo.ts";
import type { DojoFinding } from "../../lib/ports/dojo-finding.ts";
import { aDojoFinding, aTest } from "./factories.ts";
import { fakeClock } from "./fake-clock.ts";
import { fakeDojo } from "./fake-dojo.ts";
import { memoryQueue } from "./memory-queue.ts";
import { memoryStorage } from "./memory-storage.ts";
import { recorder } from "./recorder.ts";

interface ImportWorldOptions {
  /** DefectDojo methods that the test overrides. */
  readonly methods?: Partial<DefectDojo>;
  /** How many findings of a generic report DefectDojo keeps. @default all */
  readonly keeps?: (count: number) => number;
  /** The initial time of the clock. ISO 8601. */
  readonly now?: string;
}

/**
 * Everything that an import needs, in memory: a bucket, queues, a clock, an observer, and a DefectDojo that imports at once.
 * It keeps all findings of a generic report and none of any other report.
 */
export function importWorld({ methods = {}, keeps = (count) => count, now }: ImportWorldOptions = {}) {
  const tests: Test[] = [];
  const sent: { request: ImportRequest; report: string }[] = [];
  const changes: { id: number; change: TestChange }[] = [];
  let findings: DojoFinding[] = [];
  const dojo = fakeDojo({
    user: async () => ({ id: 2, username: "token", superuser: true }),
    blocksExecution: async () => false,
    productType: async () => ({ id: 1, name: "type" }),
    product: async ({ name }) => ({ id: 12, name, productTypeId: 1 }),
    engagement: async ({ name }) => ({ id: 5, name, productId: 12 }),
    environment: async (name) => name,
    hasTestType: async () => true,
    testsByBuildId: async (buildId) => tests.filter((test) => test.buildId === buildId),
    importScan: async (request) => {
      const report = await readFile(request.file.path, "utf8");
      sent.push({ request, report });
      findings = keptOf(request, report, keeps);
      const test = aTest({ id: 6 + sent.length, scanType: request.scanType, buildId: request.buildId });
      tests.push(test);
      return { testId: test.id, total: findings.length, deduplicated: true };
    },
    findingCount: async (_, duplicatesOnly) => (duplicatesOnly === true ? 0 : findings.length),
    findingPages: async function* () {
      yield { total: findings.length, findings, originals: new Map() };
    },
    updateTest: async (id, change) => {
      changes.push({ id, change });
      return aTest({ id });
    },
    deleteTest: async (id) => {
      const at = tests.findIndex((test) => test.id === id);
      if (at >= 0) tests.splice(at, 1);
      return true;
    },
    ...methods,
  });
  const ports = { storage: memoryStorage(), queue: memoryQueue(), dlq: memoryQueue(), clock: fakeClock(now), dojo };
  return { ...ports, ...recorder(), tests, sent, changes };
}

function keptOf({ scanType }: ImportRequest, report: string, keeps: (count: number) => number): DojoFinding[] {
  if (scanType !== GENERIC) return [];
  const all = JSON.parse(report).findings as { unique_id_from_tool: string }[];
  return all
    .slice(0, keeps(all.length))
    .map((one, index) => aDojoFinding({ id: index + 1, uniqueIdFromTool: one.unique_id_from_tool }));
}
