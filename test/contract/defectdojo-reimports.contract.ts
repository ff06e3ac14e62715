import { beforeAll, describe, expect, it } from "vitest";
import { createWorld, GENERIC, newEngagement, report, type Server, type World } from "./defectdojo-client.ts";

type Row = Record<string, unknown> & { id: number };
interface ActionRow {
  readonly action: string;
  readonly finding: number;
}

/** The effect of a reimport on its test, and its record. */
export function reimportsContract(server: () => Promise<Server>): void {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(await server());
  });
  const get = async (path: string) => (await world.client.request("GET", path)).body;
  let keys = 0;

  /** A test with imported findings of these titles, and a function to reimport into it. */
  async function livingTest(...titles: string[]) {
    const engagement = await newEngagement(world);
    const fields = { scan_type: GENERIC, deduplication_execution_mode: "async_wait" };
    const key = () => `key-${world.run}-${++keys}`;
    const first = key();
    // Nothing is a duplicate of a finding in another test.
    const titled = (found: readonly string[]) => report(...found.map((title) => ({ title: `${title} ${first}` })));
    const named = { engagement, build_id: first, test_title: `living ${first}` };
    const made = await world.client.upload({ ...fields, ...named }, titled(titles));
    const test: number = made.body.test_id;
    const again = async (found: readonly string[], more: Record<string, string | number> = {}) => {
      const build = key();
      const sent = { ...fields, test, build_id: build, ...more };
      const answer = await world.client.upload(sent, titled(found), { path: "/reimport-scan/" });
      return { build, status: answer.status, body: answer.body };
    };
    return { engagement, test, first, title: named.test_title, again };
  }

  const findingsOf = async (test: number): Promise<Row[]> =>
    (await get(`/findings/?test=${test}&o=id&limit=50`)).results;

  /** `title: action` of the only record of a build id. */
  async function actionsOf(test: number, build: string): Promise<string[]> {
    const { results } = await get(`/test_imports/?build_id=${build}`);
    expect(results).toHaveLength(1);
    const titles = new Map((await findingsOf(test)).map(({ id, title }) => [id, String(title).split(" ")[0]]));
    const actions: ActionRow[] = results[0].test_import_finding_action_set;
    return actions.map(({ action, finding }) => `${titles.get(finding)}: ${action}`).sort();
  }

  it("records an import as all new, and a reimport as new, untouched, closed and reactivated", async () => {
    const { test, first, again } = await livingTest("Stays", "Goes");
    expect(await actionsOf(test, first)).toEqual(["Goes: N", "Stays: N"]);
    const second = await again(["Stays", "Comes"]);
    expect(second).toMatchObject({ status: 201, body: { test_id: test } });
    expect(await actionsOf(test, second.build)).toEqual(["Comes: N", "Goes: C", "Stays: U"]);
    const third = await again(["Stays", "Goes"]);
    expect(await actionsOf(test, third.build)).toEqual(["Comes: C", "Goes: R", "Stays: U"]);
    // Findings closed before are in no later record.
    const fourth = await again(["Stays", "Goes"]);
    expect(await actionsOf(test, fourth.build)).toEqual(["Goes: U", "Stays: U"]);
    expect(await findingsOf(test)).toMatchObject([
      { title: expect.stringMatching(/^Stays/), active: true, is_mitigated: false },
      { title: expect.stringMatching(/^Goes/), active: true, is_mitigated: false },
      { title: expect.stringMatching(/^Comes/), active: false, is_mitigated: true },
    ]);
  });

  it("keeps the record of an earlier build id, which can also be fetched by its own id", async () => {
    const { test, first, again } = await livingTest("Stays");
    await again(["Stays"]);
    expect((await get(`/tests/?build_id=${first}`)).count).toBe(0);
    const { results } = await get(`/test_imports/?build_id=${first}`);
    expect(results).toMatchObject([{ test, type: "import", build_id: first }]);
    expect(await get(`/test_imports/${results[0].id}/`)).toMatchObject({ id: results[0].id, test });
    expect((await world.client.request("GET", "/test_imports/99999999/")).status).toBe(404);
    expect(await get("/test_imports/?build_id=never-sent")).toMatchObject({ count: 0, results: [] });
  });

  it("closes everything for a report without findings", async () => {
    const { test, again } = await livingTest("One", "Two");
    const { build } = await again([]);
    expect(await actionsOf(test, build)).toEqual(["One: C", "Two: C"]);
  });

  it("closes and reactivates nothing unless requested, and records neither", async () => {
    const { test, again } = await livingTest("Stays", "Goes");
    const kept = await again(["Stays"], { close_old_findings: "false" });
    expect(await actionsOf(test, kept.build)).toEqual(["Stays: U"]);
    await again(["Stays"]);
    const left = await again(["Stays", "Goes"], { do_not_reactivate: "true" });
    expect(await actionsOf(test, left.build)).toEqual(["Stays: U"]);
  });

  it("leaves findings with verdicts unchanged when they are found again, and does not record them", async () => {
    const { test, again } = await livingTest("False", "Outside", "Stays");
    const [wrong, outside] = await findingsOf(test);
    await world.client.request("PATCH", `/findings/${wrong?.id}/`, { false_p: true, active: false, verified: false });
    await world.client.request("PATCH", `/findings/${outside?.id}/`, {
      out_of_scope: true,
      active: false,
      verified: false,
    });
    const before = await findingsOf(test);
    const { build } = await again(["False", "Outside", "Stays"]);
    // A finding whose verdict did not close it is closed now.
    const open = before.filter(({ active, is_mitigated }) => active !== true && is_mitigated !== true);
    const closed = open.map(({ title }) => `${String(title).split(" ")[0]}: C`);
    expect(await actionsOf(test, build)).toEqual([...closed, "Stays: U"].sort());
    expect(await findingsOf(test)).toMatchObject([{ false_p: true }, { out_of_scope: true }, { active: true }]);
    expect((await get(`/findings/?test=${test}&false_p=true`)).count).toBe(1);
    expect((await get(`/findings/?test=${test}&out_of_scope=true`)).count).toBe(1);
  });

  it("keeps the start date of its test", async () => {
    const { test, again } = await livingTest("One");
    const dates = { target_start: "2026-01-02T03:04:05Z", target_end: "2026-01-02T04:00:00Z" };
    await world.client.request("PATCH", `/tests/${test}/`, dates);
    await again(["One"]);
    const { target_start, target_end } = await get(`/tests/${test}/`);
    expect([target_start, target_end > dates.target_end]).toEqual([dates.target_start, true]);
  });

  it("leaves its test unchanged if the report is rejected", async () => {
    const { test, first, again } = await livingTest("One");
    const scan = { name: "findings.json", content: "no report" };
    const sent = { scan_type: GENERIC, test, build_id: `refused-${world.run}` };
    const { status } = await world.client.upload(sent, scan, { path: "/reimport-scan/" });
    expect([400, 500]).toContain(status);
    expect(await get(`/tests/${test}/`)).toMatchObject({ build_id: first, percent_complete: 100 });
    expect((await get(`/test_imports/?build_id=refused-${world.run}`)).count).toBe(0);
    expect((await again(["One"])).status).toBe(201);
  });

  describe("a test", () => {
    it("is found by its engagement, title and scan type", async () => {
      const { engagement, test, title } = await livingTest("One");
      const find = async (more: Record<string, string>) =>
        (
          await get(
            `/tests/?${new URLSearchParams({ engagement: String(engagement), title, scan_type: GENERIC, ...more })}`,
          )
        ).results;
      expect(await find({})).toMatchObject([{ id: test, title, scan_type: GENERIC, engagement }]);
      expect(await find({ title: title.slice(1) })).toEqual([]);
      expect(await find({ scan_type: "Nmap Scan" })).toEqual([]);
    });
  });
}
