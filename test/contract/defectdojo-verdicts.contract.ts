import { beforeAll, describe, expect, it } from "vitest";
import { createWorld, importFindings, newEngagement, type Server, type World } from "./defectdojo-client.ts";

type Row = Record<string, unknown> & { id: number };

/** When a finding is a duplicate, and how its status changes. */
export function verdictsContract(server: () => Promise<Server>): void {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(await server());
  });
  const get = async (path: string) => (await world.client.request("GET", path)).body;
  const imported = (engagement: number, ...findings: object[]) => importFindings(world, engagement, ...findings);

  describe("deduplicates", () => {
    it("over the product, but not where either engagement keeps to itself", async () => {
      if (!world.client.server.waits) return;
      const title = `Everywhere ${world.run}`;
      const [open, other, closed] = [
        await newEngagement(world),
        await newEngagement(world),
        await newEngagement(world, { deduplication_on_engagement: true }),
      ];
      const original = (await get(`/findings/?test=${await imported(open, { title })}`)).results[0];
      const alone = await get(`/findings/?test=${await imported(closed, { title })}`);
      expect(alone.results).toMatchObject([{ duplicate: false, active: true }]);
      const test = await imported(other, { title });
      const duplicates = await get(`/findings/?test=${test}&duplicate=true&prefetch=duplicate_finding`);
      expect(duplicates.results).toMatchObject([
        {
          duplicate: true,
          active: false,
          verified: false,
          duplicate_finding: original.id,
          hash_code: original.hash_code,
          display_status: "Inactive, Duplicate",
        },
      ]);
      expect(duplicates.prefetch.duplicate_finding[original.id]).toMatchObject({ id: original.id, duplicate: false });
      expect((await get(`/findings/?test=${test}&duplicate=false`)).count).toBe(0);
      // The third is a duplicate of the first, not of the second.
      const third = await get(`/findings/?test=${await imported(other, { title })}`);
      expect(third.results[0].duplicate_finding).toBe(original.id);
    });

    it("within one report, by title, description and the host and path of a place", async () => {
      if (!world.client.server.waits) return;
      const at = (url: string) => ({ title: `Within ${world.run}`, endpoints: [url] });
      const test = await imported(
        await newEngagement(world),
        at("https://a.example.com/x?q=1"),
        at("http://a.example.com:8080/x"),
        at("https://a.example.com/y"),
        { title: `Within ${world.run}` },
        { title: `Within ${world.run}` },
        { title: `Within ${world.run}`, description: "another" },
      );
      const { results } = await get(`/findings/?test=${test}`);
      expect(results.map((row: Row) => row.duplicate)).toEqual([false, true, false, false, true, false]);
      expect([results[1].duplicate_finding, results[4].duplicate_finding]).toEqual([results[0].id, results[3].id]);
    });

    it("whatever a generic report says of vulnerabilities and components; weaknesses, files and lines tell findings apart", async () => {
      if (!world.client.server.waits) return;
      const engagement = await newEngagement(world);
      const finding = { title: `Columns ${world.run}`, endpoints: ["https://columns.example.com/x"] };
      const hashes = async (...more: object[]) => {
        const test = await imported(engagement, ...more.map((columns) => ({ ...finding, ...columns })));
        const { results } = await get(`/findings/?test=${test}`);
        return results.map(({ hash_code, duplicate }: Row) => ({ hash_code, duplicate }));
      };
      const [original] = await hashes({});
      const component = { component_name: "tokio", component_version: "1.2" };
      expect(await hashes({ vulnerability_ids: ["CVE-2020-1234"] }, component)).toEqual(
        Array(2).fill({ ...original, duplicate: true }),
      );
      const others = await hashes({ cwe: 79 }, { file_path: "src/a.ts" }, { line: 3 });
      expect(others.map(({ duplicate }: Row) => duplicate)).toEqual([false, false, false]);
      expect(new Set([original, ...others].map(({ hash_code }) => hash_code)).size).toBe(4);
    });

    it("anew when the original is deleted", async () => {
      if (!world.client.server.waits) return;
      const engagement = await newEngagement(world);
      const title = `Successor ${world.run}`;
      const first = await imported(engagement, { title });
      const second = await imported(engagement, { title });
      expect((await world.client.request("DELETE", `/tests/${first}/`)).status).toBe(204);
      expect((await get(`/findings/?test=${second}`)).results).toMatchObject([
        { duplicate: false, duplicate_finding: null, active: true },
      ]);
    });
  });

  describe("changes the status of a finding", () => {
    const change = async (body: object) => {
      const test = await imported(await newEngagement(world, { deduplication_on_engagement: true }), {
        title: "To change",
      });
      const { id } = (await get(`/findings/?test=${test}`)).results[0];
      const answer = await world.client.request("PATCH", `/findings/${id}/`, body);
      return { status: answer.status, body: answer.body };
    };

    it.each([
      {
        body: { false_p: true, active: false, verified: false },
        expected: {
          false_p: true,
          is_mitigated: true,
          active: false,
          display_status: "Inactive, Mitigated, False Positive",
        },
      },
      {
        body: { is_mitigated: true, active: false },
        expected: { is_mitigated: true, mitigated: expect.any(String), display_status: "Inactive, Mitigated" },
      },
      { body: { out_of_scope: true }, expected: { out_of_scope: true, active: false, is_mitigated: true } },
      { body: { verified: true }, expected: { verified: true, active: true } },
    ])("to $body", async ({ body, expected }) => {
      expect(await change(body)).toMatchObject({ status: 200, body: expected });
    });

    it.each([
      { body: { duplicate: true }, expected: "Duplicate findings cannot be verified or active" },
      { body: { false_p: true, verified: true }, expected: "False positive findings cannot be verified." },
      {
        body: { risk_accepted: true, active: false },
        expected: "Simple risk acceptance is disabled for this product, use the UI to accept this finding.",
      },
    ])("but not to $body", async ({ body, expected }) => {
      expect(await change(body)).toMatchObject({ status: 400, body: { non_field_errors: [expected] } });
    });
  });
}
