import { describe, expect, it } from "vitest";
import { MOST_CHANGES } from "../../../lib/model/receipt.ts";
import type { DojoFinding } from "../../../lib/ports/dojo-finding.ts";
import type { Written } from "../../../lib/sync/merged-finding.ts";
import { verdictChanges } from "../../../lib/sync/verdict-changes.ts";
import { verdictOf } from "../../../lib/sync/verdicts.ts";
import { dojoWritten } from "../../../lib/sync/write-back.ts";
import { aDojoFinding, aScan } from "../../helpers/factories.ts";

const SINCE = "2026-11-24T12:00:00.000Z";
const context = {
  scan: aScan(),
  now: SINCE,
  url: (kind: string, id: number) => `https://dojo.example.com/${kind}/${id}`,
};
const written = (changes: Partial<DojoFinding>, original?: Partial<DojoFinding>): Written => {
  const finding = aDojoFinding(changes);
  const its = original === undefined ? undefined : aDojoFinding({ id: 1, ...original });
  return dojoWritten(finding, its, context);
};
const wordsIn = (changes: Partial<DojoFinding>, original?: Partial<DojoFinding>) =>
  verdictOf(written(changes, original).written)?.words;
/** From one state of DefectDojo to another. */
function changesOf(before: readonly Written[], after: readonly Written[]) {
  const verdicts = new Map(
    before.map((each) => [verdictOf(each.written)?.findingId ?? 0, verdictOf(each.written)?.words ?? ""]),
  );
  const changes = verdictChanges(verdicts, SINCE);
  for (const each of after) changes.add(each);
  return changes.end();
}

describe("the verdict of a written finding", () => {
  it.each([
    [{}, "INFORMATIONAL active"],
    [{ active: false }, "INFORMATIONAL inactive"],
    [{ active: false, mitigated: true, falsePositive: true }, "INFORMATIONAL inactive falsePositive mitigated"],
    [{ riskAccepted: true, outOfScope: true }, "INFORMATIONAL active riskAccepted outOfScope"],
    [{ underReview: true }, "INFORMATIONAL active underReview"],
    [{ severity: "High" as const }, "HIGH active"],
  ])("%j is %s", (finding, words) => {
    expect(wordsIn(finding)).toBe(words);
  });

  it.each(["falsePositive", "riskAccepted", "outOfScope", "mitigated", "underReview"] as const)(
    "of a duplicate has the original's %s",
    (verdict) => {
      expect(wordsIn({ duplicate: true, active: false, duplicateOf: 1 }, { [verdict]: true })).toBe(
        `INFORMATIONAL inactive ${verdict === "mitigated" ? "duplicate mitigated" : `${verdict} duplicate`}`,
      );
    },
  );

  it.each([{}, { attributes: null }, { attributes: { "defectdojo.org/finding-id": "7" } }])("%j is none", (finding) => {
    expect(verdictOf(finding)).toBeUndefined();
  });
});

describe("changes of verdicts", () => {
  it("are none where nothing changed", () => {
    expect(changesOf([written({})], [written({})])).toEqual({ changed: [], changedCount: 0 });
  });

  it("name the finding, what it was and what it is", () => {
    const after = written({ active: false, mitigated: true, falsePositive: true });
    const [change] = changesOf([written({}), written({ id: 43 })], [after, written({ id: 43 })]).changed;
    expect(change).toEqual({ findingId: 42, from: ["active"], to: ["inactive", "falsePositive", "mitigated"] });
  });

  it("have the severity where it differs", () => {
    const { changed } = changesOf([written({ severity: "High" })], [written({ severity: "Low" })]);
    expect(changed).toEqual([{ findingId: 42, from: ["HIGH", "active"], to: ["LOW", "active"] }]);
  });

  it("tell of a finding that was reopened, added or removed", () => {
    const closed = { active: false, mitigated: true };
    expect(changesOf([written(closed)], [written({})]).changed).toMatchObject([
      { from: ["inactive", "mitigated"], to: ["active"] },
    ]);
    expect(changesOf([], [written({})]).changed).toEqual([{ findingId: 42, from: [], to: ["active"] }]);
    expect(changesOf([written({})], []).changed).toEqual([{ findingId: 42, from: ["active"], to: [] }]);
  });

  it("count a finding of DefectDojo once that stands for several of the scanner", () => {
    const low = { ...written({ falsePositive: true }), written: { ...written({ falsePositive: true }).written } };
    low.written.severity = "LOW";
    expect(changesOf([written({})], [written({ falsePositive: true }), low]).changedCount).toBe(1);
  });

  it("are listed up to a bound and all counted", () => {
    const many = Array.from({ length: MOST_CHANGES + 5 }, (_, id) => written({ id, falsePositive: true }));
    const { changed, changedCount } = changesOf([], many);
    expect([changed.length, changedCount]).toEqual([MOST_CHANGES, MOST_CHANGES + 5]);
  });
});

describe("who changed a verdict", () => {
  const closed = { active: false, mitigated: true };
  const reviewed = { lastReviewedAt: "2026-11-24T12:00:01.000Z", lastReviewedBy: 8 };
  const imported = { lastReviewedAt: "2026-11-24T11:59:59.000Z", lastReviewedBy: 9 };
  const by = (after: Written, before = written({})) => changesOf([before], [after]).changed[0]?.by;

  it("is who closed the finding, or the original of a duplicate", () => {
    expect(by(written({ ...closed, ...imported, mitigatedBy: 7 }))).toBe(7);
    const duplicate = { duplicate: true, active: false, duplicateOf: 1, ...imported };
    expect(by(written(duplicate, { ...closed, mitigatedBy: 7 }), written(duplicate, {}))).toBe(7);
  });
  it("is who reviewed it since the last sync", () => {
    expect(by(written({ underReview: true, ...reviewed }))).toBe(8);
  });
  it("is nobody where DefectDojo does not tell: the last review was the import's, or the closing another change", () => {
    expect(by(written({ riskAccepted: true, active: false, ...imported }))).toBeUndefined();
    const before = written({ ...closed, mitigatedBy: 7 });
    expect(by(written({ ...closed, mitigatedBy: 7, severity: "Low" }), before)).toBeUndefined();
  });
});
