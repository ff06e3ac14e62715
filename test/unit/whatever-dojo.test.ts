import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..");

/** What DefectDojo does, or people do with it, by number: the test that holds the relay to what is right then. Others are named `row N` themselves. */
const ROWS: readonly (readonly [row: number, what: string, file: string, test: string])[] = [
  [1, "409 on import", "unit/importer/ensure-imported.test.ts", "an import that meets another one"],
  [2, "the same folder, the same content", "schedules/runs.test.ts", "each end as one test in DefectDojo"],
  [3, "a hiccup is no refusal", "unit/importer/ensure-imported.test.ts", "row 3: with 500 after some of its findings"],
  [
    4,
    "100 % that proves nothing",
    "unit/defectdojo/client.test.ts",
    "that a version before 2.35 has recorded are complete",
  ],
  [4, "an empty findings.json", "unit/sync/fewer-findings.test.ts", "row 4: an empty findings.json"],
  [5, "never less, silently", "unit/sync/missing.test.ts", "row 5: what DefectDojo no longer has, in mode %s"],
  [
    6,
    "a clean scan closes",
    "contract/defectdojo-empty-reports.contract.ts",
    "close what earlier scans of the same type found",
  ],
  [7, "scheduled scans close", "unit/importer/import-context.test.ts", "closing what an earlier scan found"],
  [8, "a switched location mode", "unit/defectdojo/client.test.ts", "under a running service is found out again, once"],
  [
    9,
    "an ETag that is not the object's",
    "unit/ingest/ingest.test.ts",
    "a notification whose ETag is not the object's",
  ],
  [10, "flat keys", "unit/ingest/ingest.test.ts", "are scans where FINDINGS_NAME is a pattern"],
  [11, "an unknown environment", "unit/importer/import-context.test.ts", "is looked up before anything is made"],
  [12, "a 4xx that is not the API's", "unit/defectdojo/http.test.ts", "a 4xx that is not the API's"],
  [13, "typos", "e2e/cli-resync.test.ts", "row 13: every command that asks DefectDojo mends typos"],
  [14, "AWS_ENDPOINT_URL alone", "unit/model/typos.test.ts", "is the fallback of both services"],
  [15, "a gate before DefectDojo", "unit/defectdojo/http.test.ts", "a gate before DefectDojo"],
  [
    16,
    "options of an import",
    "contract/defectdojo-options.contract.ts",
    "row 16: the scan's date is that of every finding",
  ],
  [
    17,
    "each finding counted once",
    "unit/sync/tally.test.ts",
    "row 17: a finding with several verdicts is counted once",
  ],
  [
    18,
    "a killed parent",
    "e2e/kill-parent.test.ts",
    "the service ends with the command that started it, also when that is killed",
  ],
  [
    19,
    "verdicts before deduplication",
    "unit/importer/wrong-receipts.test.ts",
    "have no wrong receipt after the second look",
  ],
  [20, "engagements of the Java hook", "unit/defectdojo/catalog.test.ts", "pen_test: false"],
  [21, "what a version does not know", "unit/defectdojo/parameters.test.ts", "a value that not every version takes"],
  [
    22,
    "read-only mode reads nothing",
    "unit/requests.test.ts",
    "reads none of %d findings, and counts them with few requests",
  ],
];

it.each(ROWS)("row %i, %s, has its test", (_row, _what, file, test) => {
  expect(readFileSync(join(ROOT, file), "utf8")).toContain(test);
});

it("none of the 22 rows is without one", () => {
  expect([...new Set(ROWS.map(([row]) => row))]).toEqual(Array.from({ length: 22 }, (_, n) => n + 1));
});
