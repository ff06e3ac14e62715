import { describe, expect, it } from "vitest";
import { DOJO_SEVERITIES } from "../../../lib/model/annotations.ts";
import { wantedTestTypes } from "../../../lib/model/scan-types.ts";
import type { ScanFinding } from "../../../lib/report/findings-file.ts";
import { findingSchema } from "../../../lib/report/findings-file.ts";
import { validFinding } from "../../helpers/arbitraries.ts";
import { aDojoFinding } from "../../helpers/factories.ts";
import { merging } from "../../helpers/merging.ts";
import { fc } from "../../helpers/property.ts";
import { findingsValidator } from "../../helpers/shared.ts";

/** Few values, so that findings have much in common. */
const word = fc.constantFrom("a", "b", "a.example", "10.0.0.1", "2001:db8::1", "https://a.example/a", "CVE-2021-1", "");
const number = fc.constantFrom(1, 22, 80);
const list = fc.array(word, { maxLength: 3 });

/** What any scanner's finding is known by. */
const attributes = fc.record({
  niktoId: number,
  method: fc.constant("GET"),
  state: fc.constantFrom("open", "filtered"),
  port: number,
  protocol: fc.constantFrom("tcp", "udp"),
  ip_addresses: list,
  hostname: word,
  zap_pluginid: word,
  zap_finding_urls: fc.array(fc.record({ uri: word }), { maxLength: 3 }),
  template_id: word,
  matched_at: word,
  vulnerabilityId: word,
  packageName: word,
  installedVersion: word,
  foundIn: word,
  file: word,
  line_number: number,
  offender: word,
  algorithms: list,
  outdated_version: word,
});
/** As no schema has it, but as it is read. */
const oddTime = fc.constantFrom(
  "",
  "soon",
  "2026-11-20",
  "2026-11-20T10:05:03",
  "2026-02-30T00:00:00Z",
  "20 Nov 2026",
  null,
);
const oddScan = fc.constantFrom(null, "scan", [], { name: 1 }, { name: "own", created_at: "soon" }, undefined);
const category = fc.constantFrom(
  "Open Port",
  "Host",
  "SSH Policy Violation",
  "Invalid Certificate",
  "Misconfiguration",
  "x",
);
const upload = fc
  .tuple(
    validFinding,
    attributes,
    category,
    word,
    word,
    fc.option(oddTime, { nil: undefined }),
    fc.option(oddScan, { nil: false }),
  )
  .filter(([raw]) => findingSchema.safeParse(raw).success)
  .map(([raw, known, category, name, location, time, scan]) => {
    const finding = {
      ...raw,
      category,
      name: name || "n",
      location,
      ...(time === undefined ? {} : { parsed_at: time, identified_at: time }),
      ...(scan === false ? {} : { scan }),
      attributes: { ...(raw["attributes"] as object), ...known },
    };
    return findingSchema.parse(finding) as ScanFinding;
  });

const lines = [
  "id",
  "msg",
  "URL",
  "Target",
  "Algorithm",
  "IP Address",
  "Rule Id",
  "Reason",
  "Type",
  "Url",
  "Port/Protocol",
];
const description = fc
  .array(fc.tuple(fc.constantFrom(...lines), fc.oneof(word, fc.constantFrom("22/tcp", "`1`"))), { maxLength: 4 })
  .map((stated) => `### Host\n${stated.map(([name, value]) => `**${name}:** ${value}`).join("\n")}`);
const answer = fc
  .record({
    title: fc.oneof(word, fc.constant("Open Port: 22/TCP")),
    severity: fc.constantFrom(...DOJO_SEVERITIES),
    description,
    uniqueIdFromTool: word,
    vulnIdFromTool: word,
    filePath: word,
    line: number,
    componentName: word,
    componentVersion: word,
    vulnerabilityIds: list,
    locations: list,
    falsePositive: fc.boolean(),
  })
  .map((changes) => ({ finding: aDojoFinding(changes) }));

const runs = fc.record({
  mode: fc.constantFrom("merge" as const, "complete" as const),
  importedAs: fc.constantFrom(...wantedTestTypes(), "CycloneDX Scan", "A parser that nobody has described"),
  uploaded: fc.array(upload, { maxLength: 6 }),
  dojo: fc.array(answer, { maxLength: 6 }),
  minimum: fc.constantFrom(...DOJO_SEVERITIES),
});

describe("whatever was uploaded and whatever DefectDojo answers", () => {
  const validate = findingsValidator();

  it("every finding of the scanner is written or stood for, once, in order, and so is every one of DefectDojo's", async () => {
    await fc.assert(
      fc.asyncProperty(runs, async (run) => {
        const dojo = run.dojo.map(({ finding }, id) => ({ finding: { ...finding, id: id + 1 } }));
        const { written, matches } = await merging({ ...run, dojo });
        if (validate !== undefined) expect(validate(written), JSON.stringify(validate.errors)).toBe(true);
        const ids = run.uploaded.map(({ id }) => id);
        const unmatched = ids.filter((_, index) => typeof matches[index] === "string");
        const claimed = new Set(matches.flatMap((match) => (typeof match === "string" ? [] : match)));
        const own = dojo.flatMap((_, place) => (run.mode === "merge" && claimed.has(place) ? [] : place + 1));
        const idOf = ({ attributes }: (typeof written)[number]) => attributes["defectdojo.org/finding-id"];
        if (run.mode === "merge") {
          expect(written.slice(0, ids.length).map(({ id }) => id)).toEqual(ids);
          expect(written.slice(ids.length).map(idOf)).toEqual(own);
        } else {
          expect(written.slice(0, dojo.length).map(idOf)).toEqual(own);
          expect(written.slice(dojo.length).map(({ id }) => id)).toEqual(unmatched);
        }
        for (const finding of written.filter((each) => idOf(each) === undefined))
          expect(finding.attributes).toMatchObject({ "defectdojo.org/matched": false });
      }),
      { numRuns: 1_000 },
    );
  });
});
