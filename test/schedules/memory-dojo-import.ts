import { readFile } from "node:fs/promises";
import { DOJO_SEVERITIES, type DojoSeverity } from "../../lib/model/annotations.ts";
import type { ImportAnswer, ImportRequest } from "../../lib/ports/defectdojo.ts";
import type { Clock } from "../../lib/util/clock.ts";
import { NOT_JUDGED, NOTHING_KNOWN } from "../helpers/factories.ts";
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
  /** False: an older server that neither waits for deduplication nor reports it. */
  readonly asyncWait: boolean;
  /** Delay before duplicates are marked after an import that does not wait. */
  readonly deduplicationDelayMs: number;
}

/** How an import ends early: its worker dies after so many findings and returns 500, 409 or nothing. */
export interface Fate {
  readonly diesAfter: number;
  readonly answers: boolean;
  /** @default 500; 409 if another import stores the same new URLs */
  readonly status?: 409 | 500;
}

type Reported = Pick<FindingRow, "title" | "severity" | "description" | "locations" | "uniqueIdFromTool">;

/** Context that all imports of a server share. */
export interface ImportWorld {
  readonly tables: DojoTables;
  readonly clock: Clock;
  readonly timing: ImportTiming;
}

/** A parsed report and the test for its findings. */
interface Run extends ImportWorld {
  readonly request: ImportRequest;
  readonly fate: Fate | undefined;
  readonly test: TestRow;
  readonly reported: readonly Reported[];
}

/** import-scan, from the arrival of the report to the response; it continues whether or not somebody waits for it. */
export async function runImport(
  world: ImportWorld,
  request: ImportRequest,
  fate: Fate | undefined,
): Promise<ImportAnswer> {
  const { tables } = world;
  const report = await readFile(request.file.path, "utf8");
  if (!tables.engagements.has(request.engagementId))
    throw refused(POST, 400, `Engagement "${request.engagementId}" does not exist`);
  // The generic parser names its test, so the report is read before the test is created; others leave a test behind.
  const generic = request.scanType === GENERIC ? parseGeneric(report) : undefined;
  const test =
    request.testId === undefined ? addTest(tables, request, world.clock) : livingTest(tables, request.testId);
  const run: Run = { ...world, request, fate, test, reported: generic ?? parseNmap(report) };
  if (request.testId !== undefined) return await merge(run);
  tables.importing.add(test.id);
  try {
    return await store(run);
  } finally {
    tables.importing.delete(test.id);
  }
}

async function store(run: Run): Promise<ImportAnswer> {
  const { tables, clock, timing, test, fate } = run;
  for (const [index, finding] of sifted(run).entries()) {
    if (isFatal(fate, index)) {
      tables.importing.delete(test.id);
      return await new Promise(() => undefined);
    }
    await clock.sleep(timing.msPerFinding);
    if (finding.title.includes(String(OVERFLOWING))) throw refused(POST, 500, BROKEN);
    test.findings.push(toRow(run, finding));
  }
  remember(tables, test, true, { new: test.findings });
  test.percentComplete = 100;
  return answerOf(run);
}

/** reimport-scan: merges identical findings and closes those that are no longer reported. The test keeps its build id until the end. */
async function merge(run: Run): Promise<ImportAnswer> {
  const { tables, clock, timing, test, request, fate } = run;
  const gone = new Set(test.findings);
  const created: FindingRow[] = [];
  const known: FindingRow[] = [];
  const reactivated: FindingRow[] = [];
  for (const [index, finding] of sifted(run).entries()) {
    if (isFatal(fate, index)) return await new Promise(() => undefined);
    await clock.sleep(timing.msPerFinding);
    const row = toRow(run, finding);
    const found = test.findings.find(({ hash }) => hash === row.hash);
    if (found === undefined) {
      test.findings.push(row);
      created.push(row);
    } else if (gone.delete(found)) {
      if (!found.mitigated) known.push(found);
      else if (request.flags?.do_not_reactivate !== true) {
        Object.assign(found, { mitigated: false, active: !found.duplicate });
        reactivated.push(found);
      }
    }
  }
  const closed = request.closeOldFindings ? [...gone].filter(({ mitigated }) => !mitigated) : [];
  for (const finding of closed) Object.assign(finding, { mitigated: true, active: false });
  test.buildId = request.buildId;
  remember(tables, test, false, { new: created, known, closed, reactivated });
  return answerOf(run);
}

/** Deduplicates, at once or later, and responds. */
function answerOf({ tables, clock, timing, test, request }: Run): ImportAnswer {
  if (timing.asyncWait) deduplicate(tables, test);
  else void clock.sleep(timing.deduplicationDelayMs).then(() => tables.tests.has(test.id) && deduplicate(tables, test));
  // A reimport's statistics are those of the whole test, so the client ignores them.
  const total = request.testId === undefined ? test.findings.length : undefined;
  return { testId: test.id, total, deduplicated: timing.asyncWait ? true : undefined };
}

/** The findings at or above the minimum severity. */
function sifted({ reported, request: { minimumSeverity } }: Run): Reported[] {
  for (const { severity } of reported) {
    if (!DOJO_SEVERITIES.includes(severity))
      throw refused(POST, 400, `['Finding severity "${String(severity)}" is not supported.']`);
  }
  const least = DOJO_SEVERITIES.indexOf(minimumSeverity);
  return reported.filter(({ severity }) => DOJO_SEVERITIES.indexOf(severity) <= least);
}

/** Whether the worker dies at this finding. @throws its response, if there is one */
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
    ...{ start: createdAt, end: createdAt, description: "", findings: [] },
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

/** Parses the subset of Nmap's XML that the tests send: one finding per open port; a truncated report is unreadable. */
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

function toRow({ tables, clock, test }: Run, reported: Reported): FindingRow {
  return {
    ...NOTHING_KNOWN,
    ...NOT_JUDGED,
    ...reported,
    id: tables.nextId(),
    testId: test.id,
    mitigation: "",
    references: "",
    createdAt: new Date(clock.now()).toISOString(),
    hash: JSON.stringify([reported.title, reported.description, reported.locations]).toLowerCase(),
  };
}
