import { describe, expect, it } from "vitest";
import { SYNC_MODES, type SyncMode } from "../../../lib/model/receipt.ts";
import { GENERIC } from "../../../lib/model/scan-types.ts";
import type { DojoFinding } from "../../../lib/ports/dojo-finding.ts";
import { idsOf, isMissing } from "../../../lib/sync/verdicts.ts";
import { aDojoFinding, aFinding } from "../../helpers/factories.ts";
import { merging, type WrittenJson } from "../../helpers/merging.ts";
import { fc } from "../../helpers/property.ts";

const LETTERS = ["a", "b", "c", "d", "e", "f"];
const UPLOADED = LETTERS.map((id) => aFinding({ id, name: `Finding ${id}` }));

/** DefectDojo's finding for the n-th of the scanner's. */
const inDojo = (n: number, change: Partial<DojoFinding> = {}) =>
  aDojoFinding({ id: 100 + n, title: `Finding ${LETTERS[n]}`, uniqueIdFromTool: LETTERS[n] ?? "", ...change });
const ALL = LETTERS.map((_, n) => n);
const sync = (mode: SyncMode, present: readonly number[], before: { last?: readonly unknown[]; kept?: number } = {}) =>
  merging({
    mode,
    importedAs: GENERIC,
    uploaded: UPLOADED,
    dojo: present.map((n) => ({ finding: inDojo(n) })),
    ...before,
  });

const names = (written: readonly WrittenJson[]) => written.map(({ name }) => name);
const missing = (written: readonly WrittenJson[]) => written.filter(isMissing).map(({ name }) => name);
/** The text as it stands in the bucket, so that order and spelling count too. */
const text = (written: readonly unknown[]) => JSON.stringify(written);

describe.each(SYNC_MODES)("row 5: what DefectDojo no longer has, in mode %s", (mode) => {
  it("stays as last known, marked, with its verdict", async () => {
    const judged = inDojo(1, { falsePositive: true, active: false });
    const dojo = [inDojo(0), judged, inDojo(2)].map((finding) => ({ finding }));
    const first = await merging({ mode, uploaded: UPLOADED.slice(0, 3), dojo });
    const now = [inDojo(0), inDojo(2)].map((finding) => ({ finding }));
    const { written } = await merging({ mode, uploaded: UPLOADED.slice(0, 3), dojo: now, last: first.written });
    expect(names(written).sort()).toEqual(["Finding a", "Finding b", "Finding c"]);
    const gone = written.find(isMissing);
    const before = first.written.find(({ name }) => name === "Finding b");
    expect(gone).toEqual({ ...before, attributes: { ...before?.attributes, "defectdojo.org/missing": true } });
    expect(gone?.attributes).toMatchObject({ falsePositive: true, "defectdojo.org/finding-id": 101 });
  });

  it("stays where all of it is gone, and nothing is left of the test", async () => {
    const first = await sync(mode, ALL, { kept: 6 });
    const { written, all } = await sync(mode, [], { last: first.written, kept: 6 });
    expect(written).toHaveLength(6);
    expect(missing(written)).toHaveLength(6);
    expect(all.map(({ verdicts }) => verdicts)).toEqual(LETTERS.map(() => "missing"));
  });

  it("is taken from the upload where the import kept more than there is at the first reading", async () => {
    const { written } = await sync(mode, [0, 1, 2, 4], { kept: 6 });
    expect(names(written).sort()).toEqual(LETTERS.map((letter) => `Finding ${letter}`));
    expect(missing(written)).toEqual(["Finding d", "Finding f"]);
    const again = await sync(mode, [0, 1, 2, 4], { kept: 6, last: written });
    expect(text(again.written)).toBe(text(written));
  });

  it("is told of by the findings.json that is there where no receipt says how many there were", async () => {
    const first = await sync(mode, ALL);
    expect(missing((await sync(mode, [0, 3], { last: first.written })).written)).toHaveLength(4);
  });

  it("loses the mark when it is there again", async () => {
    const first = await sync(mode, ALL, { kept: 6 });
    const fewer = await sync(mode, [0, 1], { kept: 6, last: first.written });
    expect(missing(fewer.written)).toHaveLength(4);
    const back = await sync(mode, ALL, { kept: 6, last: fewer.written });
    expect(text(back.written)).toBe(text(first.written));
    const early = await sync(mode, [0, 1], { kept: 6 });
    const late = await sync(mode, ALL, { kept: 6, last: early.written });
    expect(text(late.written)).toBe(text(first.written));
  });

  it("is never fewer than there was, whatever goes and comes back, and the same again and again", async () => {
    const some = fc.subarray(ALL);
    await fc.assert(
      fc.asyncProperty(fc.array(some, { minLength: 1, maxLength: 5 }), fc.boolean(), async (steps, knows) => {
        const kept = knows ? { kept: 6 } : {};
        let last = (await sync(mode, ALL, kept)).written;
        for (const present of steps) {
          const now = (await sync(mode, present, { ...kept, last })).written;
          expect(names(now).sort()).toEqual(LETTERS.map((letter) => `Finding ${letter}`));
          expect(missing(now).sort()).toEqual(
            ALL.filter((n) => !present.includes(n)).map((n) => `Finding ${LETTERS[n]}`),
          );
          const again = (await sync(mode, present, { ...kept, last: now })).written;
          expect(text(again)).toBe(text(now));
          last = now;
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe("row 5: several of DefectDojo's findings for one of the scanner's", () => {
  const nikto = (n: number) =>
    aFinding({ id: `n${n}`, name: "Header missing", attributes: { niktoId: 7, method: "GET" } });

  it("a finding that others still stand for is not missing", async () => {
    const uploaded = [aFinding({ id: "x", attributes: { ip_address: "h", port: 22, protocol: "tcp" } })];
    const two = [inDojo(0), inDojo(1)].map((each) => ({ finding: { ...each, uniqueIdFromTool: "x" } }));
    const first = await merging({ mode: "merge", uploaded, dojo: two.slice(0, 1) });
    expect(missing(first.written)).toEqual([]);
    const { written } = await merging({ mode: "merge", uploaded, dojo: two.slice(0, 1), last: first.written, kept: 1 });
    expect(written).toHaveLength(1);
  });

  it("a finding that stood for many stays with each of them", async () => {
    const uploaded = [nikto(1), nikto(2)];
    const merged = { mode: "merge", importedAs: "Nikto Scan", uploaded } as const;
    const dojo = [{ finding: aDojoFinding({ id: 9, title: "Header missing" }) }];
    const first = await merging({ ...merged, dojo });
    const { written } = await merging({ ...merged, dojo: [], last: first.written });
    expect(first.written.map(idsOf)).toEqual([[9], [9]]);
    expect(written.map(isMissing)).toEqual([true, true]);
  });
});

describe("row 5: a findings.json of ours that was uploaded again", () => {
  it("does not bring its marks along", async () => {
    const attributes = { "defectdojo.org/missing": true, "defectdojo.org/matched": false, port: 22 };
    const uploaded = [aFinding({ id: "a", attributes })];
    const { written } = await merging({ mode: "merge", uploaded, dojo: [{ finding: inDojo(0) }] });
    expect(written[0]?.attributes).toMatchObject({ port: 22, "defectdojo.org/finding-id": 100 });
    expect(missing(written)).toEqual([]);
  });
});
