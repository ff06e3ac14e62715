import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Runtime, startRuntime } from "./runtime.ts";

const SIDECAR = {
  metadata: { name: "nmap-1", namespace: "default" },
  spec: { scanType: "nmap" },
  status: { rawResultType: "nmap-xml", rawResultFile: "nmap-results.xml" },
};
const FINDING = { name: "Open Port: 22", severity: "HIGH", category: "Open Port" };
const RAW = "<nmaprun></nmaprun>";

/** One row per kind of bad input: the objects of the folder and the content of the error. */
const CASES: Readonly<Record<string, { objects: Record<string, string>; reason: string; says: RegExp }>> = {
  "the sidecar is missing": {
    objects: { "nmap-results.xml": RAW, "findings.json": JSON.stringify([FINDING]) },
    reason: "sidecar-missing",
    says: /s3:\/\/securecodebox\/bad\/\d\/scan\.json does not exist/,
  },
  "the sidecar is not JSON": {
    objects: { "scan.json": "{nope", "nmap-results.xml": RAW, "findings.json": JSON.stringify([FINDING]) },
    reason: "sidecar-invalid",
    says: /scan\.json is not JSON/,
  },
  "the sidecar has no scanType": {
    objects: {
      "scan.json": JSON.stringify({ ...SIDECAR, spec: {} }),
      "nmap-results.xml": RAW,
      "findings.json": JSON.stringify([FINDING]),
    },
    reason: "sidecar-invalid",
    says: /spec\.scanType: /,
  },
  "the sidecar names a raw result outside of its folder": {
    objects: {
      "scan.json": JSON.stringify({ ...SIDECAR, status: { rawResultFile: "../other/raw.xml" } }),
      "findings.json": JSON.stringify([FINDING]),
    },
    reason: "sidecar-invalid",
    says: /status\.rawResultFile: must be a plain file name/,
  },
  "the findings are no array": {
    objects: {
      "scan.json": JSON.stringify(SIDECAR),
      "nmap-results.xml": RAW,
      "findings.json": JSON.stringify({ findings: [FINDING] }),
    },
    reason: "findings-invalid",
    says: /findings\.json: not an array of findings/,
  },
  "the findings are cut off": {
    objects: {
      "scan.json": JSON.stringify(SIDECAR),
      "nmap-results.xml": RAW,
      "findings.json": JSON.stringify([FINDING]).slice(0, -9),
    },
    reason: "findings-invalid",
    says: /findings\.json: not an array of findings in JSON/,
  },
  "one finding has no name": {
    objects: {
      "scan.json": JSON.stringify(SIDECAR),
      "nmap-results.xml": RAW,
      "findings.json": JSON.stringify([FINDING, { ...FINDING, name: undefined }, FINDING]),
    },
    reason: "findings-invalid",
    says: /findings\.json: finding \[1\]\.name: is missing or not a text/,
  },
  "the raw result is missing": {
    objects: { "scan.json": JSON.stringify(SIDECAR), "findings.json": JSON.stringify([FINDING]) },
    reason: "raw-result-missing",
    says: /nmap-results\.xml does not exist, but status\.rawResultFile names it/,
  },
};

describe("dead-letters bad input with a clear error and its reason, and leaves the bucket unchanged", () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await startRuntime();
  });
  afterAll(() => runtime.stop());

  it.each(Object.entries(CASES).map(([name, row], index) => [name, row, index] as const))(
    "%s",
    async (_, { objects, reason, says }, index) => {
      const folder = `bad/${index}/`;
      for (const [name, body] of Object.entries(objects)) await runtime.put(folder + name, body);

      const [letter] = await eventually(async () => {
        const letters = await runtime.takeDeadLetters();
        return letters.length > 0 ? letters : undefined;
      });

      expect(letter?.attributes).toMatchObject({
        reason,
        message: expect.stringMatching(says),
        advice: expect.stringMatching(/\w{3}/),
      });
      expect(await runtime.keys(folder)).toEqual(
        Object.keys(objects)
          .map((name) => folder + name)
          .sort(),
      );
      for (const [name, body] of Object.entries(objects)) expect(String(await runtime.get(folder + name))).toBe(body);
      expect(runtime.standin.state.tests.size).toBe(0);
    },
  );

  it("syncs a scan that follows them", async () => {
    await runtime.put("good/scan.json", JSON.stringify({ ...SIDECAR, spec: { scanType: "other" }, status: {} }));
    await runtime.put("good/findings.json", JSON.stringify([FINDING]));
    expect(await runtime.ended("good/findings.json")).toMatchObject({ state: "done", outcome: { outcome: "synced" } });
  });
});

/** Polls until there is a result; limited only by the timeout of the test. */
async function eventually<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
