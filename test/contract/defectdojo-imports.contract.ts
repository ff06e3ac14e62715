import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { createWorld, GENERIC, newEngagement, report, type Server, type World } from "./defectdojo-client.ts";

/** `import-scan` and `reimport-scan`. */
export function importsContract(server: () => Promise<Server>, hasLowPrivileged: boolean): void {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(await server());
  });
  const get = async (path: string) => (await world.client.request("GET", path)).body;

  it("leaves a test behind for an unreadable report, at 50 %, or at 100 % on 2.34", async () => {
    const build = `broken-${world.run}`;
    const fields = { scan_type: "ZAP Scan", engagement: world.engagement, build_id: build };
    await world.client.upload(fields, { name: "zap.xml", content: "not xml" });
    const { results } = await get(`/tests/?build_id=${build}`);
    const percent = world.version === "2.34" ? 100 : 50;
    expect(results).toMatchObject([{ percent_complete: percent, scan_type: "ZAP Scan", build_id: build }]);
    expect((await get(`/findings/?test=${results[0].id}&limit=1`)).count).toBe(0);
    // Distinguishes it from a valid one without findings.
    expect((await get(`/test_imports/?build_id=${build}`)).count).toBe(0);
    expect((await world.client.request("DELETE", `/tests/${results[0].id}/`)).status).toBe(204);
    expect((await get(`/tests/?build_id=${build}`)).count).toBe(0);
  });

  it.each([
    [GENERIC, "x", 400],
    ["SARIF", "[]", 500],
  ])(
    "leaves no test behind when %s cannot read %j: it reads before it creates the test",
    async (scan_type, content, status) => {
      const build = `unread-${scan_type.slice(0, 5)}-${world.run}`;
      const answer = await world.client.upload(
        { scan_type, engagement: world.engagement, build_id: build },
        { name: "x.json", content },
      );
      expect(answer.status).toBe(status);
      expect((await get(`/tests/?build_id=${build}`)).count).toBe(0);
    },
  );

  it("stores the fields of an import on its test", async () => {
    const build = `job-${world.run}`;
    const sent = {
      version: "1.2",
      branch_tag: "main",
      commit_hash: "abc",
      test_title: "A title",
      environment: "Production",
      tags: "one",
      service: "shop",
    };
    const fields = {
      scan_type: GENERIC,
      engagement: world.engagement,
      build_id: build,
      scan_date: "2026-01-02",
      ...sent,
    };
    const answer = await world.client.upload({ ...fields, deduplication_execution_mode: "async_wait" }, report({}));
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({
      test_id: expect.any(Number),
      test: answer.body.test_id,
      engagement_id: world.engagement,
      product_id: world.product,
      product_type_id: world.productType,
      statistics: { after: { total: { total: 1, active: 1, duplicate: 0 }, low: { total: 1 } } },
      ...(world.client.server.waits ? { deduplication_complete: true } : {}),
    });
    const { results } = await get(`/tests/?build_id=${build}`);
    expect(results).toMatchObject([
      {
        id: answer.body.test_id,
        percent_complete: 100,
        engagement: world.engagement,
        title: "A title",
        version: "1.2",
        branch_tag: "main",
        commit_hash: "abc",
        tags: ["one"],
        target_start: "2026-01-02T00:00:00Z",
        test_type_name: world.version === "2.34" ? `${GENERIC} Scan (${GENERIC})` : GENERIC,
      },
    ]);
    const imports = await get(`/test_imports/?build_id=${build}`);
    expect(imports.results).toMatchObject([
      { test: answer.body.test_id, type: "import", findings_affected: [expect.any(Number)] },
    ]);
    const findings = await get(`/findings/?test=${answer.body.test_id}`);
    expect(findings.results).toMatchObject([{ date: "2026-01-02", service: "shop" }]);
  });

  it("changes a test, and empties its description", async () => {
    const made = await world.client.upload({ scan_type: GENERIC, engagement: world.engagement }, report());
    const change = { title: "new title", description: "# text", target_end: "2026-01-03T10:05:00Z" };
    for (const changed of [change, { ...change, description: "" }]) {
      const answer = await world.client.request("PATCH", `/tests/${made.body.test_id}/`, changed);
      expect({ status: answer.status, body: answer.body }).toMatchObject({ status: 200, body: changed });
    }
  });

  it("omits findings below the minimum severity, and overrides the status", async () => {
    const fields = {
      scan_type: GENERIC,
      engagement: world.engagement,
      minimum_severity: "Medium",
      active: "false",
      verified: "true",
    };
    const answer = await world.client.upload(fields, report({ title: "a" }, { title: "b", severity: "High" }));
    const { results } = await get(`/findings/?test=${answer.body.test_id}`);
    expect(results).toMatchObject([{ title: "B", severity: "High", active: false, verified: true }]);
  });

  it("continues after the client disconnects", async () => {
    const build = `hung-up-${world.run}`;
    const findings = Array.from({ length: 30 }, (_, i) => ({ title: `finding ${i}` }));
    const abort = new AbortController();
    const sent = world.client
      .upload({ scan_type: GENERIC, engagement: world.engagement, build_id: build }, report(...findings), {
        signal: abort.signal,
      })
      .catch((error: unknown) => error);
    for (let tries = 0; tries < 1_500 && (await get(`/tests/?build_id=${build}`)).count === 0; tries++) await sleep(20);
    abort.abort();
    await sent;
    for (let tries = 0; tries < 600; tries++) {
      if ((await get(`/tests/?build_id=${build}`)).results[0]?.percent_complete === 100) break;
      await sleep(50);
    }
    const { results } = await get(`/tests/?build_id=${build}`);
    expect(results).toMatchObject([{ percent_complete: 100 }]);
    expect((await get(`/findings/?test=${results[0].id}&limit=1`)).count).toBe(30);
  });

  it("creates product type, product and engagement on request", async () => {
    const names = {
      product_type_name: `Auto type ${world.run}`,
      product_name: `Auto ${world.run}`,
      engagement_name: "auto",
    };
    const answer = await world.client.upload({ scan_type: GENERIC, auto_create_context: "true", ...names }, report({}));
    expect({ status: answer.status, body: answer.body }).toMatchObject({ status: 201, body: names });
    expect(await get(`/products/${answer.body.product_id}/`)).toMatchObject({
      name: names.product_name,
      description: names.product_name,
    });
    const other = { ...names, product_type_name: `Type ${world.run}` };
    const conflict = await world.client.upload(
      { scan_type: GENERIC, auto_create_context: "true", ...other },
      report({}),
    );
    expect([conflict.status, conflict.body[0]]).toEqual([
      400,
      expect.stringContaining("conflict with the supplied product type name"),
    ]);
  });

  it("keeps identical findings at different locations, which reimport-scan merges", async () => {
    const engagement = await newEngagement(world);
    const alike = report(
      ...["a", "b", "c"].map((host) => ({ title: "Alike", endpoints: [`https://${host}.example.com`] })),
    );
    const fields = { scan_type: GENERIC, deduplication_execution_mode: "async_wait" };
    const first = await world.client.upload({ ...fields, engagement }, alike);
    expect(first.body.statistics.after.total).toMatchObject({ total: 3, active: 3, duplicate: 0 });
    const empty = await world.client.upload({ ...fields, engagement }, report());
    const second = await world.client.upload({ ...fields, test: empty.body.test_id }, alike, {
      path: "/reimport-scan/",
    });
    expect({ status: second.status, body: second.body.statistics.after.total }).toMatchObject({
      status: 201,
      body: { total: 1 },
    });
    const third = await world.client.upload({ ...fields, test: first.body.test_id }, alike, {
      path: "/reimport-scan/",
    });
    expect(third.body.statistics.after.total).toMatchObject({ total: 3, active: 1, is_mitigated: 2 });
  });

  it("closes old findings of the engagement on request", async () => {
    const engagement = await newEngagement(world);
    const fields = { scan_type: GENERIC, engagement, deduplication_execution_mode: "async_wait" };
    const first = await world.client.upload(fields, report({ title: "Stays" }, { title: "Goes" }));
    await world.client.upload({ ...fields, close_old_findings: "true" }, report({ title: "Stays" }));
    const { results } = await get(`/findings/?test=${first.body.test_id}&o=title`);
    expect(results).toMatchObject([
      { title: "Goes", active: false, is_mitigated: true },
      { title: "Stays", active: true },
    ]);
  });

  describe.skipIf(!hasLowPrivileged)("a low-privileged user", () => {
    it("can import, read and change in its own product type, but delete nothing on 3.x", async () => {
      const as = "low-privileged";
      const fields = { scan_type: GENERIC, engagement: world.own?.engagement ?? 0 };
      const answer = await world.client.upload(fields, report({ title: `own ${world.run}` }), { as });
      expect(answer.status).toBe(201);
      const test = `/tests/${answer.body.test_id}/`;
      expect(
        (await world.client.request("GET", `/findings/?test=${answer.body.test_id}`, undefined, as)).body.count,
      ).toBe(1);
      expect((await world.client.request("PATCH", test, { title: "x" }, as)).status).toBe(200);
      // 2.x uses roles: this user is a Maintainer there.
      const status = world.version === "3.x" ? 403 : 204;
      expect((await world.client.request("DELETE", test, undefined, as)).status).toBe(status);
    });

    it("cannot import into an engagement of others or see its tests", async () => {
      const as = "low-privileged";
      const fields = { scan_type: GENERIC, engagement: world.engagement };
      expect((await world.client.upload(fields, report({}), { as })).status).toBe(403);
      const made = await world.client.upload(fields, report());
      expect((await world.client.request("GET", `/tests/${made.body.test_id}/`, undefined, as)).status).toBe(404);
      expect((await world.client.request("DELETE", `/tests/${made.body.test_id}/`, undefined, as)).status).toBe(404);
    });

    it("cannot create a product type", async () => {
      const names = {
        product_type_name: `Low ${world.run}`,
        product_name: `Low ${world.run}`,
        engagement_name: "auto",
      };
      const answer = await world.client.upload(
        { scan_type: GENERIC, auto_create_context: "true", ...names },
        report({}),
        { as: "low-privileged" },
      );
      expect([answer.status, answer.body]).toEqual([
        403,
        { detail: `No permission to create product_type "Low ${world.run}"` },
      ]);
    });
  });
}
