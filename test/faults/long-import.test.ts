import { afterEach, describe, expect, it } from "vitest";
import { type Runtime, startRuntime } from "../e2e/runtime.ts";

const SIDECAR = { metadata: { name: "long" }, spec: { scanType: "subfinder" } };
const KEY = "long/findings.json";
const finding = (i: number) => ({ name: `Finding ${i}`, description: "x", category: "Test", severity: "LOW" });

/** The margin of ten seconds leaves the importer five seconds of each delivery. */
const SHORT = { IMPORTER_TIMEOUT_SECONDS: "15", MAX_FAILURES: "2", IMPORT_STALLED_SECONDS: "5" };

describe("an import that exceeds the importer's time limit", () => {
  let runtime: Runtime;
  afterEach(() => runtime.stop());

  const relay = async (count: number, msPerFinding: number) => {
    runtime = await startRuntime(SHORT, { timing: { importMsPerFinding: msPerFinding } });
    await runtime.put("long/scan.json", JSON.stringify(SIDECAR));
    await runtime.put(KEY, JSON.stringify(Array.from({ length: count }, (_, i) => finding(i))));
    return await runtime.ended(KEY);
  };
  const again = () => runtime.progress.filter(({ state }) => state === "again");

  it("continues from delivery to delivery, is sent once, and counts no failures", async () => {
    const end = await relay(20, 900);
    expect(end).toMatchObject({ state: "done", outcome: { outcome: "synced" } });
    expect(again().length).toBeGreaterThan(Number(SHORT.MAX_FAILURES));
    for (const progress of again()) expect(progress).toMatchObject({ error: { name: "Deferral" } });
    const imports = runtime.standin.state.requests.filter(({ url }) => url.endsWith("/import-scan/"));
    expect(imports).toHaveLength(1);
    const tests = [...runtime.standin.state.tests.values()];
    expect(tests).toMatchObject([{ percent_complete: 100 }]);
    expect(await runtime.receipt(KEY)).toMatchObject({ findings: { count: 20 }, test: { id: tests[0]?.id } });
    expect(await runtime.keys("long/")).toEqual([
      "long/defectdojo.json",
      "long/findings.json",
      "long/findings.original.json",
      "long/scan.json",
    ]);
    expect(await runtime.takeDeadLetters()).toEqual([]);
  });
});
