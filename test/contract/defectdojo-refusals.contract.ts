import { beforeAll, expect, it } from "vitest";
import { createWorld, GENERIC, type Report, report, type Server, type World } from "./defectdojo-client.ts";
import { expectedOf, type Others } from "./defectdojo-row.ts";

type Refused = {
  it: string;
  fields?: Record<string, string>;
  report?: Report | undefined;
  status: number;
  answer: object;
  other?: Others<{ status: number; answer: object }>;
};

const refusedFile = (content: string, name = "findings.json"): Report => ({ name, content });
const message = (text: string) => ({ message: text });
const serverError = message("Internal server error, check logs for details");

const REFUSED: Refused[] = [
  {
    it: "an unknown scan type",
    fields: { scan_type: "Nope" },
    status: 400,
    answer: { scan_type: ['"Nope" is not a valid choice.'] },
  },
  {
    it: "an unknown minimum severity",
    fields: { minimum_severity: "Nope" },
    status: 400,
    answer: { minimum_severity: ['"Nope" is not a valid choice.'] },
  },
  {
    it: "a scan date in the future",
    fields: { scan_date: "2199-01-01" },
    status: 400,
    answer: { scan_date: ["The scan_date cannot be in the future!"] },
  },
  {
    it: "a scan date that is a time",
    fields: { scan_date: "2026-01-01T00:00:00Z" },
    status: 400,
    answer: { scan_date: ["Date has wrong format. Use one of these formats instead: YYYY-MM-DD."] },
  },
  {
    it: "a flag that is none",
    fields: { active: "maybe" },
    status: 400,
    answer: { active: ["Must be a valid boolean."] },
  },
  {
    it: "tags with spaces",
    fields: { tags: "two words" },
    status: 400,
    answer: { tags: ["Invalid tag: 'two words'. Tags should not contain spaces, commas, or quotes."] },
  },
  {
    it: "an unknown grouping",
    fields: { group_by: "nope" },
    status: 400,
    answer: { group_by: ['"nope" is not a valid choice.'] },
  },
  {
    it: "an unknown environment",
    fields: { environment: "Nope" },
    status: 400,
    answer: message("['Environment named Nope does not exist.']"),
    other: { "2.34": { status: 500, answer: serverError } },
  },
  {
    it: "findings grouped by an unknown field",
    fields: { group_by: "nothing" },
    status: 400,
    answer: { group_by: ['"nothing" is not a valid choice.'] },
  },
  {
    it: "a build id that is too long, as a fault of its own",
    fields: { build_id: "b".repeat(151) },
    status: 500,
    answer: serverError,
  },
  {
    it: "a version that is too long, as a fault of its own",
    fields: { version: "v".repeat(101) },
    status: 500,
    answer: serverError,
  },
  {
    it: "a title that is too long, as a fault of its own",
    fields: { test_title: "t".repeat(256) },
    status: 500,
    answer: serverError,
  },
  {
    it: "a tag that is too long, as a fault of its own",
    fields: { tags: "t".repeat(256) },
    status: 500,
    answer: serverError,
  },
  {
    it: "no file",
    report: undefined,
    status: 400,
    answer: { non_field_errors: [`Uploading a Report File is required for ${GENERIC}`] },
  },
  {
    it: "a report of more than 100 MiB",
    report: refusedFile(" ".repeat(100 * 1024 * 1024 + 1)),
    status: 400,
    answer: { non_field_errors: ["Report file is too large. Maximum supported size is 100 MB"] },
  },
  {
    it: "an extension that is not allowed",
    report: refusedFile("{}", "report.exe"),
    status: 400,
    answer: { file: [expect.stringContaining("File extension “exe” is not allowed.")] },
  },
  {
    it: "an empty file",
    report: refusedFile(""),
    status: 400,
    answer: message("['Expecting value: line 1 column 1 (char 0)']"),
  },
  {
    it: "a report that is no object, as a fault of its own",
    report: refusedFile("[]"),
    status: 500,
    answer: serverError,
  },
  {
    it: "an unknown severity in one finding",
    report: report({}, { severity: "Urgent" }),
    status: 400,
    answer: message(
      "['Finding severity \"Urgent\" is not supported. Any of the following are supported: [\\'Info\\', \\'Low\\', \\'Medium\\', \\'High\\', \\'Critical\\'].']",
    ),
  },
  {
    it: "a finding without a description",
    report: refusedFile('{"findings":[{"title":"x","severity":"Low"}]}'),
    status: 400,
    answer: message("[\"Required fields are missing: ['description']\"]"),
  },
  {
    it: "a finding with an unknown field",
    report: report({ colour: "red" }),
    status: 400,
    answer: message("[\"Not allowed fields are present: ['colour']\"]"),
  },
  {
    it: "a finding with a date that is none",
    report: report({ date: "someday" }),
    status: 400,
    answer: message("['Unknown string format: someday']"),
    other: { "2.34": { status: 500, answer: serverError } },
  },
  {
    it: "a finding with null for its title, as a fault of its own",
    report: report({ title: null }),
    status: 500,
    answer: serverError,
  },
  {
    it: "a report of another format",
    fields: { scan_type: "ZAP Scan" },
    report: refusedFile("not xml", "zap.xml"),
    status: 500,
    answer: serverError,
  },
  {
    it: "a JSON report of ZAP",
    fields: { scan_type: "ZAP Scan" },
    report: refusedFile("{}", "zap.json"),
    status: 400,
    answer: message("['Internal error: Wrong file format, please use xml.']"),
  },
  {
    it: "an nmap report with an IPv6 host only",
    fields: { scan_type: "Nmap Scan" },
    report: refusedFile('<nmaprun start="1"><host><address addr="::1" addrtype="ipv6"/></host></nmaprun>', "nmap.xml"),
    status: 500,
    answer: serverError,
  },
  {
    it: "an unknown Trivy schema",
    fields: { scan_type: "Trivy Scan" },
    report: refusedFile("{}", "trivy.json"),
    status: 400,
    answer: message("['Schema of Trivy json report is not supported']"),
  },
];

