import { describe, expect, it } from "vitest";
import { DOJO_SEVERITIES } from "../../../lib/model/annotations.ts";
import type { DojoFinding } from "../../../lib/ports/dojo-finding.ts";
import { type MappingContext, toSyncedFinding } from "../../../lib/sync/to-synced-finding.ts";
import { aDojoFinding, aScan } from "../../helpers/factories.ts";
import { findingsValidator, sharedJson } from "../../helpers/shared.ts";

const context: MappingContext = {
  scan: aScan(),
  now: "2026-11-24T12:00:00.000Z",
  url: (kind, id) => `https://dojo.example.com/${kind}/${id}`,
};
const map = (changes: Partial<DojoFinding> = {}, original?: DojoFinding) =>
  toSyncedFinding(aDojoFinding(changes), original, context);

describe("a finding of DefectDojo", () => {
  it("is one of secureCodeBox", () => {
    expect(map({ mitigation: "Close it.", references: "https://example.com/a", falsePositive: true })).toEqual({
      id: "a07f997c-34cb-5a6c-83f7-76da8f889a7b",
      name: "Open Port: 22/TCP",
      description: "### Host\n\n**Port/Protocol:** 22/tcp\n",
      category: "DefectDojo Imported Finding",
      location: "tcp://example.com:22",
      osi_layer: null,
      severity: "INFORMATIONAL",
      mitigation: "Close it.",
      references: [{ type: "URL", value: "https://example.com/a" }],
      attributes: {
        "defectdojo.org/finding-id": 42,
        "defectdojo.org/finding-url": "https://dojo.example.com/finding/42",
        "defectdojo.org/test-id": 7,
        "defectdojo.org/test-url": "https://dojo.example.com/test/7",
        "defectdojo.org/severity": "Info",
        "defectdojo.org/locations": ["tcp://example.com:22"],
        duplicate: false,
        falsePositive: true,
        riskAccepted: false,
        outOfScope: false,
        mitigated: false,
        active: true,
        verified: false,
        underReview: false,
        "defectdojo.org/original-finding-id": null,
        "defectdojo.org/original-finding": null,
      },
      parsed_at: "2026-11-24T17:59:30.906437Z",
      scan: { created_at: "2026-11-20T10:00:00Z", name: "nmap-example", namespace: "security", scan_type: "nmap" },
    });
  });

  it.each([
    ["Critical", "HIGH"],
    ["High", "HIGH"],
    ["Medium", "MEDIUM"],
    ["Low", "LOW"],
    ["Info", "INFORMATIONAL"],
  ] as const)("of severity %s is %s", (severity, expected) => {
    expect(map({ severity }).severity).toBe(expected);
  });

  it("covers every severity", () => {
    expect([...DOJO_SEVERITIES]).toEqual(["Critical", "High", "Medium", "Low", "Info"]);
  });

  it("without a location has the one of the reference hook", () => {
    expect(map({ locations: [] }).location).toBe("unknown");
  });

  it("of a Scan that does not say when it was created has the time of the import", () => {
    const { createdAt: _, ...scan } = aScan();
    expect(toSyncedFinding(aDojoFinding(), undefined, { ...context, scan }).scan).toMatchObject({
      created_at: "2026-11-24T12:00:00.000Z",
    });
  });
});

describe("a duplicate", () => {
  const original = aDojoFinding({ id: 38, testId: 3, riskAccepted: true, title: "the first" });
  const synced = map({ duplicate: true, duplicateOf: 38 }, original);

  it("has its original embedded, with the verdicts on it", () => {
    expect(synced.attributes).toMatchObject({
      duplicate: true,
      riskAccepted: false,
      "defectdojo.org/original-finding-id": 38,
      "defectdojo.org/original-finding": {
        name: "the first",
        attributes: { "defectdojo.org/finding-id": 38, "defectdojo.org/test-id": 3, riskAccepted: true },
      },
    });
  });

  it("does not go on to the original's original", () => {
    const chained = map({ duplicate: true, duplicateOf: 38 }, { ...original, duplicate: true, duplicateOf: 1 });
    expect(chained.attributes["defectdojo.org/original-finding"]).toMatchObject({
      attributes: { "defectdojo.org/original-finding-id": 1, "defectdojo.org/original-finding": null },
    });
  });

  it("of something that cannot be seen has its id alone", () => {
    expect(map({ duplicate: true, duplicateOf: 38 }).attributes).toMatchObject({
      "defectdojo.org/original-finding-id": 38,
      "defectdojo.org/original-finding": null,
    });
  });
});

describe("references", () => {
  it.each([
    ["", undefined],
    ["\n \r\n", undefined],
    ["https://a.example/b", [{ type: "URL", value: "https://a.example/b" }]],
    ["CVE: CVE-2020-1234", [{ type: "CVE", value: "CVE-2020-1234" }]],
    [
      "* https://a\r\n- CWE: 79",
      [
        { type: "URL", value: "https://a" },
        { type: "CWE", value: "79" },
      ],
    ],
    ["see the manual", [{ type: "Reference", value: "see the manual" }]],
    ["[a](https://a)", [{ type: "Reference", value: "[a](https://a)" }]],
    ["https://a https://b", [{ type: "Reference", value: "https://a https://b" }]],
  ])("%j", (references, expected) => {
    expect(map({ references }).references).toEqual(expected);
  });
});

describe("the id", () => {
  it("is a UUID of version 5 that stays with the finding", () => {
    expect(map().id).toMatch(/^[\da-f]{8}-[\da-f]{4}-5[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
    expect(map({ title: "other" }).id).toBe(map().id);
    expect(map({ id: 43 }).id).not.toBe(map().id);
  });
});

describe("secureCodeBox's schema", () => {
  const validate = findingsValidator();

  it.skipIf(validate === undefined)("is satisfied", () => {
    const original = aDojoFinding({ id: 38 });
    const findings = [
      map(),
      map({ duplicate: true, duplicateOf: 38 }, original),
      map({ locations: [], mitigation: "m", references: "a\nhttps://b\nCVE: c" }),
    ];
    expect(validate?.(findings), JSON.stringify(validate?.errors)).toBe(true);
  });

  it.skipIf(validate === undefined)("tells bad findings from good ones", () => {
    expect(validate?.([{ ...map(), id: "no uuid" }])).toBe(false);
    expect(validate?.([{ ...map(), severity: "CRITICAL" }])).toBe(false);
  });
});

const references = sharedJson("reference-output");
describe.skipIf(references.length === 0)("the reference hook's output", () => {
  it.each(references)("has no attribute in %s that is not here", (_, content) => {
    const names = new Set(Object.keys(map().attributes));
    for (const { attributes, category } of content as { attributes: object; category: string }[]) {
      expect([...names]).toEqual(expect.arrayContaining(Object.keys(attributes)));
      expect(category).toBe(map().category);
    }
  });
});
