import { describe, expect, it } from "vitest";
import { counted, duration, findingsPlace, findingUrl, safeUrl, verdict, when } from "../../../cli/page/format.js";
import { axisName, momentName, momentSeconds } from "../../../cli/page/moments.js";
import { comparison, facts } from "../../../cli/page/receipt-words.js";
import { changeWords, countNames, findingStates, learnVerdicts } from "../../../cli/page/words.js";
import { VERDICT_NAMES } from "../../../cli/runtime/page.ts";
import { aJob, aReceipt } from "../../helpers/factories.ts";

describe("texts on the page", () => {
  it("a time has its date and zone", () => {
    expect(when("2026-11-28T01:04:09Z", "UTC")).toBe("28 Nov 2026, 01:04:09 UTC");
    expect(when("2026-11-28T01:04:09Z", "Europe/Berlin")).toMatch(/^28 Nov 2026, 02:04:09 (CET|GMT\+1)$/);
    expect(when("yesterday")).toBe("at an unknown time");
  });

  it.each([
    [0.4, "0 ms"],
    [999, "999 ms"],
    [1_500, "1.5 s"],
    [125_000, "2 min 5 s"],
  ])("%s milliseconds are %s", (ms, text) => {
    expect(duration(ms)).toBe(text);
  });

  it("uses the singular for one", () => {
    expect([counted(1, "message"), counted(0, "message"), counted(2_000, "match", "matches")]).toEqual([
      "1 message",
      "0 messages",
      "2,000 matches",
    ]);
  });

  it.each([
    [{ offset: 50, shown: 50, total: 10_000 }, "51 to 100 of 10,000"],
    [{ offset: 0, shown: 0, total: 0 }, "No finding."],
    [
      { offset: 0, shown: 50, total: 1_234, onlyFirst: 100_000 },
      "1 to 50 of 1,234. Only the first 100,000 findings can be searched here; findings.json has them all.",
    ],
    [
      { offset: 0, shown: 0, total: 0, onlyFirst: 100_000 },
      "No finding. Only the first 100,000 findings can be searched here; findings.json has them all.",
    ],
  ])("the place among the findings: %j", (place, text) => {
    expect(findingsPlace(place)).toBe(text);
  });

  it("names verdicts in plain words, and says when a finding is gone", () => {
    learnVerdicts(VERDICT_NAMES);
    expect(verdict(["active", "falsePositive", "HIGH"], changeWords())).toBe("active, false positive, high");
    expect(verdict([], changeWords())).toBe("not there");
    expect(verdict(["constructor", "__proto__"], changeWords())).toBe("constructor, __proto__");
    expect(countNames()[0]).toEqual(["new", "new"]);
    expect(findingStates()).toMatchObject({ duplicates: "duplicates", ambiguous: "match unclear" });
  });

  it.each(["javascript:alert(1)", "data:text/html,x", "//evil.example", "", undefined])("%j is no link", (text) => {
    expect(safeUrl(text)).toBeUndefined();
  });

  it("links a finding beside its test", () => {
    expect(findingUrl("https://dojo.example.com/test/42", 7)).toBe("https://dojo.example.com/finding/7");
    expect(findingUrl("javascript:x/test/42", 7)).toBeUndefined();
  });
});

describe("points of a plot", () => {
  it.each([
    ["2026-11", "November 2026", "Nov 2026"],
    ["2026-11-28", "28 Nov 2026", "28 Nov"],
    ["2026-11-28T01", "28 Nov 2026, 01:00 UTC", "28 Nov, 01:00"],
  ])("%s is %s, and on the axis %s", (at, name, mark) => {
    expect(momentName({ at })).toBe(name);
    expect(axisName(momentSeconds({ at }), at.length)).toBe(mark);
  });

  it("leaves a text that is not a time unchanged", () => {
    expect(momentName({ at: "soon" })).toBe("soon");
  });
});

describe("a receipt as text", () => {
  const severities = (high: number) => ({ informational: 1, low: 0, medium: 0, high });

  it("shows what it holds, and omits what an earlier version did not write", () => {
    const { deduplication: _, ...receipt } = aReceipt(aJob(), { timings: {} });
    const names = facts(receipt, undefined).map(([name]) => name);
    expect(names).toEqual(expect.arrayContaining(["Product", "Scan type", "Last written", "Outcome"]));
    for (const missing of ["Deduplication", "Took", "Imported"]) expect(names).not.toContain(missing);
    const all = facts(aReceipt(aJob(), { timings: { totalMs: 1_000 } }), "2026-11-28T01:00:00Z");
    expect(all.map(([name]) => name)).toEqual(expect.arrayContaining(["Deduplication", "Took", "Imported"]));
  });

  it("says that nothing was imported for an outdated run", () => {
    const rows = facts(aReceipt(aJob(), { outcome: "outdated" }), "2026-11-28T01:00:00Z");
    expect(rows).toContainEqual(["Outcome", expect.stringContaining("a later run of the living test")]);
    for (const missing of ["Imported", "Imported as"]) expect(rows.map(([name]) => name)).not.toContain(missing);
  });

  it("counts as missing, per severity, what was uploaded but not kept", () => {
    const changes = {
      ...{ uploaded: { count: 4, severities: severities(3) }, inDojo: { count: 2, severities: severities(1) } },
      ...{ kept: 2, matched: 2, onlyInScan: 2, onlyInDojo: 0 },
    };
    const { rows, sentence } = comparison(aReceipt(aJob(), changes));
    expect(rows[0]).toEqual(["High", 3, 1, 2]);
    expect(rows.at(-1)).toEqual(["All", 4, 2, 2]);
    expect(sentence).toMatch(/The import kept 2\. 2 of the scanner's correspond .* 2 of the scanner's are not in/);
  });

  it("marks a receipt of an earlier version", () => {
    expect(comparison(aReceipt())).toMatchObject({
      rows: [],
      sentence: expect.stringContaining("earlier version wrote"),
    });
  });
});
