import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import { readFindings, type ScanFinding } from "../../lib/report/findings-file.ts";
import { toGenericFinding } from "../../lib/report/to-generic-finding.ts";
import { recordOf } from "../../lib/util/first-bad.ts";
import { startRuntime } from "../e2e/runtime.ts";
import { collect } from "../helpers/collect.ts";

const read = async (text: string): Promise<ScanFinding[]> =>
  await collect(readFindings(Readable.from([Buffer.from(text)]), "s3://b/findings.json"));

describe("hardened 13: fields named __proto__", () => {
  it.each([
    '[{"name":"a","attributes":{"__proto__":"x","b":1}}]',
    '[{"name":"a","attributes":{"__proto__":{"polluted":true},"constructor":{"prototype":1}}}]',
    '[{"name":"a","attributes":{"deep":[{"__proto__":[{"__proto__":1}]}]},"__proto__":{"severity":"HIGH"}}]',
    '[{"name":"a","attributes":{"\ue000__proto__":1,"__proto__":2,"\ue000\ue000__proto__":3}},{"name":"b"}]',
  ])("%s is kept as data and changes no prototype", async (text) => {
    const findings = await read(text);
    expect(JSON.stringify(findings)).toBe(text);
    expect(findings[0]?.severity).toBeUndefined();
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    for (const finding of findings) expect(Object.getPrototypeOf(finding)).toBe(Object.prototype);
  });

  it("reaches DefectDojo's description", async () => {
    const [finding] = await read('[{"name":"a","attributes":{"__proto__":"kept","n":7.0}}]');
    if (finding === undefined) throw new Error("unreachable");
    expect(toGenericFinding(finding, 0, new Date()).generic.description).toContain('"__proto__" : "kept"');
  });

  it("is kept in sidecars, notifications and the configuration too", () => {
    const parsed = recordOf(z.string()).parse(JSON.parse('{"__proto__":"x","a":"b"}'));
    expect(Object.entries(parsed)).toEqual([
      ["__proto__", "x"],
      ["a", "b"],
    ]);
    for (const none of [[], null, "x", 1]) expect(recordOf(z.string()).safeParse(none).success).toBe(false);
  });

  it("is written back in merge mode", async () => {
    const runtime = await startRuntime({ SYNC_MODE: "merge" });
    try {
      await runtime.put("scan-p/scan.json", JSON.stringify({ metadata: { name: "p" }, spec: { scanType: "unknown" } }));
      const finding = '{"name":"a","severity":"LOW","category":"c","attributes":{"__proto__":"kept"}}';
      await runtime.put("scan-p/findings.json", `[${finding}]`);
      expect(await runtime.ended("scan-p/findings.json")).toMatchObject({ state: "done" });
      expect(String(await runtime.get("scan-p/findings.json"))).toContain('"__proto__":"kept"');
    } finally {
      await runtime.stop();
    }
  });
});
