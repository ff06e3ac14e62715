import { describe, expect, it } from "vitest";
import type { ScanFinding } from "../../../lib/report/findings-file.ts";
import { jacksonJson } from "../../../lib/report/jackson-text.ts";
import { dojoSeverity, isLocation, toGenericFinding, uniqueIdOf } from "../../../lib/report/to-generic-finding.ts";
import { aFinding } from "../../helpers/factories.ts";

const NOW = new Date("2026-11-24T12:00:00Z");
const map = (changes: Partial<ScanFinding> = {}, index = 0) => toGenericFinding(aFinding(changes), index, NOW);
const without = (field: keyof ScanFinding) => {
  const { [field]: _, ...rest } = aFinding();
  return toGenericFinding(rest as ScanFinding, 3, NOW);
};

describe("a finding as DefectDojo takes it", () => {
  it("is mapped in full", () => {
    expect(
      map({
        severity: "HIGH",
        identified_at: "2026-11-19T23:59:59+02:00",
        mitigation: "Close the port.",
        references: [
          { type: "CVE", value: "CVE-2020-1234" },
          { type: "URL", value: "https://example.com/a" },
        ],
        attributes: { port: 22, ip_addresses: ["10.0.0.1"], tunnel: null, nested: { a: "é" } },
      }),
    ).toEqual({
      generic: {
        title: "Open Port: 22 (ssh)",
        severity: "High",
        description:
          'Port 22 is open using tcp protocol.\n {\n  "port" : 22,\n  "ip_addresses" : [ "10.0.0.1" ],\n  "tunnel" : null,\n  "nested" : {\n    "a" : "é"\n  }\n}',
        date: "2026-11-19",
        endpoints: ["tcp://example.com:22"],
        mitigation: "Close the port.",
        references: "CVE: CVE-2020-1234\nhttps://example.com/a",
        vulnerability_ids: ["CVE-2020-1234"],
        unique_id_from_tool: "2ba9b74e-0f34-444d-925b-1dbde58e68ed",
      },
      repairs: [],
    });
  });

  it("needs no more than a name", () => {
    expect(toGenericFinding({ name: "x", severity: "LOW", description: "d" }, 3, NOW)).toEqual({
      generic: { title: "x", severity: "Low", description: "d", unique_id_from_tool: "finding-3" },
      repairs: [],
    });
  });

  it("takes null for what is missing", () => {
    const nulls = { id: null, location: null, mitigation: null, references: null, attributes: null };
    expect(map({ ...nulls, identified_at: null, parsed_at: null }, 4)).toEqual({
      generic: {
        title: "Open Port: 22 (ssh)",
        severity: "Info",
        description: "Port 22 is open using tcp protocol.",
        unique_id_from_tool: "finding-4",
      },
      repairs: [],
    });
  });

  it("has its date by when it was parsed where nobody says when it was identified", () => {
    expect(map({ identified_at: null }).generic.date).toBe("2026-11-20");
    expect(map({ identified_at: "" }).generic.date).toBe("2026-11-20");
  });
});

describe("severities", () => {
  it.each([
    ["HIGH", "High"],
    ["MEDIUM", "Medium"],
    ["LOW", "Low"],
    ["INFORMATIONAL", "Info"],
    ["high", "High"],
    [" Medium ", "Medium"],
    ["CRITICAL", "Critical"],
    ["INFO", "Info"],
  ])("%j is %s", (severity, expected) => {
    expect(dojoSeverity(severity)).toBe(expected);
    expect(map({ severity }).repairs).toEqual([]);
  });

  it.each([undefined, null, "", "Bogus", "constructor", "__proto__", "TOSTRING"])("%j is not known", (severity) => {
    expect(dojoSeverity(severity)).toBeUndefined();
  });
});

