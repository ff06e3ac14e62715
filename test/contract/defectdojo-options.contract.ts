import { beforeAll, expect, it } from "vitest";
import {
  createWorld,
  engagementOf,
  GENERIC,
  newEngagement,
  report,
  type Server,
  type World,
} from "./defectdojo-client.ts";

/** Row 16: the effect of import options, by their API names; the same on 2.34, 2.58 and 3.2. */
export function optionsContract(server: () => Promise<Server>): void {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(await server());
  });
  const get = async (path: string) => (await world.client.request("GET", path)).body;
  const send = async (engagement: number, fields: Record<string, string>, ...findings: object[]) => {
    const given = { scan_type: GENERIC, engagement, ...fields };
    const answer = await world.client.upload(given, report(...findings));
    expect([answer.status, answer.body.test_id]).toEqual([201, expect.any(Number)]);
    return (await get(`/findings/?test=${answer.body.test_id}&o=id`)).results;
  };
  const finding = (title: string, more: object = {}) => ({ title, severity: "Low", description: "d", ...more });

  it("row 16: tags of the test go to its findings where that is asked for", async () => {
    const tagged = { tags: "blue", apply_tags_to_findings: "true" };
    expect(await send(world.engagement, tagged, finding("Tagged"))).toMatchObject([{ tags: ["blue"] }]);
    expect(await send(world.engagement, { tags: "blue" }, finding("Plain"))).toMatchObject([{ tags: [] }]);
  });

  it("row 16: the scan's date is that of every finding", async () => {
    const dated = finding("Dated", { date: "2025-01-01" });
    expect(await send(world.engagement, { scan_date: "2026-01-02" }, dated)).toMatchObject([{ date: "2026-01-02" }]);
    expect(await send(world.engagement, {}, dated)).toMatchObject([{ date: "2025-01-01" }]);
  });

  it("row 16: flags that change nothing here are taken as they are", async () => {
    const flags = {
      ...{ push_to_jira: "false", do_not_reactivate: "true", apply_tags_to_endpoints: "true" },
      ...{ group_by: "component_name", create_finding_groups_for_all_findings: "false" },
    };
    expect(await send(world.engagement, flags, finding("Flagged"))).toHaveLength(1);
  });

  it("row 16: old findings are closed in all engagements of the product where that is asked for", async () => {
    const [one, other] = [await newEngagement(world), await newEngagement(world)];
    const [old] = await send(one, {}, finding("Old of all"));
    await send(other, { close_old_findings: "true" }, finding("New of one"));
    expect(await get(`/findings/${old.id}/`)).toMatchObject({ active: true });
    const scope = { close_old_findings: "true", close_old_findings_product_scope: "true" };
    await send(other, scope, finding("Newer"));
    expect(await get(`/findings/${old.id}/`)).toMatchObject({ active: false, is_mitigated: true });
  });

  it("row 16: a product has its criticality, an engagement its repository and end", async () => {
    const product = { name: `Options ${world.run}`, description: "d", prod_type: world.productType };
    const made = await world.client.request("POST", "/products/", { ...product, business_criticality: "very high" });
    expect([made.status, made.body]).toMatchObject([201, { business_criticality: "very high" }]);
    const engagement = {
      ...engagementOf(made.body.id),
      ...{ target_end: "2027-01-31", source_code_management_uri: "https://git.example.com/shop" },
    };
    const { status, body } = await world.client.request("POST", "/engagements/", engagement);
    expect([status, body]).toMatchObject([
      201,
      { target_end: "2027-01-31", source_code_management_uri: "https://git.example.com/shop" },
    ]);
  });
}
