import * as z from "zod";
import type { ImportRecord, LivingTest, LivingTestWanted, Test } from "../ports/defectdojo.ts";
import type { DojoApi } from "./api.ts";
import { isDoneFromTheStart, toTest } from "./build-tests.ts";
import { parseAnswer, test } from "./schemas.ts";

const livingTestRow = test.extend({
  target_start: z.string(),
  target_end: z.string(),
  description: z.string().nullish(),
});

/** `test_imports/` of 2.34 to 3.2: a record is created at the end of an import or reimport, and never for a failed one. */
const record = z.object({
  id: z.number().int(),
  test: z.number().int(),
  type: z.string(),
  build_id: z.string().nullish(),
  created: z.string(),
  test_import_finding_action_set: z.array(z.object({ action: z.string(), finding: z.number().int() })),
});

/** Oldest first: tests of an earlier import mode under the same title are older. */
export async function livingTest(
  api: DojoApi,
  { engagementId, title, scanType }: LivingTestWanted,
): Promise<LivingTest | undefined> {
  let newest: LivingTest | undefined;
  for await (const raw of api.list("tests/", { engagement: engagementId, title, scan_type: scanType }, livingTestRow)) {
    const { target_start: start, target_end: end } = raw;
    const found = { ...toTest(raw), start, end, description: raw.description ?? "" };
    if (found.engagementId !== engagementId || found.title !== title || raw.percent_complete < 100) continue;
    if (newest !== undefined && newest.id > found.id) continue;
    if (isDoneFromTheStart(raw) && !(await isRecorded(api, raw.id))) continue;
    newest = found;
  }
  return newest;
}

/** Reads the newest record too, so it is called only in case of doubt. */
export async function isRecorded(api: DojoApi, testId: number): Promise<boolean> {
  return (await api.count("test_imports/", { test: testId })) > 0;
}

export async function testById(api: DojoApi, id: number): Promise<Test | undefined> {
  const { status, body } = await api.transport.request("GET", `tests/${id}/`, { expect: [404] });
  return status === 404 ? undefined : toTest(parseAnswer(test, body, `GET /api/v2/tests/${id}/`));
}

/** A record holds all its findings' ids, so they are requested one at a time. */
export async function importRecords(api: DojoApi, buildId: string): Promise<ImportRecord[]> {
  const records: ImportRecord[] = [];
  for await (const raw of api.list("test_imports/", { build_id: buildId }, record, 1))
    if (raw.build_id === buildId) records.push(toRecord(raw));
  return records.sort((a, b) => a.id - b.id);
}

export async function importRecord(api: DojoApi, id: number): Promise<ImportRecord | undefined> {
  const { status, body } = await api.transport.request("GET", `test_imports/${id}/`, { expect: [404] });
  return status === 404 ? undefined : toRecord(parseAnswer(record, body, `GET /api/v2/test_imports/${id}/`));
}

function toRecord(raw: z.output<typeof record>): ImportRecord {
  const by = Map.groupBy(raw.test_import_finding_action_set, ({ action }) => action);
  const ids = (action: string) => (by.get(action) ?? []).map(({ finding }) => finding).sort((a, b) => a - b);
  return {
    id: raw.id,
    testId: raw.test,
    buildId: raw.build_id ?? "",
    first: raw.type === "import",
    recordedAt: raw.created,
    new: ids("N"),
    known: ids("U"),
    closed: ids("C"),
    reactivated: ids("R"),
  };
}
