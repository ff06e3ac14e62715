import { beforeAll, describe, expect, it } from "vitest";
import {
  createWorld,
  GENERIC,
  importFindings,
  newEngagement,
  report,
  type Server,
  type Who,
  type World,
} from "./defectdojo-client.ts";

type Row = Record<string, unknown> & { id: number };

/** Reading findings and their locations. */
export function findingsContract(server: () => Promise<Server>, hasLowPrivileged: boolean): void {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(await server());
  });
  const get = async (path: string, as: Who = "admin") => (await world.client.request("GET", path, undefined, as)).body;
  const imported = (engagement: number, ...findings: object[]) => importFindings(world, engagement, ...findings);
  const many = (count: number) => Array.from({ length: count }, (_, i) => ({ title: `Finding ${i}` }));

  it("pages, in the order of the ids", async () => {
    const test = await imported(world.engagement, ...many(5));
    const first = await get(`/findings/?test=${test}&limit=2`);
    expect([first.count, first.previous, first.results.length]).toEqual([5, null, 2]);
    expect(first.next).toBe(`${world.client.server.url}/api/v2/findings/?limit=2&offset=2&test=${test}`);
    const last = await get(`/findings/?test=${test}&limit=2&offset=4`);
    expect([last.next, last.results.length]).toEqual([null, 1]);
    expect(last.previous).toBe(`${world.client.server.url}/api/v2/findings/?limit=2&offset=2&test=${test}`);
    const all = await get(`/findings/?test=${test}&limit=1000`);
    const titles = all.results.map((row: Row) => row.title);
    expect(titles).toEqual(["Finding 0", "Finding 1", "Finding 2", "Finding 3", "Finding 4"]);
    expect((await get(`/findings/?test=${test}&limit=2&offset=99`)).results).toEqual([]);
    expect((await get(`/findings/?test=${test}&limit=0`)).results.length).toBe(5);
  });

  it("finds by ids, and orders when asked to", async () => {
    const test = await imported(world.engagement, ...many(3));
    const ids: number[] = (await get(`/findings/?test=${test}`)).results.map((row: Row) => row.id);
    const found = await get(`/findings/?id=${ids[2]},${ids[0]}&limit=10`);
    expect(found.results.map((row: Row) => row.id)).toEqual([ids[0], ids[2]]);
    const ordered = await get(`/findings/?test=${test}&o=-id`);
    expect(ordered.results.map((row: Row) => row.id)).toEqual(ids.toReversed());
    expect((await get(`/findings/?test=99999999`)).test).toEqual([
      "Select a valid choice. That choice is not one of the available choices.",
    ]);
    expect((await get("/findings/?id=1,x")).id).toEqual(["Enter a number."]);
  });

  it("counts by severity and verdict, in the `count` of a page of one", async () => {
    const made = ["Critical", "High", "High", "Low", "Info"].map((severity, n) => ({ title: `Count ${n}`, severity }));
    const engagement = await newEngagement(world, { deduplication_on_engagement: true });
    const test = await imported(engagement, ...made);
    const { results } = await get(`/findings/?test=${test}&o=id`);
    const judge = (n: number, body: object) => world.client.request("PATCH", `/findings/${results[n].id}/`, body);
    await judge(0, { false_p: true, active: false, verified: false });
    await judge(1, { is_mitigated: true, active: false });
    await judge(2, { out_of_scope: true, active: false });
    await judge(3, { under_review: true });
    const decided = "under_review=false&risk_accepted=false&out_of_scope=false&false_p=false";
    const none = `${decided}&duplicate=false&is_mitigated=false`;
    const queries = [
      ...["severity=Critical", "severity=High", "severity=Medium", "severity=Low", "severity=Info"],
      ...["duplicate=true", "false_p=true", "risk_accepted=true", "out_of_scope=true", "is_mitigated=true"],
      ...["under_review=true", `${decided}&duplicate=false&is_mitigated=true`, `${none}&active=false`, none],
    ];
    const counts = await Promise.all(
      queries.map(async (query) => (await get(`/findings/?test=${test}&${query}&limit=1`)).count),
    );
    expect(counts).toEqual([1, 2, 0, 1, 1, 0, 1, 0, 1, 3, 1, 1, 0, 1]);
  });

  it("keeps every field of a finding in a generic report", async () => {
    const given = {
      title: "a finding of the REST api",
      severity: "Critical",
      cwe: 79,
      cve: "CVE-2021-44228",
      cvssv3: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H",
      mitigation: "m",
      impact: "i",
      steps_to_reproduce: "s",
      references: "r",
      line: "12",
      file_path: "src/a.c",
      component_name: "c",
      component_version: "1",
      unique_id_from_tool: "u",
      vuln_id_from_tool: "v",
      tags: ["one", "two words"],
      // 2.34 rejects a date with a time.
      date: world.version === "2.34" ? "2026-01-01" : "2026-01-01T10:00:00Z",
    };
    const { cve, ...columns } = given;
    const test = await imported(world.engagement, given);
    const { results } = await get(`/findings/?test=${test}`);
    expect(results).toMatchObject([
      {
        ...columns,
        ...{ line: 12, date: "2026-01-01", tags: ["one", "two_words"] },
        title: "A Finding of the REST Api",
        vulnerability_ids: [{ vulnerability_id: cve }],
        ...(world.version === "3.x" ? { cwes: [{ cwe: "CWE-79" }] } : {}),
        cvssv3_score: 10,
        numerical_severity: "S0",
        active: true,
        display_status: "Active",
        duplicate: false,
        duplicate_finding: null,
        test,
      },
    ]);
  });

  it("accepts several weaknesses of a finding from 3.2 on; earlier versions reject the whole report", async () => {
    const fields = { scan_type: GENERIC, engagement: world.engagement };
    const { status, body } = await world.client.upload(fields, report({ cwe: 79, cwes: ["CWE-79", "CWE-89"] }));
    expect(status).toBe(world.version === "3.x" ? 201 : 400);
    if (status === 400) return;
    const { results } = await get(`/findings/?test=${body.test_id}`);
    expect(results).toMatchObject([{ cwe: 79, cwes: [{ cwe: "CWE-79" }, { cwe: "CWE-89" }] }]);
  });

  it("truncates titles at 511 characters", async () => {
    const test = await imported(world.engagement, { title: "t".repeat(600) });
    expect((await get(`/findings/?test=${test}`)).results[0].title.length).toBe(511);
  });

  it("returns the locations of a finding", async () => {
    const test = await imported(world.engagement, {
      title: "Here",
      endpoints: ["https://shop.example.com:8443/a/b?c=d#e"],
    });
    const { results, prefetch } = await get(`/findings/?test=${test}&prefetch=endpoints`);
    const link = results[0].endpoints[0];
    if (world.mode === "endpoints") {
      expect(prefetch.endpoints[link]).toMatchObject({
        protocol: "https",
        host: "shop.example.com",
        port: 8443,
        path: "a/b",
        query: "c=d",
        fragment: "e",
      });
      expect((await get(`/endpoints/${link}/`)).host).toBe("shop.example.com");
      return;
    }
    const { location } = prefetch.endpoints[link];
    expect(prefetch.endpoints[link]).toMatchObject({ finding: results[0].id, status: "Active" });
    const value = "https://shop.example.com:8443/a/b?c=d#e";
    const by = [`id_includes=${location}`, `findings__finding_includes=${results[0].id}`];
    for (const query of by) {
      expect((await get(`/location/?${query}&limit=10`)).results).toMatchObject([
        { id: location, location_type: "url", location_value: value },
      ]);
    }
    const links = await get(`/location_findings/?finding_includes=${results[0].id}&prefetch=location`);
    expect(links).toMatchObject({
      results: [{ id: link, location, finding: results[0].id }],
      prefetch: { location: { [location]: { location_value: value } } },
    });
  });

  it("shares a location between findings and omits the default port", async () => {
    const endpoints = ["https://same.example.com:443/x"];
    const test = await imported(world.engagement, { title: "One", endpoints }, { title: "Two", endpoints });
    const { results, prefetch } = await get(`/findings/?test=${test}&prefetch=endpoints`);
    const [one, two] = results.map((row: Row) => prefetch.endpoints[(row.endpoints as number[])[0] ?? 0]);
    if (world.mode === "endpoints") expect(one).toEqual(two);
    else {
      expect(one.location).toBe(two.location);
      expect((await get(`/location/${one.location}/`)).location_value).toBe("https://same.example.com/x");
    }
  });

  it("skips an invalid location, or rejects it in endpoints mode", async () => {
    const fields = { scan_type: GENERIC, engagement: world.engagement };
    const answer = await world.client.upload(
      fields,
      report({ endpoints: ["https://a.example.com:port/", "plain.example.com"] }),
    );
    if (world.mode === "endpoints") return expect(answer.status).toBe(400);
    const { results } = await get(`/findings/?test=${answer.body.test_id}`);
    expect(results[0].endpoints.length).toBe(1);
  });

  describe.skipIf(!hasLowPrivileged)("a low-privileged user", () => {
    it("reads locations of findings through their links, but not through location/ and url/", async () => {
      const as = "low-privileged";
      const test = await imported(world.own?.engagement ?? 0, {
        title: "Own",
        endpoints: ["https://own.example.com/"],
      });
      const { results, prefetch } = await get(`/findings/?test=${test}&prefetch=endpoints`, as);
      expect(Object.keys(prefetch.endpoints)).toEqual(results[0].endpoints.map(String));
      if (world.mode === "endpoints") return;
      expect((await world.client.request("GET", "/location/?limit=1", undefined, as)).status).toBe(403);
      expect((await world.client.request("GET", "/url/?limit=1", undefined, as)).status).toBe(403);
      const links = await get(`/location_findings/?finding_includes=${results[0].id}&prefetch=location`, as);
      expect(Object.values(links.prefetch.location)).toMatchObject([{ location_value: "https://own.example.com" }]);
    });

    it("does not see findings of others", async () => {
      const test = await imported(world.engagement, { title: "Not theirs" });
      const { id } = (await get(`/findings/?test=${test}`)).results[0];
      expect((await world.client.request("GET", `/findings/${id}/`, undefined, "low-privileged")).status).toBe(404);
      expect((await get(`/findings/?test=${test}`, "low-privileged")).count).toBe(0);
    });
  });
}
