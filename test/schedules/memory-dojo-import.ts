import { readFile } from "node:fs/promises";
import { DOJO_SEVERITIES, type DojoSeverity } from "../../lib/model/annotations.ts";
import type { ImportAnswer, ImportRequest } from "../../lib/ports/defectdojo.ts";
import type { Clock } from "../../lib/util/clock.ts";
import { NOTHING_KNOWN } from "../helpers/factories.ts";
import {
  type DojoTables,
  deduplicate,
  type FindingRow,
  refused,
  remember,
  type TestRow,
} from "./memory-dojo-tables.ts";

import { OVERFLOWING } from "./uploads.ts";

const POST = "POST /api/v2/import-scan/";
const GENERIC = "Generic Findings Import";
const CONFLICT = "The request conflicts with an existing record because a unique field value already exists.";
const BROKEN = "Internal server error, check logs for details";

export interface ImportTiming {
  readonly msPerFinding: number;
  /** False: an older server, which does not wait for deduplication and does not speak of it. */
  readonly asyncWait: boolean;
  /** How long after an import that does not wait its duplicates are marked. */
  readonly deduplicationDelayMs: number;
}

/** How an import ends before its time: its worker dies after so many findings, and answers 500, 409 or nothing. */
export interface Fate {
  readonly diesAfter: number;
  readonly answers: boolean;
  /** @default 500; 409 where another import stores the same new URLs */
  readonly status?: 409 | 500;
}

type Reported = Pick<FindingRow, "title" | "severity" | "description" | "locations" | "uniqueIdFromTool">;

/** import-scan, from the arrival of the report to the answer; it goes on whether somebody waits for that or not. */
export async function runImport(
  tables: DojoTables,
  clock: Clock,
  timing: ImportTiming,
  request: ImportRequest,
  fate: Fate | undefined,
): Promise<ImportAnswer> {
  const report = await readFile(request.file.path, "utf8");
  if (!tables.engagements.has(request.engagementId))
    throw refused(POST, 400, `Engagement "${request.engagementId}" does not exist`);
  // The generic parser names its test, so that the report is read before the test is made; others leave a test behind.
  let reported: Reported[] | undefined;
  if (request.scanType === GENERIC) reported = parseGeneric(report);
  const test = request.testId === undefined ? addTest(tables, request, clock) : livingTest(tables, request.testId);
  reported ??= parseNmap(report);
  if (request.testId !== undefined) return await merge(tables, clock, timing, test, reported, request, fate);
  tables.importing.add(test.id);
  try {
    return await store(tables, clock, timing, test, reported, request, fate);
  } finally {
    tables.importing.delete(test.id);
  }
}

async function store(
  tables: DojoTables,
  clock: Clock,
  timing: ImportTiming,
  test: TestRow,
  reported: readonly Reported[],
  request: ImportRequest,
  fate: Fate | undefined,
): Promise<ImportAnswer> {
  for (const [index, finding] of sifted(reported, request).entries()) {
    if (isFatal(fate, index)) {
      tables.importing.delete(test.id);
      return await new Promise(() => undefined);
    }
    await clock.sleep(timing.msPerFinding);
    if (finding.title.includes(String(OVERFLOWING))) throw refused(POST, 500, BROKEN);
    test.findings.push(toRow(tables, clock, test, finding));
  }
  remember(tables, test, true, { new: test.findings });
  settleDuplicates(tables, clock, timing, test);
  test.percentComplete = 100;
  return { testId: test.id, total: test.findings.length, deduplicated: timing.asyncWait ? true : undefined };
}

/** reimport-scan: what is alike becomes one, what is no longer reported is closed. The test keeps its build id until the end. */
async function merge(
  tables: DojoTables,
  clock: Clock,
  timing: ImportTiming,
  test: TestRow,
  reported: readonly Reported[],
  request: ImportRequest,
  fate: Fate | undefined,
): Promise<ImportAnswer> {
  const gone = new Set(test.findings);
  const [created, known, reactivated]: FindingRow[][] = [[], [], []];
  for (const [index, finding] of sifted(reported, request).entries()) {
    if (isFatal(fate, index)) return await new Promise(() => undefined);
    await clock.sleep(timing.msPerFinding);
    const row = toRow(tables, clock, test, finding);
    const found = test.findings.find(({ hash }) => hash === row.hash);
    if (found === undefined) {
      test.findings.push(row);
      created?.push(row);
    } else if (gone.delete(found)) {
      if (!found.mitigated) known?.push(found);
      else if (request.flags?.do_not_reactivate !== true) {
        Object.assign(found, { mitigated: false, active: !found.duplicate });
        reactivated?.push(found);
      }
    }
  }
  const closed = request.closeOldFindings ? [...gone].filter(({ mitigated }) => !mitigated) : [];
  for (const finding of closed) Object.assign(finding, { mitigated: true, active: false });
  test.buildId = request.buildId;
  remember(tables, test, false, { new: created ?? [], known: known ?? [], closed, reactivated: reactivated ?? [] });
  settleDuplicates(tables, clock, timing, test);
  return { testId: test.id, total: test.findings.length, deduplicated: timing.asyncWait ? true : undefined };
}