/** How `import-scan` rejects invalid requests. */
export function refusalsContract(server: () => Promise<Server>): void {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(await server());
  });

  it.each(REFUSED)("$it", async (row) => {
    const fields = { scan_type: GENERIC, engagement: world.engagement, ...row.fields };
    const answer = await world.client.upload(fields, "report" in row ? row.report : report({}));
    const expected = expectedOf(world, row);
    expect({ status: answer.status, body: answer.body }).toMatchObject({
      status: expected.status,
      body: expected.answer,
    });
  });

  it("row 3: a finding that no column holds: a 500 each time, and the findings before it stay", async () => {
    const vulnerability = (n: number, InstalledVersion: string) => ({
      ...{ VulnerabilityID: `CVE-2024-000${n}`, PkgName: `package-${n}`, InstalledVersion, Severity: "LOW" },
    });
    const versions = ["1.0", "2.0", "3".repeat(101), "4.0"];
    const Results = [
      {
        Target: "image",
        Class: "os-pkgs",
        Type: "debian",
        Vulnerabilities: versions.map((v, n) => vulnerability(n, v)),
      },
    ];
    const trivy = { name: "trivy.json", content: JSON.stringify({ SchemaVersion: 2, Results }) };
    for (const build_id of ["overflow-1", "overflow-2"]) {
      const answer = await world.client.upload(
        { scan_type: "Trivy Scan", engagement: world.engagement, build_id },
        trivy,
      );
      expect([answer.status, answer.body]).toMatchObject([500, serverError]);
      const left = await world.client.request("GET", `/tests/?build_id=${build_id}&engagement=${world.engagement}`);
      expect(left.body.count).toBe(1);
      const found = await world.client.request("GET", `/findings/?test=${left.body.results[0].id}&limit=1`);
      expect(found.body.count).toBe(2);
    }
  });

  it("an engagement that does not exist", async () => {
    const answer = await world.client.upload({ scan_type: GENERIC, engagement: 99_999_999 }, report({}));
    expect([answer.status, answer.body]).toEqual([400, ['Engagement "99999999" does not exist']]);
  });

  it("no engagement at all", async () => {
    const answer = await world.client.upload({ scan_type: GENERIC }, report({}));
    expect([answer.status, answer.body]).toEqual([400, ["product_name parameter missing"]]);
  });

  it("JSON in place of a form", async () => {
    const answer = await world.client.request("POST", "/import-scan/", { scan_type: GENERIC });
    expect([answer.status, answer.body]).toEqual([
      415,
      { detail: 'Unsupported media type "application/json" in request.' },
    ]);
  });
}
