import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ANNOTATION_PREFIX } from "../../lib/model/scan.ts";
import { GENERIC } from "../../lib/model/scan-types.ts";
import { type Matches, ruleMatches } from "../helpers/cascading.ts";
import { type Runtime, startRuntime } from "./runtime.ts";

interface Found {
  readonly id: string;
  readonly [field: string]: unknown;
}

const SAMPLES = fileURLToPath(new URL("../../infra/local/scans", import.meta.url));
/** A message for three locations, which DefectDojo's parser merges into one finding, and a separate one. */
const BACKUP = { id: "740001", method: "GET", msg: "Potentially interesting backup file found." };
const SERVER = { id: "000287", method: "HEAD", msg: "/: Server banner changed." };
const ENTRIES = [...["/a.tar", "/b.tgz", "/c.bak"].map((url) => ({ ...BACKUP, url })), { ...SERVER, url: "/" }];
const NIKTO = ENTRIES.map(({ id, method, msg, url }, index) => ({
  id: `00000000-0000-4000-8000-00000000000${index}`,
  name: msg,
  description: null,
  category: id === BACKUP.id ? "Potential Backup File" : "Potential Vulnerability",
  location: `http://shop.example.com${url}`,
  osi_layer: "NETWORK",
  severity: id === BACKUP.id ? "INFORMATIONAL" : "HIGH",
  parsed_at: "2026-11-20T10:05:03.000Z",
  attributes: { hostname: "shop.example.com", method, port: 80, niktoId: Number(id), ip_addresses: ["203.0.113.10"] },
}));

/** Uploads nikto's scan and waits until it is complete. */
async function nikto(runtime: Runtime, name: string, annotations: Record<string, string> = {}) {
  const report = [
    { host: "shop.example.com", ip: "203.0.113.10", port: "80", banner: "nginx", vulnerabilities: ENTRIES },
  ];
  const sidecar = {
    metadata: {
      name,
      annotations: Object.fromEntries(
        Object.entries(annotations).map(([key, value]) => [ANNOTATION_PREFIX + key, value]),
      ),
    },
    spec: { scanType: "nikto", parameters: [] },
    status: { rawResultType: "nikto-json", rawResultFile: "nikto-results.json" },
  };
  await runtime.put(`${name}/scan.json`, JSON.stringify(sidecar));
  await runtime.put(`${name}/nikto-results.json`, JSON.stringify(report));
  await runtime.put(`${name}/findings.json`, JSON.stringify(NIKTO));
  return await runtime.ended(`${name}/findings.json`);
}

const read = async (runtime: Runtime, key: string) => JSON.parse(String(await runtime.get(key))) as Found[];
const receipt = async (runtime: Runtime, name: string) => await runtime.receipt(`${name}/findings.json`);

/** Rules like secureCodeBox's own: category, layer and attributes. */
const RULES: Readonly<Record<string, Matches>> = {
  "open ports of a service": {
    anyOf: [{ category: "Open Port", osi_layer: "NETWORK", attributes: { service: "http*", state: "open" } }],
  },
  "one port or another": {
    anyOf: [
      { category: "Open Port", attributes: { port: 22 } },
      { category: "Open Port", attributes: { port: 443 } },
    ],
  },
  hosts: { anyOf: [{ category: "Host", osi_layer: "NETWORK" }] },
  "severe ones of the application layer": { anyOf: [{ osi_layer: "APPLICATION", severity: "HIGH" }] },
  "packages of an image": { anyOf: [{ category: "NPM *", osi_layer: "NOT_APPLICABLE" }] },
  "backup files": { anyOf: [{ category: "Potential Backup File", osi_layer: "NETWORK" }] },
};

describe("a CascadingRule", () => {
  const runtimes = new Map<string, Runtime>();
  beforeAll(async () => {
    for (const SYNC_MODE of ["merge", "replace"]) runtimes.set(SYNC_MODE, await startRuntime({ SYNC_MODE }));
  });
  afterAll(() => Promise.all([...runtimes.values()].map((runtime) => runtime.stop())));

  /** Ids of the findings that each rule matches in an upload and in its write-back. */
  async function matched(mode: string, name: string) {
    const runtime = runtimes.get(mode) as Runtime;
    const key = name === "nikto" ? `${name}/findings.json` : await runtime.upload(join(SAMPLES, name));
    if (name === "nikto") await nikto(runtime, name);
    else await runtime.ended(key);
    const uploaded =
      name === "nikto" ? NIKTO : (JSON.parse(readFileSync(join(SAMPLES, name, "findings.json"), "utf8")) as Found[]);
    const written = await read(runtime, key);
    const ids = (findings: readonly Found[]) =>
      Object.fromEntries(
        Object.entries(RULES).map(([rule, matches]) => [
          rule,
          findings.filter((one) => ruleMatches(one, matches)).map(({ id }) => id),
        ]),
      );
    return { before: ids(uploaded), after: ids(written) };
  }

  it.each(["nmap-shop", "zap-shop", "trivy-shop", "nikto"])(
    "matches in a merged findings.json what it matched before: %s",
    async (name) => {
      const { before, after } = await matched("merge", name);
      expect(Object.values(before).flat()).not.toEqual([]);
      expect(after).toEqual(before);
    },
  );

  it("no longer matches in replaced findings", async () => {
    const { before, after } = await matched("replace", "nikto");
    expect(before["backup files"]).toHaveLength(3);
    expect(Object.values(after).flat()).toEqual([]);
  });
});

describe("a native parser that keeps fewer findings than the scanner found", () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await startRuntime({ ON_FEWER_FINDINGS: "generic", GENERIC_DETAILS: "full" });
  });
  afterAll(() => runtime.stop());

  it("is replaced by a generic import, and one test remains", async () => {
    expect(await nikto(runtime, "fewer")).toMatchObject({ state: "done" });
    const { jobKey, ...told } = (await receipt(runtime, "fewer")) ?? { jobKey: "" };
    expect(told).toMatchObject({
      scanType: "Nikto Scan",
      importedAs: GENERIC,
      fellBack: `DefectDojo's parser "Nikto Scan" kept 2 of 4 findings`,
      uploaded: { count: 4 },
      inDojo: { count: 4 },
      matched: 4,
      warnings: [],
    });
    const tests = [...runtime.standin.state.tests.values()].filter(({ build_id }) => build_id === jobKey);
    expect(tests).toHaveLength(1);
    expect(await read(runtime, "fewer/findings.json")).toHaveLength(4);
  });

  it("stays if it keeps every finding at or above the minimum severity", async () => {
    const key = await runtime.upload(join(SAMPLES, "zap-shop"));
    await runtime.ended(key);
    expect(await runtime.receipt(key)).toMatchObject({ importedAs: "ZAP Scan", matched: 6 });
  });

  it("stays if the Scan sets the scan type", async () => {
    await nikto(runtime, "as-generic", { "import-as": "generic findings import" });
    const generic = await receipt(runtime, "as-generic");
    expect(generic).toMatchObject({ scanType: GENERIC, importedAs: GENERIC, matched: 4 });
    expect(generic?.fellBack).toBeUndefined();
    expect(await nikto(runtime, "as-nothing", { "import-as": "Nikto" })).toMatchObject({
      state: "failed",
      error: {
        reason: "sidecar-invalid",
        message: expect.stringContaining('no scan type "Nikto"; did you mean "Nikto Scan"?'),
      },
    });
  });
});