function settleDuplicates(tables: DojoTables, clock: Clock, timing: ImportTiming, test: TestRow): void {
  if (timing.asyncWait) deduplicate(tables, test);
  else void clock.sleep(timing.deduplicationDelayMs).then(() => tables.tests.has(test.id) && deduplicate(tables, test));
}

/** What the minimum severity lets through. */
function sifted(reported: readonly Reported[], { minimumSeverity }: ImportRequest): Reported[] {
  for (const { severity } of reported) {
    if (!DOJO_SEVERITIES.includes(severity))
      throw refused(POST, 400, `['Finding severity "${String(severity)}" is not supported.']`);
  }
  const least = DOJO_SEVERITIES.indexOf(minimumSeverity);
  return reported.filter(({ severity }) => DOJO_SEVERITIES.indexOf(severity) <= least);
}

/** Whether the worker dies at this finding. @throws its answer, where it has one */
function isFatal(fate: Fate | undefined, index: number): boolean {
  if (fate === undefined || index < fate.diesAfter) return false;
  if (fate.answers) throw refused(POST, fate.status ?? 500, fate.status === 409 ? CONFLICT : BROKEN);
  return true;
}

function livingTest({ tests }: DojoTables, id: number): TestRow {
  const test = tests.get(id);
  if (test === undefined) throw refused(POST, 400, `Test "${id}" does not exist`);
  return test;
}

function addTest(tables: DojoTables, request: ImportRequest, clock: Clock): TestRow {
  const createdAt = new Date(clock.now()).toISOString();
  const id = tables.nextId();
  const { title, scanType, engagementId, buildId } = request;
  const test: TestRow = {
    ...{ id, title, scanType, engagementId, buildId, percentComplete: 50, createdAt },
    ...{ start: createdAt, isDescribed: false, findings: [] },
  };
  tables.tests.set(id, test);
  return test;
}

function parseGeneric(text: string): Reported[] {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw refused(POST, 400, "['Expecting value: line 1 column 1 (char 0)']");
  }
  const { findings } = content as { findings: Record<string, unknown>[] };
  return findings.map((finding) => ({
    title: String(finding.title),
    severity: finding.severity as DojoSeverity,
    description: String(finding.description),
    locations: (finding.endpoints as string[] | undefined) ?? [],
    uniqueIdFromTool: finding.unique_id_from_tool as string | undefined,
  }));
}

/** As much of Nmap's XML as the tests send: one finding an open port; what is cut off cannot be read. */
function parseNmap(text: string): Reported[] {
  if (!/<nmaprun[\s>]/.test(text) || !text.includes("</nmaprun>")) throw refused(POST, 500, BROKEN);
  const address = /<address addr="([^"]+)" addrtype="ipv4"/.exec(text)?.[1];
  return [...text.matchAll(/<port protocol="(\w+)" portid="(\d+)"><state state="open"/g)].map(([, protocol, port]) => ({
    title: `Open port: ${port}/${protocol}`,
    severity: "Info" as const,
    description: `${address}:${port}`,
    locations: [`${protocol}://${address}:${port}`],
    uniqueIdFromTool: undefined,
  }));
}

function toRow(tables: DojoTables, clock: Clock, test: TestRow, reported: Reported): FindingRow {
  return {
    ...NOTHING_KNOWN,
    ...reported,
    id: tables.nextId(),
    testId: test.id,
    mitigation: "",
    references: "",
    createdAt: new Date(clock.now()).toISOString(),
    duplicate: false,
    duplicateOf: undefined,
    falsePositive: false,
    riskAccepted: false,
    outOfScope: false,
    mitigated: false,
    active: true,
    verified: false,
    underReview: false,
    mitigatedBy: undefined,
    lastReviewedAt: undefined,
    lastReviewedBy: undefined,
    hash: JSON.stringify([reported.title, reported.description, reported.locations]).toLowerCase(),
  };
}
