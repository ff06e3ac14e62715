import { beforeAll, expect, it } from "vitest";
import { createWorld, importFindings, newEngagement, type Server, type World } from "./defectdojo-client.ts";

/** What `follow` relies on: which verdicts update `last_status_update`, and how the feed is queried. */
export function feedContract(server: () => Promise<Server>): void {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(await server());
  });
  const get = async (path: string) => (await world.client.request("GET", path)).body;
  /** The `last_status_update` of a finding. */
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
      expect(await clockOf(id)).toBe(before); // 2.34's API updates nothing
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

  it("one list shows the findings under review first, and then what changed last", async () => {
    const { id } = await newFinding(`Reviewed ${world.run}`);
    await patch({ under_review: true })(id);
    const newest = await newFinding(`Newest ${world.run}`);
    const { results } = await get("/findings/?o=-under_review,-last_status_update&limit=250");
    const reviewed = results.filter((row: { under_review: boolean }) => row.under_review);
    const others = results.slice(reviewed.length);
    expect(reviewed.map((row: { id: number }) => row.id)).toContain(id);
    expect(others.every((row: { under_review: boolean }) => !row.under_review)).toBe(true);
    for (const rows of [reviewed, others]) {
      const times = rows.map((row: { last_status_update: string }) => Date.parse(row.last_status_update));
      expect(times).toEqual(times.toSorted((a: number, b: number) => b - a));
    }
    expect(others.map((row: { id: number }) => row.id)).toContain(newest.id);
  });

  it("what people reviewed comes first among the reviews of the last days; an import's are older than its findings", async () => {
    const { id } = await newFinding(`Noted ${world.run}`);
    const before = await get(`/findings/${id}/`);
    expect(Date.parse(before.last_reviewed)).toBeLessThanOrEqual(Date.parse(before.created));
    const note = await world.client.request("POST", `/findings/${id}/notes/`, { entry: "Seen." });
    expect(note.status).toBe(201);
    const found = await get("/findings/?last_reviewed=2&o=-last_reviewed&limit=10");
    const row = found.results.find((each: { id: number }) => each.id === id);
    if (world.version === "2.34") {
      expect((await get(`/findings/${id}/`)).last_reviewed).toBe(before.last_reviewed); // only reviews in the UI update it
      return;
    }
    expect(Date.parse(row.last_reviewed)).toBeGreaterThan(Date.parse(row.created));
    expect(row.last_status_update).toBe(before.last_status_update);
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

  it("a page of the feed counts all findings; of a deleted test nothing is left, and asking for it is refused", async () => {
    const { id, test } = await newFinding(`Deleted ${world.run}`);
    const count = async () => (await get("/findings/?o=-last_status_update&limit=1")).count as number;
    const before = await count();
    expect((await get(`/findings/?test=${test}&o=id&limit=1`)).count).toBe(1);
    expect((await world.client.request("DELETE", `/findings/${id}/`)).status).toBe(204);
    expect((await get(`/findings/?test=${test}&o=id&limit=1`)).count).toBe(0);
    expect(await count()).toBe(before - 1);
    expect((await world.client.request("DELETE", `/tests/${test}/`)).status).toBe(204);
    expect((await world.client.request("GET", `/findings/?test=${test}&o=id&limit=1`)).status).toBe(400);
  });

  it("findings by their ids tell the names of product and engagement, also after both were renamed", async () => {
    const engagement = await newEngagement(world);
    const test = await importFindings(world, engagement, { title: `Renamed ${world.run}` });
    const { id } = (await get(`/findings/?test=${test}`)).results[0];
    const place = async () => {
      const { results } = await get(`/findings/?id=${id},999999999&related_fields=true&limit=100&o=id`);
      expect(results).toHaveLength(1);
      return results[0].related_fields.test.engagement;
    };
    const { product } = await get(`/engagements/${engagement}/`);
    expect(await place()).toMatchObject({ id: engagement, product: { id: product } });
    const name = `Another name ${world.run} ${id}`;
    expect((await world.client.request("PATCH", `/engagements/${engagement}/`, { name })).status).toBe(200);
    expect(await place()).toMatchObject({ id: engagement, name, product: { id: product } });
  });

  it("the duplicates of a product are listed with their originals", async () => {
    if (!world.client.server.waits) return;
    const title = `Listed ${world.run}`;
    const [one, two] = [await newEngagement(world), await newEngagement(world)];
    const first = await importFindings(world, one, { title });
    const second = await importFindings(world, two, { title });
    const original: number = (await get(`/findings/?test=${first}`)).results[0].id;
    const { product } = await get(`/engagements/${two}/`);
    const listed = await get(`/findings/?duplicate=true&test__engagement__product=${product}&o=id&limit=250`);
    expect(listed.results).toContainEqual(
      expect.objectContaining({ test: second, duplicate: true, duplicate_finding: original }),
    );
    expect(listed.results.every(({ duplicate }: { duplicate: boolean }) => duplicate)).toBe(true);
  });
}
