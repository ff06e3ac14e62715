import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { originalOf } from "../../lib/model/object-keys.ts";
import { type Runtime, startRuntime } from "../e2e/runtime.ts";
import { syncedFindings } from "../e2e/schema.ts";

const SIDECAR = { metadata: { name: "a-scan" }, spec: { scanType: "subfinder" } };
const ALIKE = { name: "The same", description: "Found in the same place", category: "Test", severity: "HIGH" };
const FUTURE = new Date(Date.now() + 86_400_000).toISOString();

/** Findings for which DefectDojo would reject the whole report, by the repair in the receipt. */
const BAD: Readonly<Record<string, Record<string, unknown>>> = {
  'severity: "URGENT" is not known, taken as Info': { severity: "URGENT" },
  "severity: null is not known, taken as Info": { severity: null },
  "name: cut to 511 characters": { name: "n".repeat(600) },
  "description: missing, the name stands in": { description: null },
  "description: control characters removed": { description: "a\u0000b\u0007c" },
  "name: control characters removed": { name: "a\u0000 name" },
  "mitigation: control characters removed": { mitigation: "\u0001 patch it" },
  'location: "http://[not an address" is no address, kept in the description': { location: "http://[not an address" },
  'location: "https://example.com:99999/" is no address, kept in the description': {
    location: "https://example.com:99999/",
  },
  'date: "someday" is no date, left to DefectDojo': { identified_at: "someday" },
  [`date: ${FUTURE.slice(0, 10)} lies in the future, taken as today`]: { identified_at: FUTURE },
};

describe.each(["locations", "endpoints"] as const)("a generic import, %s mode", (mode) => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await startRuntime({}, { mode });
  });
  afterAll(() => runtime.stop());

  const relay = async (folder: string, findings: readonly unknown[], seen = 0) => {
    await runtime.put(`${folder}/scan.json`, JSON.stringify({ ...SIDECAR, metadata: { name: folder } }));
    const body = JSON.stringify(findings);
    const key = `${folder}/findings.json`;
    await runtime.put(key, body);
    expect(await runtime.ended(key, seen)).toMatchObject({ state: "done", outcome: { outcome: "synced" } });
    const original = originalOf({ bucket: "", key }).key;
    expect(String(await runtime.get(original))).toBe(body);
    const receipt = await runtime.receipt(key);
    return { receipt, synced: syncedFindings.parse(JSON.parse(String(await runtime.get(key)))) };
  };
  const inDojo = (testId: number | undefined) => runtime.standin.state.findingsByTest.get(testId ?? 0) ?? [];

  it("keeps 20 identical findings: 20 in DefectDojo, 20 back", async () => {
    const findings = Array.from({ length: 20 }, () => ALIKE);
    const { receipt, synced } = await relay("alike", findings);
    expect(inDojo(receipt?.test.id)).toHaveLength(20);
    expect(synced).toHaveLength(20);
    expect(new Set(synced.map(({ id }) => id)).size).toBe(20);
    expect(synced.filter(({ attributes }) => attributes.duplicate)).toHaveLength(19);
    expect(receipt).toMatchObject({ findings: { count: 20 }, new: 1, duplicates: 19, repairCount: 0 });
  });

  it("keeps 20 identical findings in the next scan too, all duplicates of the first", async () => {
    const findings = Array.from({ length: 20 }, () => ALIKE);
    const { receipt } = await relay("alike", [...findings, { ...ALIKE, name: "Another" }], 1);
    expect(inDojo(receipt?.test.id)).toHaveLength(21);
    expect(receipt).toMatchObject({ findings: { count: 21 }, new: 1, duplicates: 20 });
  });

  it("loses none even if every finding is invalid, and reports the repairs", async () => {
    const findings = Object.values(BAD).map((bad, i) => ({ ...ALIKE, name: `Finding ${i}`, ...bad }));
    const { receipt, synced } = await relay("bad", findings);
    expect(inDojo(receipt?.test.id)).toHaveLength(findings.length);
    expect(synced).toHaveLength(findings.length);
    expect(receipt?.repairCount).toBe(findings.length);
    const repairs = receipt?.repairs.map((repair) => repair.replace(/^\[\d+\] +/, ""));
    expect(repairs).toEqual(Object.keys(BAD));
  });

  it("leaves valid findings unchanged next to an invalid one", async () => {
    const { receipt, synced } = await relay("mixed", [ALIKE, { ...ALIKE, severity: "URGENT", name: "Bad" }, ALIKE]);
    expect(synced.map(({ name, severity }) => [name, severity])).toEqual([
      ["The Same", "HIGH"],
      ["Bad", "INFORMATIONAL"],
      ["The Same", "HIGH"],
    ]);
    expect(receipt?.repairs).toEqual(['[1]  severity: "URGENT" is not known, taken as Info']);
  });
});
