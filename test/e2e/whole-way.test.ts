import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findingsValidator, sharedUrl } from "../helpers/shared.ts";
import { type Runtime, startRuntime } from "./runtime.ts";
import { syncedFindings } from "./schema.ts";

const SAMPLES = fileURLToPath(new URL("../../infra/local/scans", import.meta.url));
const SCANS = sharedUrl("scans");
const folders = [SAMPLES, ...(SCANS === undefined ? [] : [fileURLToPath(SCANS)])].flatMap((folder) =>
  readdirSync(folder).map((name) => join(folder, name)),
);

/** secureCodeBox's own schema, if available. */
const bySchema = findingsValidator();

for (const mode of ["locations", "endpoints"] as const) {
  describe(`every scan goes the whole way and comes out right (DefectDojo in ${mode} mode)`, () => {
    let runtime: Runtime;
    beforeAll(async () => {
      runtime = await startRuntime({}, { mode });
    });
    afterAll(() => runtime.stop());

    it.each(folders.map((folder) => [folder.slice(folder.lastIndexOf("/") + 1), folder]))("%s", async (_, folder) => {
      const uploaded = readFileSync(join(folder, "findings.json"));
      const key = await runtime.upload(folder);
      const end = await runtime.ended(key);

      expect(end).toMatchObject({ state: "done", outcome: { outcome: "synced" } });
      const synced: unknown = JSON.parse(String(await runtime.get(key)));
      const findings = syncedFindings.parse(synced);
      if (bySchema !== undefined) expect(bySchema(synced), JSON.stringify(bySchema.errors)).toBe(true);
      expect(await runtime.get(key.replace("findings.json", "findings.original.json"))).toEqual(uploaded);
      const receipt = await runtime.receipt(key);
      expect(receipt).toMatchObject({ outcome: "synced", findings: { count: findings.length } });
      expect(findings.every(({ attributes }) => attributes["defectdojo.org/test-id"] === receipt?.test.id)).toBe(true);
      expect(await runtime.keys(key.replace("findings.json", "defectdojo.pending"))).toEqual([]);
      if (receipt?.importedAs === "Generic Findings Import") {
        expect(findings).toHaveLength((JSON.parse(uploaded.toString("utf8")) as unknown[]).length);
      }
    });

    it("a second upload under another name has only duplicates, with their originals embedded", async () => {
      const folder = join(SAMPLES, "zap-shop");
      const first = await runtime.upload(folder, "first/");
      await runtime.ended(first);
      const second = await runtime.upload(folder, "second/");
      await runtime.ended(second);
      const findings = syncedFindings.parse(JSON.parse(String(await runtime.get(second))));
      expect(findings.length).toBeGreaterThan(0);
      for (const { name, attributes } of findings) {
        expect(attributes.duplicate).toBe(true);
        expect(attributes["defectdojo.org/original-finding"]).toMatchObject({ name, attributes: { duplicate: false } });
        expect(attributes["defectdojo.org/original-finding-id"]).toBe(
          (attributes["defectdojo.org/original-finding"] as unknown as { attributes: Record<string, unknown> })
            .attributes["defectdojo.org/finding-id"],
        );
      }
      expect(await runtime.receipt(second)).toMatchObject({ new: 0, duplicates: findings.length });
    });

    it("no write-back was mistaken for an upload", () => {
      const jobs = runtime.progress.filter(({ state }) => state === "waiting");
      expect(new Set(jobs.map(({ job }) => job.key)).size).toBe(jobs.length);
      const tests = [...runtime.standin.state.tests.values()];
      expect(new Set(tests.map((test) => test.build_id)).size).toBe(tests.length);
    });
  });
}