describe("what DefectDojo would refuse is repaired and told", () => {
  it.each<[string, ReturnType<typeof map>, Partial<ReturnType<typeof map>["generic"]>, string[]]>([
    [
      "an unknown severity",
      map({ severity: "Bogus" }),
      { severity: "Info" },
      ['severity: "Bogus" is not known, taken as Info'],
    ],
    ["no severity", without("severity"), { severity: "Info" }, ["severity: null is not known, taken as Info"]],
    [
      "a title that is too long",
      map({ name: "x".repeat(600) }),
      { title: `${"x".repeat(510)}…` },
      ["name: cut to 511 characters"],
    ],
    [
      "control characters in the name",
      map({ name: "a\u0000b\u0007" }),
      { title: "ab" },
      ["name: control characters removed"],
    ],
    [
      "a name of nothing but control characters",
      map({ name: "\u0001" }),
      { title: "(unnamed)" },
      ["name: control characters removed", "name: is empty, taken as (unnamed)"],
    ],
    ["an empty name", map({ name: "" }), { title: "(unnamed)" }, ["name: is empty, taken as (unnamed)"]],
    ["a blank name", map({ name: " \n" }), { title: "(unnamed)" }, ["name: is empty, taken as (unnamed)"]],
    [
      "control characters in the description",
      map({ description: "a\u0000b", attributes: null }),
      { description: "ab" },
      ["description: control characters removed"],
    ],
    [
      "no description",
      map({ description: null, attributes: null }),
      { description: "Open Port: 22 (ssh)" },
      ["description: missing, the name stands in"],
    ],
    [
      "no description before attributes",
      map({ description: null, attributes: { a: 1 } }),
      { description: 'Open Port: 22 (ssh)\n {\n  "a" : 1\n}' },
      ["description: missing, the name stands in"],
    ],
    [
      "a blank description",
      map({ description: " \n", attributes: null }),
      { description: "Open Port: 22 (ssh)" },
      ["description: missing, the name stands in"],
    ],
    [
      "an empty description before attributes, as the reference hook imports it",
      map({ description: "", attributes: { a: 1 } }),
      { description: '\n {\n  "a" : 1\n}' },
      [],
    ],
    [
      "an invalid location",
      map({ location: "not a url %%", attributes: null }),
      { description: "Port 22 is open using tcp protocol.\nLocation: not a url %%" },
      ['location: "not a url %%" is no address, kept in the description'],
    ],
    [
      "a date in the future",
      map({ identified_at: "2026-11-26T00:00:00Z" }),
      { date: "2026-11-24" },
      ["date: 2026-11-26 lies in the future, taken as today"],
    ],
    [
      "a date that is none",
      map({ identified_at: "yesterday" }),
      {},
      ['date: "yesterday" is no date, left to DefectDojo'],
    ],
    [
      "a date beyond the year 9999",
      map({ identified_at: "+010000-01-01T00:00:00Z" }),
      { date: "2026-11-24" },
      ["date: +010000-01 lies in the future, taken as today"],
    ],
    [
      "the zero time of Go",
      map({ identified_at: "0001-01-01T00:00:00Z" }),
      {},
      ['date: "0001-01-01T00:00:00Z" is no date, left to DefectDojo'],
    ],
    [
      "a year that no calendar has",
      map({ identified_at: "-000001-01-01T00:00:00Z" }),
      {},
      ['date: "-000001-01-01T00:00:00Z" is no date, left to DefectDojo'],
    ],
    [
      "control characters in the mitigation",
      map({ mitigation: "\u0000Close it" }),
      { mitigation: "Close it" },
      ["mitigation: control characters removed"],
    ],
    [
      "control characters in references",
      map({ references: [{ type: "CVE", value: "CVE-1\u0000" }] }),
      { references: "CVE: CVE-1" },
      ["references: control characters removed"],
    ],
    [
      "half a character in the attributes",
      map({ description: "d", attributes: { a: "\ud800" } }),
      { description: 'd\n {\n  "a" : "\\ud800"\n}' },
      [],
    ],
  ])("%s", (_, { generic, repairs }, expected, told) => {
    expect(generic).toMatchObject(expected);
    expect(repairs).toEqual(told);
    if (told.some((repair) => /is no date/.test(repair))) expect(generic.date).toBeUndefined();
    if (told.some((repair) => /is no address/.test(repair))) expect(generic.endpoints).toBeUndefined();
  });

  it("a date that is today by our clock is taken, whatever the hour", () => {
    expect(map({ identified_at: "2026-11-24T23:00:00Z" })).toMatchObject({
      generic: { date: "2026-11-24" },
      repairs: [],
    });
  });

  it("is told in short words, however long the value", () => {
    const long = "x ".repeat(100_000);
    const { repairs } = map({ severity: long, location: long, identified_at: long });
    expect(repairs).toHaveLength(3);
    for (const repair of repairs) expect(repair.length).toBeLessThan(300);
  });
});

