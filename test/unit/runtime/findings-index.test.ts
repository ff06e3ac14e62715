import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FindingsIndex, findingsIndex } from "../../../cli/runtime/history/findings-index.ts";
import { seenFinding } from "../../../cli/runtime/history/seen-finding.ts";
import { aFinding, FINDINGS } from "../../helpers/factories.ts";
import { type MemoryStorage, memoryStorage } from "../../helpers/memory-storage.ts";

let storage: MemoryStorage;
let index: FindingsIndex;
beforeEach(() => {
  storage = memoryStorage();
  index = findingsIndex(storage);
});
afterEach(() => index.close());

const inDojo = (id: number, attributes: Record<string, unknown> = {}) => ({
  "defectdojo.org/finding-id": id,
  "defectdojo.org/finding-url": `https://dojo.example.com/finding/${id}`,
  active: true,
  ...attributes,
});
const put = (count: number, name = "Finding") =>
  storage.put(
    FINDINGS,
    JSON.stringify(
      Array.from({ length: count }, (_, n) =>
        aFinding({
          name: `${name} ${n}`,
          description: "",
          location: "",
          severity: n % 2 === 0 ? "HIGH" : "LOW",
          attributes: inDojo(n, n % 10 === 0 ? { falsePositive: true } : {}),
        }),
      ),
    ),
  );
const HEAD = { etag: "1", size: 2, lastModified: undefined, metadata: {} };
function* large() {
  const finding = JSON.stringify(aFinding({ description: "x".repeat(5_000) }));
  for (let n = 0; n < 5_000; n++) yield `${n === 0 ? "[" : ","}${finding}`;
  yield "]";
}
const reads = () => storage.calls.filter((call) => call.startsWith("read")).length;

describe("the findings of a scan", () => {
  it("come in pages, in order, from one read of the file", async () => {
    put(10_000);
    const first = await index.page(FINDINGS, { offset: 0 }, 50);
    const last = await index.page(FINDINGS, { offset: 9_980 }, 50);
    expect(first.total).toBe(10_000);
    expect(first.findings.map(({ name }) => name).slice(0, 2)).toEqual(["Finding 0", "Finding 1"]);
    expect(last.findings.map(({ name }) => name).at(-1)).toBe("Finding 9999");
    expect(last.findings).toHaveLength(20);
    expect(reads()).toBe(1);
  });

  it.each([
    [{ text: "FINDING 12" }, 1],
    [{ text: "no such" }, 0],
    [{ text: "%" }, 0],
    [{ severity: "high" }, 50],
    [{ state: "falsePositives" }, 10],
    [{ state: "new" }, 90],
    [{ state: "Positives" }, 0],
    [{ state: "new", severity: "HIGH", text: "2" }, 13],
  ])("%j finds %i of a hundred", async (wanted, total) => {
    put(100);
    expect((await index.page(FINDINGS, { ...wanted, offset: 0 }, 5)).total).toBe(total);
  });

  it("are reread when the file changed", async () => {
    put(1, "Before");
    await index.page(FINDINGS, { offset: 0 }, 5);
    put(2, "After");
    const { findings, total } = await index.page(FINDINGS, { offset: 0 }, 5);
    expect([total, findings[0]?.name]).toEqual([2, "After 0"]);
  });

  it("are read once for concurrent requests", async () => {
    put(100);
    const pages = await Promise.all([1, 2, 3].map((offset) => index.page(FINDINGS, { offset }, 1)));
    expect(pages.map(({ findings }) => findings[0]?.name)).toEqual(["Finding 1", "Finding 2", "Finding 3"]);
    expect(reads()).toBe(1);
  });

  it("stay cached for the latest scans only", async () => {
    const refs = Array.from({ length: 6 }, (_, n) => ({ ...FINDINGS, key: `${n}/findings.json` }));
    for (const ref of refs) {
      storage.put(ref, JSON.stringify([aFinding()]));
      await index.page(ref, { offset: 0 }, 1);
    }
    for (const [ref, read] of [
      [refs[5], 6],
      [refs[0], 7],
    ] as const) {
      if (ref !== undefined) expect((await index.page(ref, { offset: 0 }, 1)).total).toBe(1);
      expect(reads()).toBe(read);
    }
  });

  it.each([
    ["as many findings as there may be", 100, 100, undefined],
    ["more findings than there may be", 101, 100, 100],
  ])("of a file with %s, the first are searched, and the page says so", async (_, count, total, onlyFirst) => {
    index.close();
    index = findingsIndex(storage, { findings: 100, characters: 1_000_000 });
    put(count);
    const asked = [{}, { text: "finding 99" }, { text: "finding 100" }].map((wanted) => ({ ...wanted, offset: 0 }));
    const [all, last, cut] = await Promise.all(asked.map((wanted) => index.page(FINDINGS, wanted, 5)));
    expect([all?.total, last?.total, cut?.total]).toEqual([total, 1, 0]);
    expect([all?.onlyFirst, last?.onlyFirst, cut?.onlyFirst]).toEqual([onlyFirst, onlyFirst, onlyFirst]);
  });

  it("of a large file, no more is read than there is room for", async () => {
    index.close();
    storage.put(FINDINGS, "[]");
    const body = Readable.from(large());
    index = findingsIndex(
      { ...storage, read: () => Promise.resolve({ head: HEAD, body }) },
      { findings: 1e9, characters: 1e6 },
    );
    const { total, onlyFirst } = await index.page(FINDINGS, { offset: 0 }, 5);
    expect(onlyFirst).toBe(total);
    // Each takes between 1 and 5 KB.
    expect(total).toBeGreaterThan(200);
    expect(total).toBeLessThan(1_000);
    expect(body.destroyed).toBe(true);
  });

  it("a broken or missing file is an error each time", async () => {
    await expect(index.page(FINDINGS, { offset: 0 }, 1)).rejects.toMatchObject({ reason: "findings-missing" });
    storage.put(FINDINGS, '[{"name":"one"},');
    for (let times = 0; times < 2; times++)
      await expect(index.page(FINDINGS, { offset: 0 }, 1)).rejects.toMatchObject({ reason: "findings-invalid" });
  });
});

describe("a displayed finding", () => {
  it.each([
    [{}, []],
    [inDojo(1), ["new"]],
    [inDojo(1, { underReview: true }), ["underReview"]],
    [inDojo(1, { duplicate: true }), ["duplicates"]],
    [inDojo(1, { active: false }), ["inactive"]],
    [inDojo(1, { "defectdojo.org/missing": true }), ["missing"]],
    [inDojo(1, { mitigated: true, active: false }), ["mitigated"]],
    [
      inDojo(1, { duplicate: true, "defectdojo.org/original-finding": { attributes: { falsePositive: true } } }),
      ["falsePositives", "duplicates"],
    ],
    [
      { "defectdojo.org/matched": false, "defectdojo.org/unmatched-reason": "parser-dropped" },
      ["unmatched", "parser-dropped"],
    ],
    [{ "defectdojo.org/matched": false, "defectdojo.org/unmatched-reason": "two words" }, ["unmatched"]],
    [{ "defectdojo.org/matched": false, "defectdojo.org/unmatched-reason": 7 }, ["unmatched"]],
  ])("with the attributes %j it is %j", (attributes, states) => {
    expect(seenFinding(aFinding({ attributes })).states).toEqual(states);
  });

  it("is truncated, whatever was uploaded", () => {
    const long = "x".repeat(100_000);
    const seen = seenFinding(aFinding({ name: long, location: long, description: long, severity: null }));
    expect(JSON.stringify(seen).length).toBeLessThan(3_000);
    expect(seen.severity).toBe("");
  });
});
