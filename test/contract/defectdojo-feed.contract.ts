import { beforeAll, expect, it } from "vitest";
import { createWorld, importFindings, newEngagement, type Server, type World } from "./defectdojo-client.ts";

/** What `follow` relies on: which verdicts move `last_status_update`, and how the feed is asked. */
export function feedContract(server: () => Promise<Server>): void {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(await server());
  });
  const get = async (path: string) => (await world.client.request("GET", path)).body;
  /** The clock of a finding. */
  const clockOf = async (id: number): Promise<string> => (await get(`/findings/${id}/`)).last_status_update;
  const newFinding = async (title = `Followed ${world.run}`) => {
    const engagement = await newEngagement(world, { deduplication_on_engagement: true });
    const test = await importFindings(world, engagement, { title });
    const { id } = (await get(`/findings/?test=${test}`)).results[0];
    return { id: id as number, test };
  };
  const patch = (body: object) => (id: number) => world.client.request("PATCH", `/findings/${id}/`, body);

  it("a new finding's clock is the time of its creation, within a second", async () => {
    const { id } = await newFinding();
    const { created, last_status_update } = await get(`/findings/${id}/`);
    expect(Math.abs(Date.parse(last_status_update) - Date.parse(created))).toBeLessThan(1_000);
  });

  it.each([
    ["false positive", patch({ false_p: true, active: false, verified: false })],
    ["out of scope", patch({ out_of_scope: true })],
    ["closed", (id: number) => world.client.request("POST", `/findings/${id}/close/`, { is_mitigated: true })],
    [
      "risk accepted",
      async (id: number) => {
        const owner = (await get("/user_profile/")).user.id;
        const body = { name: `Accepted ${id}`, owner, accepted_findings: [id], decision: "A", recommendation: "A" };
        return await world.client.request("POST", "/risk_acceptance/", body);
      },
    ],
  ])("%s moves a finding to the front", async (what, judge) => {
    const { id, test } = await newFinding();
    const before = await clockOf(id);
    expect((await judge(id)).status).toBeLessThan(300);
    if (what === "risk accepted" && world.version === "2.34") {
      expect(await clockOf(id)).toBe(before); // 2.34's API marks nothing
      return;
    }
    const feed = await get("/findings/?o=-last_status_update&limit=10");
    expect(feed.results.map((row: { id: number }) => row.id)).toContain(id);
    expect(feed.results.find((row: { id: number }) => row.id === id)).toMatchObject({ test, duplicate: false });
    expect(Date.parse(await clockOf(id))).toBeGreaterThan(Date.parse(before));
  });

  it.each([
    ["under review", patch({ under_review: true })],
    ["a severity changed by hand", patch({ severity: "High" })],
  ])("%s does not", async (_, change) => {
    const { id } = await newFinding();
    const before = await clockOf(id);
    expect((await change(id)).status).toBe(200);
    expect(await clockOf(id)).toBe(before);
  });

  it("findings under review are found by a filter", async () => {
    const { id, test } = await newFinding();
    await patch({ under_review: true })(id);
    const found = await get(`/findings/?under_review=true&test=${test}`);
    expect(found.results).toMatchObject([{ id, test }]);
    await patch({ under_review: false })(id);
    expect((await get(`/findings/?under_review=true&test=${test}`)).count).toBe(0);
  });

  it("a duplicate does not move with its original; the original's duplicates are found by its id, one id at a time", async () => {
    if (!world.client.server.waits) return;
    const title = `Original ${world.run}`;
    const engagements = [await newEngagement(world), await newEngagement(world)] as const;
    const first = await importFindings(world, engagements[0], { title });
    const second = await importFindings(world, engagements[1], { title });
    const original: number = (await get(`/findings/?test=${first}`)).results[0].id;
    const duplicate: number = (await get(`/findings/?test=${second}`)).results[0].id;
    const before = await clockOf(duplicate);
    await patch({ false_p: true, active: false, verified: false })(original);
    expect(await clockOf(duplicate)).toBe(before);
    const found = await get(`/findings/?duplicate_finding=${original}&o=id&limit=250`);
    expect(found.results).toMatchObject([{ id: duplicate, test: second }]);
    const both = await world.client.request("GET", `/findings/?duplicate_finding=${original},${duplicate}`);
    expect(both.status).toBe(400);
  });
}