describe("a description of more than a MiB of characters is cut, and told", () => {
  const MOST = 1_048_576;
  const CUT = ["description: cut to 1048576 characters"];
  const words = (count: number) => "word ".repeat(count / 5);
  const nested = (levels: number, width: number): unknown =>
    levels === 0
      ? Object.fromEntries(Array.from({ length: width }, (_, i) => [`k${i}`, i]))
      : { a: nested(levels - 1, width) };

  it("but not one of just as many", () => {
    const { generic, repairs } = map({ description: "x".repeat(MOST), attributes: null });
    expect([generic.description.length, repairs]).toEqual([MOST, []]);
  });

  it.each<[string, Partial<ScanFinding>]>([
    ["by itself", { description: words(2 * MOST), attributes: null }],
    ["with attributes", { description: words(600_000), attributes: { a: words(600_000) } }],
    ["by deep attributes", { attributes: { a: nested(90, 100_000) } }],
    ["by many attributes", { attributes: { a: Array(1_000_000).fill("") } }],
    ["by one long attribute", { attributes: { a: words(4 * MOST) } }],
    ["by one long name of an attribute", { attributes: { [words(4 * MOST)]: 1 } }],
    ["by a name that stands in", { name: "x".repeat(MOST + 1), description: null, attributes: null }],
  ])("%s", (_, changes) => {
    const { generic, repairs } = map(changes);
    expect(generic.description).toHaveLength(MOST);
    expect(generic.description.endsWith("…")).toBe(true);
    expect(repairs.slice(-1)).toEqual(CUT);
    const description = changes.description === undefined ? "Port 22 is open using tcp protocol." : changes.description;
    expect(generic.description.startsWith((description ?? changes.name ?? "").slice(0, 30))).toBe(true);
  });

  it("before the location that is kept in it", () => {
    const { generic, repairs } = map({ description: words(2 * MOST), location: "not a url %%" });
    expect(generic.description).toHaveLength(MOST);
    expect(generic.description.endsWith("…\nLocation: not a url %%")).toBe(true);
    expect(repairs.slice(-1)).toEqual(CUT);
    const long = map({ location: words(2 * MOST) }).generic.description;
    expect(long.startsWith("Port 22 is open using tcp protocol.\n {\n")).toBe(true);
    expect(long.length).toBeLessThan(2_000);
  });

  it("also where the cut attributes lose control characters", () => {
    const { generic, repairs } = map({ attributes: { a: "\u007f".repeat(2 * MOST) } });
    expect(generic.description.length).toBeLessThan(100);
    expect(repairs).toEqual(["attributes: control characters removed", ...CUT]);
  });

  it("without laying out all of it", () => {
    const deep = nested(90, 100_000);
    expect(jacksonJson(deep).length).toBeGreaterThan(15_000_000);
    expect(jacksonJson(deep, 1_000).length).toBeLessThan(10_000);
    expect(jacksonJson({ a: words(MOST) }, 1_000).length).toBeLessThan(1_100);
  });
});

describe("unique_id_from_tool", () => {
  it.each([
    ["abc", 1, "abc"],
    [null, 1, "finding-1"],
    [undefined, 0, "finding-0"],
    ["", 2, "finding-2"],
    ["\u0000", 3, "finding-3"],
    ["a\u0000b", 3, "ab"],
    ["x".repeat(501), 0, "x".repeat(500)],
    [`${"x".repeat(499)}😀`, 0, `${"x".repeat(499)}\ufffd`],
  ])("of %j at %d", (id, index, expected) => {
    expect(uniqueIdOf(aFinding({ id }), index)).toBe(expected);
  });
});

describe("locations that DefectDojo takes as endpoints", () => {
  it.each([
    "http://example.com",
    "https://example.com/a/b?c=d#e",
    "https://user:pass@example.com:8443/x",
    "tcp://example.com:22",
    "ssh://192.168.0.1:22",
    "example.com",
    "example.com:443",
    "localhost",
    "10.0.0.1",
    "10.0.0.1:8080/path",
    "http://[2001:db8::1]:80/",
    "[::1]",
    "scb://trivy/?ArtifactName=bkimminich/juice-shop:v12.10.2",
    "http://bücher.example/",
    "http://under_score.example",
    "http://juice-shop:3000",
    "https://a/redirect?to=http://b",
    "http://h/%ff%00",
    "http://example.com?a=b",
    "http://h:65535",
    "submission://h",
  ])("%s", (location) => {
    expect(isLocation(location)).toBe(true);
  });

  it.each([
    ["nothing", ""],
    ["blanks", "a b"],
    ["a line break", "http://a\nb"],
    ["no host", "file:///etc/passwd"],
    ["no host", "http://"],
    ["no host", "/usr/lib"],
    ["no host", "?a=b"],
    ["relative paths", "../../etc"],
    ["a line of a file", "test.py:4-5"],
    ["a path of Windows", "C:\\Windows"],
    ["a path of Windows", "C:/Windows"],
    ["a port that is empty, which hyperlink refuses", "example.com:"],
    ["a port that is empty, which hyperlink refuses", "http://example.com:/a"],
    ["port 0", "http://example.com:0"],
    ["a port out of range", "http://example.com:65536"],
    ["a port that is no number", "http://example.com:http"],
    ["an address of IPv6 that is none, which hyperlink refuses", "http://[::::]/"],
    ["an address of IPv6 that is none, which hyperlink refuses", "http://[abc]/"],
    ["an address of IPv6 without brackets", "2001:db8::1"],
    ["brackets that do not close", "http://[::1/"],
    ["two hosts", "a@b@c"],
    ["percent signs in the host", "http://%65xample.com/"],
    ["percent signs in the user, which hyperlink cannot decode", "http://%ff@example.com/"],
    ["a scheme that is longer than DefectDojo's column", "containerimage://x"],
    ["an address within a path, which DefectDojo takes for the whole", "host/redirect?to=http://b"],
    ["more than a thousand characters", `http://a/${"x".repeat(1_000)}`],
    ["a user longer than the column", `http://${"x".repeat(600)}@a/`],
    ["a host longer than names are", `http://${"x".repeat(254)}/`],
    ["mail addresses without a host", "mailto:"],
    ["an image's digest", "sha256:abcdef"],
    ["a package", "pkg:npm/%40angular/core@1.0.0"],
  ])("but not %s: %s", (_, location) => {
    expect(isLocation(location)).toBe(false);
  });
});
