import { beforeAll, expect, it } from "vitest";
import { substituteFor } from "../../lib/model/empty-reports.ts";
import { GENERIC, wantedTestTypes } from "../../lib/model/scan-types.ts";
import { createWorld, newEngagement, type Report, type Server, type World } from "./defectdojo-client.ts";

/** Which reports each parser accepts as one without findings: tested with the parsers of 2.34, 2.58 and 3.2. */
const BLANK: readonly (readonly [scanType: string, takes: readonly string[], refuses: readonly string[]])[] = [
  ["CycloneDX Scan", ["{}"], ["", "[]", "null"]],
  ["Gitleaks Scan", ["[]", "{}", "null"], [""]],
  ["KubeHunter Scan", [], ["", "[]", "{}", "null"]],
  ["Nikto Scan", ["{}"], ["", "[]", "null"]],
  ["Nmap Scan", [], ["", "[]", "{}", "null"]],
  ["Nuclei Scan", ["", "[]", "null"], ["{}"]],
  ["Semgrep JSON Report", ["[]", "{}"], ["", "null"]],
  ["SSH Audit Importer", [], ["[]", "null"]],
  ["SSLyze Scan (JSON)", [], [""]],
  ["Sslyze Scan", [], ["", "[]", "{}", "null"]],
  ["Trivy Scan", ["[]", "null"], ["", "{}"]],
  ["WhatWeb Scan", ["[]"], ["", "{}", "null"]],
  ["Wpscan", ["{}"], ["", "[]", "null"]],
  ["ffuf Scan", ["{}"], ["", "[]", "null"]],
  ["ZAP Scan", [], ["", "[]", "{}", "null"]],
];
const EXTENSIONS: Readonly<Record<string, string>> = { "Nmap Scan": "xml", "ZAP Scan": "xml", "Sslyze Scan": "xml" };
const nameFor = (scanType: string) => `report.${EXTENSIONS[scanType] ?? "json"}`;

/** Reports without findings, which close the findings of earlier scans of the same type. */
export function emptyReportsContract(server: () => Promise<Server>): void {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(await server());
  });
  const get = async (path: string) => (await world.client.request("GET", path)).body;
  const there = async (scanType: string) =>
    (await get(`/test_types/?name=${encodeURIComponent(scanType)}`)).results.some(
      ({ name }: { name: string }) => name === scanType,
    );
  const send = (scan_type: string, report: Report, more: Record<string, string | number> = {}) =>
    world.client.upload({ scan_type, engagement: world.engagement, ...more }, report);

  it("has a row for every parser that reports are sent to", () => {
    expect(BLANK.map(([scanType]) => scanType)).toEqual(
      expect.arrayContaining(wantedTestTypes().filter((type) => type !== GENERIC)),
    );
  });

  it.each(BLANK)("of %s: blank ones", async (scanType, takes, refuses) => {
    if (!(await there(scanType))) return;
    for (const content of takes) {
      const answer = await send(scanType, { name: nameFor(scanType), content });
      expect([content, answer.status, answer.body.statistics?.after.total.total]).toEqual([content, 201, 0]);
    }
    for (const content of refuses) {
      const { status } = await send(scanType, { name: nameFor(scanType), content });
      expect([content, status]).toEqual([content, expect.toBeOneOf([400, 500])]);
    }
  });

  it.each(BLANK)("of %s: what is sent in place of one that it refuses", async (scanType, takes, refuses) => {
    for (const content of takes) expect(substituteFor(scanType, content, nameFor(scanType))).toBeUndefined();
    if (!(await there(scanType))) return;
    for (const content of refuses) {
      const substitute = substituteFor(scanType, content, nameFor(scanType));
      if (substitute === undefined) throw new Error(`nothing is sent in place of ${JSON.stringify(content)}`);
      const answer = await send(scanType, substitute);
      expect([content, answer.status, answer.body.statistics?.after.total.total]).toEqual([content, 201, 0]);
    }
  });

  it("close what earlier scans of the same type found, and nothing of another type", async () => {
    const engagement = await newEngagement(world);
    const leak = { Description: "Key", RuleID: "key", File: "a.ts", StartLine: 1, Secret: "s", Match: "k = s" };
    const found = await send("Gitleaks Scan", { name: "r.json", content: JSON.stringify([leak]) }, { engagement });
    const active = async () => (await get(`/findings/?test=${found.body.test_id}&active=true&limit=1`)).count;
    expect(await active()).toBe(1);
    const closing = { engagement, close_old_findings: "true" };
    await send(GENERIC, { name: "r.json", content: '{"findings":[]}' }, closing);
    expect(await active()).toBe(1);
    await send("Gitleaks Scan", { name: "r.json", content: "[]" }, closing);
    expect(await active()).toBe(0);
  });
}
