import { type Reason, RelayError } from "../errors.ts";
import { dropUndefined } from "../model/scan.ts";
import type { DefectDojo, ImportAnswer, ImportRequest, TestChange } from "../ports/defectdojo.ts";
import { type DojoApi, dojoApi } from "./api.ts";
import { testsByBuildId, toTest } from "./build-tests.ts";
import { dojoCatalog } from "./catalog.ts";
import { closeFindings } from "./close-findings.ts";
import { countFindings, toStatistics } from "./counts.ts";
import { neverSent } from "./errors.ts";
import { findingPages, findingsById, findingsThat } from "./findings.ts";
import type { Transport } from "./http.ts";
import { importRecord, importRecords, isRecorded, livingTest, testById } from "./living-tests.ts";
import { locationModes } from "./location-modes.ts";
import { placeOfTest } from "./place.ts";
import { importAnswer, test } from "./schemas.ts";

export interface ClientOptions {
  /** URL of DefectDojo without `/api/v2`. */
  readonly baseUrl: string;
  /** Pages of findings requested at once. */
  readonly readConcurrency: number;
}

/** DefectDojo's API v2 behind the port, 2.x and 3.x. */
export function dojoClient(transport: Transport, { baseUrl, readConcurrency }: ClientOptions): DefectDojo {
  const api = dojoApi(transport);
  const catalog = dojoCatalog(api);
  const modes = locationModes(api);

  return {
    ...catalog,
    testsByBuildId: (buildId) => testsByBuildId(api, buildId),
    livingTest: (wanted) => livingTest(api, wanted),
    importRecords: (buildId) => importRecords(api, buildId),
    importRecord: (id) => importRecord(api, id),
    isRecorded: (testId) => isRecorded(api, testId),
    test: (id) => testById(api, id),
    importScan: (request) => importScan(api, request),
    findingCount: (testId, duplicatesOnly = false) =>
      api.count("findings/", { test: testId, ...(duplicatesOnly ? { duplicate: true } : {}) }),
    placeOfTest: (testId) => placeOfTest(api, testId),
    countFindings: (testId, known) => countFindings(api, testId, known),
    findingPages: async function* (testId, expected) {
      if (expected !== 0) yield* findingPages(api, modes, testId, { concurrency: readConcurrency, expected });
    },
    findingsById: (ids) => findingsById(api, modes, ids, readConcurrency),
    findingsThat: (testId, are) => findingsThat(api, modes, testId, are),
    updateTest: async (testId, change) => toTest(await api.patch(`tests/${testId}/`, toPatch(change), test)),
    deleteTest: async (testId) => {
      const { status } = await transport.request("DELETE", `tests/${testId}/`, { expect: [403, 404, 409] });
      if (status < 300) return true;
      // 409: other rows refer to it (Django's RestrictedError). A low-privileged token gets 404 even for a test that it can see.
      return (await transport.request("GET", `tests/${testId}/`, { expect: [404] })).status === 404;
    },
    closeFindings: (testId, mayGoOn) => closeFindings(api, testId, mayGoOn),
    url: (kind, id) => `${baseUrl}/${kind}/${id}`,
  };
}

/**
 * One import. `import-scan` keeps every finding of a report; `reimport-scan` merges those that hash alike
 * (https://github.com/DefectDojo/django-DefectDojo/issues/5312), so it is only used for living tests.
 */
async function importScan(api: DojoApi, request: ImportRequest): Promise<ImportAnswer> {
  const flags = { active: request.active, verified: request.verified, ...request.flags };
  const path = request.testId === undefined ? "import-scan/" : "reimport-scan/";
  const fields: (readonly [string, string])[] = [
    ["scan_type", request.scanType],
    request.testId === undefined ? ["engagement", String(request.engagementId)] : ["test", String(request.testId)],
    ["build_id", request.buildId],
    ...(request.testId === undefined ? [["test_title", request.title] as const] : []),
    ["minimum_severity", request.minimumSeverity],
    ["close_old_findings", String(request.closeOldFindings)],
    ["lead", String(request.leadId)],
    ["deduplication_execution_mode", "async_wait"],
    ...Object.entries(flags).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)] as const])),
    ...Object.entries({
      version: request.version,
      scan_date: request.scanDate,
      service: request.service,
      environment: request.environment,
      branch_tag: request.branchTag,
      commit_hash: request.commitHash,
      group_by: request.groupBy,
    }).flatMap(([name, value]) => (value === undefined || value === "" ? [] : [[name, value] as const])),
    ...request.tags.map((tag) => ["tags", tag] as const),
  ];
  try {
    const options = { multipart: { fields, file: request.file }, timeoutMs: request.timeoutMs };
    const answer = await api.call("POST", path, importAnswer, options);
    const testId = answer.test_id ?? answer.test;
    if (testId == null) throw new RelayError("import-unknown", `POST /api/v2/${path}: the response names no test`);
    // A reimport counts the whole test, including findings of earlier ones.
    const after = request.testId === undefined ? answer.statistics?.after : undefined;
    const statistics = toStatistics(after);
    return {
      testId,
      total: after?.total.total,
      ...(statistics === undefined ? {} : { statistics }),
      deduplicated: answer.deduplication_complete ?? undefined,
    };
  } catch (error) {
    throw importError(error, `POST /api/v2/${path}`);
  }
}

/** 500 and 409 are DefectDojo's final response to this import; 429 means that it did not start. */
const LAST_WORDS = new Set([409, 429, 500]);

/** A proxy responded: DefectDojo never saw the import. */
const NOT_FROM_DOJO: ReadonlySet<string> = new Set<Reason>(["dojo-not-json", "dojo-gate"]);

/** A failed import may still have happened, unless DefectDojo refused it or never saw it. */
function importError(error: unknown, object: string): unknown {
  if (!(error instanceof RelayError)) return error;
  if (
    error.reason === "dojo-rejected" &&
    /HTTP 400: .*(report file is too large|file: .*(too large|exceed|maximum))/i.test(error.message)
  ) {
    return new RelayError("dojo-too-large", error.message, {
      cause: error,
      object,
      status: 400,
    });
  }
  const unreadable = error.reason === "dojo-answer-invalid" || error.reason === "dojo-answer-too-large";
  if (error.errorClass === "permanent" && !unreadable) return error;
  if (neverSent(error) || LAST_WORDS.has(error.status ?? 0) || NOT_FROM_DOJO.has(error.reason)) return error;
  const { status, retryAfterSeconds } = error;
  const options = dropUndefined({ object, status, retryAfterSeconds });
  return new RelayError("import-unknown", error.message, { ...options, cause: error });
}

const toPatch = ({ title, description, start, end, buildId }: TestChange) =>
  dropUndefined({ title, description, target_start: start, target_end: end, build_id: buildId });
