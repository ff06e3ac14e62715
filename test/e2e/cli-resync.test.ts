import { setTimeout as sleep } from "node:timers/promises";
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import type { Context } from "aws-lambda";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { cli, cliJson } from "./cli.ts";
import { put, putScan, silence, someFindings } from "./cli-bucket.ts";
import { type Runtime, startRuntime } from "./runtime.ts";
import { syncedFindings } from "./schema.ts";

interface Resynced {
  readonly key: string;
  readonly outcome: string;
  readonly falsePositives?: number;
  readonly why?: string;
  readonly reason?: string;
}

describe("resync", { timeout: 120_000 }, () => {
  let runtime: Runtime;
  let env: Record<string, string>;
  const findingsOf = async (key: string) => syncedFindings.parse(JSON.parse(String(await runtime.get(key))));
  /** Triages the first finding of the scan's test in DefectDojo. */
  const markFalsePositive = async (key: string) => {
    const testId = (await runtime.receipt(key))?.test.id ?? 0;
    const [finding] = runtime.standin.state.findingsByTest.get(testId) ?? [];
    if (finding !== undefined) Object.assign(finding, { false_p: true, active: false });
  };

  beforeAll(async () => {
    runtime = await startRuntime();
    const { s3Endpoint, clients } = runtime.service;
    env = {
      AWS_ENDPOINT_URL_S3: s3Endpoint,
      DEFECTDOJO_URL: runtime.standin.url,
      DEFECTDOJO_APIKEY: runtime.standin.apiKey,
    };
    const names = ["a/one", "a/two", "a/newer", "a/deleted", "b/three"];
    for (const name of names) {
      const findings = someFindings(name.replace("/", "-"), 2);
      await runtime.ended(await putScan(clients.s3, name, { findings, annotations: { "product-name": name } }));
    }
    await silence(clients.s3);
  });
  afterAll(() => runtime.stop());

  it("writes current verdicts and imports nothing", async () => {
    await markFalsePositive("a/one/findings.json");
    const results = await cliJson<Resynced[]>(["resync"], env);
    expect(results.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 5 }, () => "synced"));
    expect(results.map(({ falsePositives }) => falsePositives)).toEqual([0, 0, 1, 0, 0]);
    expect((await findingsOf("a/one/findings.json")).map(({ attributes }) => attributes.falsePositive)).toEqual([
      true,
      false,
    ]);
    const receipt = await runtime.receipt("a/one/findings.json");
    expect(receipt).toMatchObject({ falsePositives: 1, new: 1, deduplication: "confirmed" });
    expect(runtime.standin.state.tests.size).toBe(5);
  });

  it("writes nothing if nothing changed", async () => {
    const { s3 } = runtime.service.clients;
    const objects = async () => {
      const { Contents = [] } = await s3.send(
        new ListObjectsV2Command({ Bucket: runtime.service.bucket, Prefix: "a/" }),
      );
      return Contents.map(({ Key, ETag, LastModified }) => `${Key} ${ETag} ${LastModified?.toISOString()}`);
    };
    const before = await objects();
    await sleep(1_100); // times of objects are whole seconds
    expect(await cliJson<Resynced[]>(["resync", "a/"], env)).toHaveLength(4);
    expect(await objects()).toEqual(before);
    await markFalsePositive("a/deleted/findings.json");
    await cliJson<Resynced[]>(["resync", "a/"], env);
    expect(
      (await objects()).filter((object) => !before.includes(object)).map((object) => object.split(" ")[0]),
    ).toEqual(["a/deleted/defectdojo.json", "a/deleted/findings.json"]);
    const receipt = await runtime.receipt("a/deleted/findings.json");
    expect(receipt).toMatchObject({
      changed: [{ from: ["active"], to: ["inactive", "falsePositive"] }],
      changedCount: 1,
    });
  });

  it("skips newer uploads and deleted tests and syncs the others", async () => {
    await markFalsePositive("a/two/findings.json");
    await put(runtime.service.clients.s3, "a/newer/findings.json", someFindings("newer"));
    runtime.standin.state.tests.delete((await runtime.receipt("a/deleted/findings.json"))?.test.id ?? 0);
    const { code, stdout, stderr } = await cli(["resync", "a/"], env);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^skipped {2}a\/deleted\/findings\.json {2}\(test \d+ of .* is no longer in DefectDojo\)$/m);
    expect((await runtime.receipt("a/deleted/findings.json"))?.warnings).toContainEqual(
      expect.stringMatching(/^test \d+ is no longer in DefectDojo: the verdicts are those of the last sync$/),
    );
    expect(stdout).toMatch(/^skipped {2}a\/newer\/findings\.json {2}\(.*no longer what was synced\)$/m);
    expect(stdout).toMatch(/^synced {3}a\/two\/findings\.json {2}2 findings: 1 new, 1 false positives$/m);
    expect(stdout).toMatch(/^2 synced, 2 skipped, 0 failed$/m);
    expect(stderr.match(/^resynced \d a\//gm)).toHaveLength(4);
    expect(JSON.parse(String(await runtime.get("a/newer/findings.json")))).toHaveLength(1);
  });

  it("row 13: every command that asks DefectDojo mends typos, and says so once", async () => {
    const { url, apiKey } = runtime.standin;
    const { s3Endpoint, sqsEndpoint } = runtime.service;
    const typos = {
      ...{ AWS_ENDPOINT_URL_S3: s3Endpoint ?? "", AWS_ENDPOINT_URL_SQS: sqsEndpoint ?? "" },
      ...{ DEFECTDOJO_URL: `"${url}/api/v2/"`, DEFECTDOJO_APIKEY: `Token ${apiKey}` },
    };
    for (const args of [["resync", "b/"], ["follow", "--once"], ["index", "b/"], ["doctor"]]) {
      const { code, stdout, stderr } = await cli(args, typos);
      expect([args[0], code]).toEqual([args[0], args[0] === "doctor" ? expect.any(Number) : 0]);
      expect(`${stdout}${stderr}`).not.toMatch(/FAIL DefectDojo/i);
      for (const name of ["DEFECTDOJO_URL: quotes", "DEFECTDOJO_APIKEY: quotes"])
        expect([args[0], `${stdout}${stderr}`.split(name)]).toMatchObject([args[0], { length: 2 }]);
      expect(`${stdout}${stderr}`).not.toContain(apiKey);
    }
  });

  it("--since refers to the import, not to the last resync", async () => {
    expect(await cliJson(["resync", "b/", "--since", "1h"], env)).toMatchObject([{ outcome: "synced" }]);
    expect(await cliJson(["resync", "b/", "--since", "2100-01-01"], env)).toEqual([]);
  });

  it("reports an invalid configuration", async () => {
    const { code, stderr } = await cli(["resync"], { DEFECTDOJO_URL: "x", POLL_SECONDS: "y" });
    expect(code).toBe(1);
    expect(stderr).toMatch(/DEFECTDOJO_URL: .*POLL_SECONDS: /);
  });

  describe("the scheduled function", () => {
    const context = (remaining: number) => ({ getRemainingTimeInMillis: () => remaining }) as Context;
    const said: string[] = [];
    const handlerFor = async (more: Record<string, string>) => {
      vi.resetModules();
      for (const [name, value] of Object.entries({ ...env, POWERTOOLS_DEV: "true", ...more })) vi.stubEnv(name, value);
      for (const level of ["log", "warn"] as const) {
        vi.spyOn(console, level).mockImplementation((...all) => void said.push(all.join(" ")));
      }
      return (await import("../../functions/resync.ts")).handler;
    };

    it("syncs recent scans again and reports how many", async () => {
      const handler = await handlerFor({ RESYNC_PREFIX: "b/" });
      expect(await handler({}, context(900_000))).toEqual({ synced: 1, skipped: 0, failed: 0, whole: true });
    });
    it("row 13: mends typos, and says so at its cold start", async () => {
      const handler = await handlerFor({ RESYNC_PREFIX: "b/", DEFECTDOJO_URL: `${runtime.standin.url}/api/v2` });
      expect(said.join("\n")).toContain("DEFECTDOJO_URL: quotes, /api/v2");
      expect(await handler({}, context(900_000))).toMatchObject({ synced: 1, failed: 0 });
    });
    it("starts no scan shortly before its timeout", async () => {
      const handler = await handlerFor({ RESYNC_PREFIX: "a/" });
      expect(await handler({}, context(60_000))).toEqual({ synced: 0, skipped: 0, failed: 0, whole: false });
    });
  });

  it("row 5: tells what DefectDojo no longer has, as status does, and keeps it", async () => {
    const key = "b/three/findings.json";
    const { test } = (await runtime.receipt(key)) as { test: { id: number } };
    const { state, url, apiKey } = runtime.standin;
    for (const { id } of [...(state.findingsByTest.get(test.id) ?? [])]) {
      const headers = { authorization: `Token ${apiKey}` };
      expect((await fetch(`${url}/api/v2/findings/${id}/`, { method: "DELETE", headers })).status).toBe(204);
    }
    const results = await cliJson<Resynced[]>(["resync", "b/"], env);
    expect(results).toMatchObject([{ new: 0, missing: 2, loss: expect.stringContaining("0 of the 2 findings") }]);
    expect((await findingsOf(key)).map(({ attributes }) => attributes["defectdojo.org/missing"])).toEqual([true, true]);
    const status = await cliJson<{ findings: object; losses: object[] }>(["status", "b/"], env);
    expect(status).toMatchObject({ findings: { findings: 2, missing: 2, new: 0 }, losses: [{ key }] });
    const { stdout } = await cli(["resync", "b/"], env);
    expect(stdout).toMatch(/2 findings: 0 new, 2 missing in DefectDojo {2}\(DefectDojo now has 0 of the 2/);
  });
});
