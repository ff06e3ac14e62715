import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Engagement, Product, Test } from "../../infra/local/defectdojo/model.ts";
import type { StandinOptions } from "../../infra/local/defectdojo/options.ts";
import type { Receipt } from "../../lib/model/receipt.ts";
import { ANNOTATION_PREFIX } from "../../lib/model/scan.ts";
import { type Runtime, startRuntime } from "./runtime.ts";

/** Each feature end to end: one test per row of docs/features.md. */

const BASE = { category: "Open Port", parsed_at: "2024-11-20T10:05:03.000Z", attributes: { port: 22 } };
const FINDINGS = [
  {
    ...BASE,
    id: "a0e1cf47-9e3f-4d6c-8b58-7d22b1d34f10",
    name: "high one",
    severity: "HIGH",
    location: "https://shop.example.com/a",
  },
  {
    ...BASE,
    id: "a0e1cf47-9e3f-4d6c-8b58-7d22b1d34f11",
    name: "low one",
    severity: "LOW",
    location: "https://shop.example.com/b",
  },
];

interface ScanOptions {
  readonly annotations?: Record<string, string>;
  readonly scanType?: string;
  readonly owner?: { kind: string; name: string };
  readonly hookSelector?: unknown;
  readonly raw?: { type: string; file: string; body: string };
  readonly findings?: readonly unknown[];
}

let count = 0;

/** Uploads a scan and waits until it is complete. */
async function scan(runtime: Runtime, options: ScanOptions = {}) {
  const name = `scan-${++count}`;
  const { annotations = {}, scanType = "amass", owner, hookSelector, raw, findings = FINDINGS } = options;
  const sidecar = {
    apiVersion: "execution.securecodebox.io/v1",
    kind: "Scan",
    metadata: {
      name,
      namespace: "team-a",
      creationTimestamp: "2024-11-20T10:00:00Z",
      annotations: Object.fromEntries(
        Object.entries(annotations).map(([key, value]) => [ANNOTATION_PREFIX + key, value]),
      ),
      ...(owner === undefined ? {} : { ownerReferences: [owner] }),
    },
    spec: { scanType, parameters: ["-p", "22"], ...(hookSelector === undefined ? {} : { hookSelector }) },
    status: {
      finishedAt: "2024-11-20T10:05:00Z",
      ...(raw === undefined ? {} : { rawResultType: raw.type, rawResultFile: raw.file }),
    },
  };
  await runtime.put(`${name}/scan.json`, JSON.stringify(sidecar));
  if (raw !== undefined) await runtime.put(`${name}/${raw.file}`, raw.body);
  const key = `${name}/findings.json`;
  await runtime.put(key, JSON.stringify(findings));
  return { name, key };
}

async function synced(runtime: Runtime, options: ScanOptions = {}) {
  const { name, key } = await scan(runtime, options);
  const end = await runtime.ended(key);
  expect(end, JSON.stringify(end)).toMatchObject({ state: "done" });
  const receipt = (await runtime.receipt(key)) as Receipt;
  const { tests, engagements, products } = runtime.standin.state;
  const test = tests.get(receipt.test.id) as Test;
  return {
    name,
    key,
    receipt,
    test,
    engagement: engagements.get(test.engagement) as Engagement,
    product: products.get((engagements.get(test.engagement) as Engagement).product) as Product,
    findings: JSON.parse(String(await runtime.get(key))) as (Record<string, unknown> & {
      attributes: Record<string, unknown>;
    })[],
    requests: runtime.standin.state.requests,
  };
}

/** A runtime shared by the tests of one describe. */
function withRuntime(env: Record<string, string> = {}, options: StandinOptions = {}) {
  const held: { runtime?: Runtime } = {};
  beforeAll(async () => {
    held.runtime = await startRuntime(env, options);
  });
  afterAll(() => held.runtime?.stop());
  return () => held.runtime as Runtime;
}

describe("annotations", () => {
  const runtime = withRuntime();

  it("defaults: product type 1, product and engagement and title of the scan's name", async () => {
    const { name, product, engagement, test } = await synced(runtime());
    expect(product).toMatchObject({ name, prod_type: 1, tags: [] });
    expect(product.description).toBe("Product was automatically created by the secureCodeBox DefectDojo integration");
    expect(engagement).toMatchObject({ name, version: "", deduplication_on_engagement: false, tags: [] });
    expect(test.title).toBe(name);
  });
  it("product-type-name: created when missing, used when there", async () => {
    const first = await synced(runtime(), { annotations: { "product-type-name": "OWASP" } });
    const second = await synced(runtime(), { annotations: { "product-type-name": "OWASP" } });
    expect(first.receipt.productType.name).toBe("OWASP");
    expect(second.product.prod_type).toBe(first.product.prod_type);
  });
  it("product-name: the annotation, else the owning ScheduledScan", async () => {
    expect((await synced(runtime(), { annotations: { "product-name": " Juice Shop " } })).product.name).toBe(
      "Juice Shop",
    );
    const scheduled = await synced(runtime(), { owner: { kind: "ScheduledScan", name: "nightly-nmap" } });
    expect(scheduled.product.name).toBe("nightly-nmap");
    const cascaded = await synced(runtime(), { owner: { kind: "Scan", name: "parent" } });
    expect(cascaded.product.name).toBe(cascaded.name);
  });
  it("product-description and product-tags: on creation only, tags split on commas and trimmed", async () => {
    const annotations = { "product-name": "Tagged", "product-description": "one", "product-tags": "appsec, demo ,,x" };
    const first = await synced(runtime(), { annotations });
    expect(first.product).toMatchObject({ description: "one", tags: ["appsec", "demo", "x"] });
    const again = await synced(runtime(), {
      annotations: { ...annotations, "product-description": "two", "product-tags": "y" },
    });
    expect(again.product).toMatchObject({ id: first.product.id, description: "one", tags: ["appsec", "demo", "x"] });
  });
  it("engagement-name, engagement-version, engagement-tags, engagement-deduplicate-on-engagement", async () => {
    const annotations = {
      "engagement-name": "release",
      "engagement-version": "v1.2",
      "engagement-tags": "automated,daily",
      "engagement-deduplicate-on-engagement": "true",
    };
    const { engagement, test } = await synced(runtime(), { annotations });
    expect(engagement).toMatchObject({
      name: "release",
      version: "v1.2",
      branch_tag: "v1.2",
      tags: ["automated", "daily"],
      deduplication_on_engagement: true,
    });
    expect(test.version).toBe("v1.2");
  });
  it("test-title", async () => {
    expect((await synced(runtime(), { annotations: { "test-title": "Shop, v1" } })).test.title).toBe("Shop, v1");
  });
  it.each(["minimum-severity", "minimum_severity"])("%s is really applied", async (spelling) => {
    const { findings, receipt } = await synced(runtime(), { annotations: { [spelling]: "medium" } });
    expect(findings.map(({ severity }) => severity)).toEqual(["HIGH"]);
    expect(receipt.findings.count).toBe(1);
  });
  it("service, environment, branch-tag, commit-hash, test-tags, group-by, active, verified", async () => {
    const annotations = {
      service: "api",
      environment: "Production",
      "branch-tag": "main",
      "commit-hash": "c0ffee",
      "test-tags": "t1, t2",
      "group-by": "finding_title",
      active: "false",
      verified: "true",
    };
    const { test, findings, receipt } = await synced(runtime(), { annotations });
    expect(test).toMatchObject({ branch_tag: "main", commit_hash: "c0ffee", tags: ["t1", "t2"] });
    expect(findings[0]?.attributes).toMatchObject({ active: false, verified: true });
    const stored = runtime().standin.state.findingsByTest.get(receipt.test.id) ?? [];
    expect(stored.map(({ service }) => service)).toEqual(["api", "api"]);
  });
  it("close-old-findings: off by default, closes what a scan no longer finds where it is asked for", async () => {
    const same = { "product-name": "Closing", "engagement-name": "e" };
    const old = await synced(runtime(), { annotations: same });
    const kept = await synced(runtime(), { annotations: same, findings: FINDINGS.slice(0, 1) });
    const mitigated = () =>
      (runtime().standin.state.findingsByTest.get(old.receipt.test.id) ?? []).filter((one) => one.is_mitigated).length;
    expect([kept.receipt.findings.count, mitigated()]).toEqual([1, 0]);
    await synced(runtime(), { annotations: { ...same, "close-old-findings": "true" }, findings: FINDINGS.slice(0, 1) });
    expect(mitigated()).toBe(1);
  });
  it('do-not-import: "true" leaves the scan alone: no test, no receipt, counted', async () => {
    const { key, name } = await scan(runtime(), { annotations: { "do-not-import": "true" } });
    await synced(runtime()); // a later one is complete, so the first was processed
    expect(await runtime().receipt(key)).toBeUndefined();
    expect([...runtime().standin.state.tests.values()].some(({ title }) => title === name)).toBe(false);
    expect(await (await fetch(`${runtime().service.url}/metrics`)).text()).toMatch(
      /dojo_relay_jobs_not_selected_total [1-9]/,
    );
  });
  it("a typo is warned of with the nearest name, and build-id is ours", async () => {
    const { receipt, test } = await synced(runtime(), { annotations: { "product-nam": "x", "build-id": "mine" } });
    expect(receipt.warnings.join("\n")).toMatch(/product-nam is not known; did you mean product-name\?/);
    expect(receipt.warnings.join("\n")).toMatch(/build-id is ignored/);
    expect(test.build_id).toBe(receipt.jobKey);
  });
});

describe("created when missing", () => {
  const runtime = withRuntime();

  it("a CI/CD engagement in progress with lead and dates, and a test with description and dates", async () => {
    const { engagement, test } = await synced(runtime());
    expect(engagement).toMatchObject({
      status: "In Progress",
      engagement_type: "CI/CD",
      lead: 1,
      target_start: "2024-11-20",
    });
    expect(engagement.target_end >= engagement.target_start).toBe(true);
    expect(test.description).toBe(
      "# Generic Findings Import\nStarted: 20.11.2024 10:00:00\nEnded: 20.11.2024 10:05:00\nScanType: amass\nParameters: [-p,22]",
    );
    expect([test.target_start, test.target_end].map((time) => Date.parse(time))).toEqual([
      Date.parse("2024-11-20T10:00:00Z"),
      Date.parse("2024-11-20T10:05:00Z"),
    ]);
  });
  it("an engagement is reused until its name or version changes", async () => {
    const of = (version: string) => ({
      annotations: { "product-name": "Reuse", "engagement-name": "e", "engagement-version": version },
    });
    const [a, b, c, d] = [
      await synced(runtime(), of("v1")),
      await synced(runtime(), of("v1")),
      await synced(runtime(), of("v2")),
      await synced(runtime(), { annotations: { "product-name": "Reuse", "engagement-name": "e" } }),
    ];
    expect(b.engagement.id).toBe(a.engagement.id);
    expect(new Set([a, c, d].map(({ engagement }) => engagement.id)).size).toBe(3);
  });
  it("a product whose name only contains the wanted one is another", async () => {
    const longer = await synced(runtime(), { annotations: { "product-name": "Shop two" } });
    const exact = await synced(runtime(), { annotations: { "product-name": "Shop" } });
    expect(exact.product.id).not.toBe(longer.product.id);
  });
  it("an engagement that someone closed is reopened", async () => {
    const annotations = { "product-name": "Closed", "engagement-name": "e" };
    const { engagement } = await synced(runtime(), { annotations });
    Object.assign(engagement, { active: false, status: "Completed" });
    const again = await synced(runtime(), { annotations });
    expect(again.engagement).toMatchObject({ id: engagement.id, active: true, status: "In Progress" });
  });
  it("ids that were remembered are looked up afresh when somebody deleted the object", async () => {
    const annotations = { "product-name": "Deleted", "engagement-name": "e" };
    const { product, engagement } = await synced(runtime(), { annotations });
    const { state } = runtime().standin;
    state.products.delete(product.id);
    state.engagements.delete(engagement.id);
    const again = await synced(runtime(), { annotations });
    expect(again.product.id).not.toBe(product.id);
  });
});

describe("orchestration link", () => {
  const runtime = withRuntime();

  it("3.x: cicd_orchestration_engine", async () => {
    const { engagement } = await synced(runtime());
    const id = engagement.cicd_orchestration_engine ?? 0;
    expect(runtime().standin.state.cicdInfrastructure.get(id)).toMatchObject({
      name: "secureCodeBox",
      infrastructure_type: "orchestration",
    });
  });
  it("is left out, and the scan imported, where the token may not make it", async () => {
    const lowly = await startRuntime({ DEFECTDOJO_APIKEY: "standin-low-privileged-key" });
    expect((await synced(lowly)).engagement.cicd_orchestration_engine).toBeNull();
    await lowly.stop();
  });
  it("2.x: orchestration_engine, a tool configuration", async () => {
    const older = await startRuntime({}, { mode: "endpoints" });
    const { state } = older.standin;
    state.intercept = ({ path }) =>
      path.endsWith("/cicd_infrastructure/") ? { status: 404, body: "<!DOCTYPE html>" } : undefined;
    await synced(older);
    expect([...state.toolConfigurations.values()]).toMatchObject([
      { name: "secureCodeBox", url: "https://github.com/secureCodeBox" },
    ]);
    await older.stop();
  });
});

describe("low-privileged mode", () => {
  const runtime = withRuntime({
    DEFECTDOJO_LOW_PRIVILEGED_MODE: "true",
    DEFECTDOJO_APIKEY: "standin-low-privileged-key",
    DEFECTDOJO_USERNAME: "admin",
  });

  it("asks for no users list and links no orchestration; user_profile tells the lead", async () => {
    const { engagement, requests } = await synced(runtime());
    expect(engagement).toMatchObject({ lead: 2, cicd_orchestration_engine: null });
    expect(
      requests.filter(({ url }) => /\/(users|cicd_infrastructure|tool_types|system_settings)\//.test(url)),
    ).toEqual([]);
    expect(requests.filter(({ status, url }) => status === 403 && !url.includes("/location/"))).toEqual([]);
  });
  it("a second scan's duplicates have their originals and locations, without the superuser's list of locations", async () => {
    const { findings } = await synced(runtime(), { annotations: { "product-name": "Low" } });
    const again = await synced(runtime(), { annotations: { "product-name": "Low" } });
    expect(findings.map(({ location }) => location)).toEqual([
      "https://shop.example.com/a",
      "https://shop.example.com/b",
    ]);
    expect(again.findings.map(({ attributes }) => attributes["defectdojo.org/original-finding"])).toMatchObject([
      { location: "https://shop.example.com/a" },
      { location: "https://shop.example.com/b" },
    ]);
  });
  it("a missing product type is a clear error that names it and the right needed", async () => {
    const { key } = await scan(runtime(), { annotations: { "product-type-name": "Not there" } });
    expect(await runtime().ended(key)).toMatchObject({
      state: "failed",
      error: { reason: "product-type-missing", message: expect.stringMatching(/"Not there".*low-privileged/) },
    });
  });
});

describe("username mode", () => {
  const runtime = withRuntime({ DEFECTDOJO_USERNAME: "lowpriv" });

  it("the lead is looked up by DEFECTDOJO_USERNAME", async () => {
    expect((await synced(runtime())).engagement.lead).toBe(2);
  });
  it("DEFECTDOJO_USER_ID goes before it and needs no look-up", async () => {
    const byId = await startRuntime({ DEFECTDOJO_USERNAME: "nobody", DEFECTDOJO_USER_ID: "2" });
    expect((await synced(byId)).engagement.lead).toBe(2);
    await byId.stop();
  });
});

describe("read-only mode", () => {
  const runtime = withRuntime({ DEFECTDOJO_SYNC_FINDINGS_BACK: "false" });

  it("imports, writes the receipt, and leaves findings.json untouched", async () => {
    const { key, receipt } = await synced(runtime());
    expect(receipt).toMatchObject({ outcome: "imported", findings: { count: 2 }, new: 2 });
    expect(JSON.parse(String(await runtime().get(key)))).toEqual(FINDINGS);
    expect(await runtime().get(key.replace("findings.json", "findings.original.json"))).toBeUndefined();
  });
});

describe("hook selector", () => {
  const runtime = withRuntime({ DEFECTDOJO_HOOK_LABELS: "app=dojo-relay,tier=prod" });
  const selectors = {
    "matchLabels that fit": [{ matchLabels: { app: "dojo-relay" } }, true],
    "matchLabels that do not": [{ matchLabels: { app: "other" } }, false],
    In: [{ matchExpressions: [{ key: "tier", operator: "In", values: ["prod"] }] }, true],
    NotIn: [{ matchExpressions: [{ key: "tier", operator: "NotIn", values: ["prod"] }] }, false],
    Exists: [{ matchExpressions: [{ key: "app", operator: "Exists" }] }, true],
    DoesNotExist: [{ matchExpressions: [{ key: "app", operator: "DoesNotExist" }] }, false],
    "no selector": [undefined, true],
  } as const;

  it.each(Object.entries(selectors).map(([name, [selector, selected]]) => [name, selector, selected] as const))(
    "%s",
    async (_, hookSelector, selected) => {
      const { key } = await scan(runtime(), { ...(hookSelector === undefined ? {} : { hookSelector }) });
      const { key: later } = await scan(runtime());
      await runtime().ended(later);
      if (selected) await runtime().ended(key);
      expect((await runtime().receipt(key)) !== undefined).toBe(selected);
    },
  );
});

describe("scan types", () => {
  const nmap =
    '<?xml version="1.0"?><nmaprun scanner="nmap" start="1795168800" version="7.95"><host><status state="up"/><address addr="192.0.2.10" addrtype="ipv4"/>' +
    '<hostnames><hostname name="shop.example.com" type="user"/></hostnames><ports><port protocol="tcp" portid="443"><state state="open"/>' +
    '<service name="https"/></port></ports></host></nmaprun>';
  const raw = { type: "nmap-xml", file: "nmap-results.xml", body: nmap };
  const runtime = withRuntime(
    { SCAN_TYPE_MAP: JSON.stringify({ "acme-ports": "Nmap Scan", nikto: "Generic Findings Import" }) },
    { missingScanTypes: ["ZAP Scan"] },
  );

  it.each([
    ["native", "nmap", "Nmap Scan"],
    ["with a suffix", "nmap-internal", "Nmap Scan"],
    ["by its raw result type", "ports", "Nmap Scan"],
    ["SCAN_TYPE_MAP to a native parser", "acme-ports-eu", "Nmap Scan"],
    ["SCAN_TYPE_MAP to generic", "nikto", "Generic Findings Import"],
  ])("%s", async (_, scanType, importedAs) => {
    expect((await synced(runtime(), { scanType, raw })).receipt.importedAs).toBe(importedAs);
  });
  it("a parser that this server lacks falls to generic with a warning", async () => {
    const { receipt, findings } = await synced(runtime(), {
      scanType: "zap-baseline-scan",
      raw: { ...raw, type: "zap-xml" },
    });
    expect(receipt).toMatchObject({
      scanType: "ZAP Scan",
      importedAs: "Generic Findings Import",
      fellBack: expect.stringMatching(/no parser "ZAP Scan"/),
    });
    expect(findings).toHaveLength(2);
  });
  it("a report that the native parser refuses twice is imported as generic, and the stale test is gone", async () => {
    const { receipt, findings } = await synced(runtime(), { scanType: "nmap", raw: { ...raw, body: "not xml" } });
    expect(receipt).toMatchObject({
      importedAs: "Generic Findings Import",
      fellBack: expect.stringMatching(/"Nmap Scan" refused the report/),
    });
    expect(findings).toHaveLength(2);
    const tests = [...runtime().standin.state.tests.values()].filter(({ build_id }) => build_id === receipt.jobKey);
    expect(tests.map(({ percent_complete }) => percent_complete)).toEqual([100]);
  });
  it("an empty raw report with empty findings is a clean import of nothing", async () => {
    const { receipt, findings } = await synced(runtime(), {
      scanType: "ssh-audit",
      raw: { type: "ssh-audit-json", file: "ssh-audit.json", body: "{}" },
      findings: [],
    });
    expect([receipt.findings.count, findings]).toEqual([0, []]);
  });
});

describe("sync modes", () => {
  it("replace (default): DefectDojo's findings in the reference's category", async () => {
    const runtime = await startRuntime();
    const { findings, receipt } = await synced(runtime);
    expect(findings.map(({ category }) => category)).toEqual([
      "DefectDojo Imported Finding",
      "DefectDojo Imported Finding",
    ]);
    expect(receipt.findings).toEqual({
      count: 2,
      severities: { informational: 0, low: 1, medium: 0, high: 1 },
      categories: { "DefectDojo Imported Finding": 2 },
    });
    await runtime.stop();
  });
  it("merge: findings keep id, name, category and attributes and gain DefectDojo's state", async () => {
    const runtime = await startRuntime({ SYNC_MODE: "merge" });
    const { findings, receipt } = await synced(runtime);
    expect(findings).toMatchObject(
      FINDINGS.map((finding) => ({ ...finding, attributes: { port: 22, duplicate: false } })),
    );
    expect(receipt.findings.categories).toEqual({ "Open Port": 2 });
    await runtime.stop();
  });
});

describe("false positives", () => {
  const runtime = withRuntime();

  it("a later scan sees the verdict on the original", async () => {
    const annotations = { "product-name": "Triage" };
    const first = await synced(runtime(), { annotations });
    const [original] = runtime().standin.state.findingsByTest.get(first.receipt.test.id) ?? [];
    Object.assign(original as object, { false_p: true, active: false });
    const { receipt, findings } = await synced(runtime(), { annotations });
    expect(receipt).toMatchObject({ new: 0, duplicates: 1, falsePositives: 1, markedDuplicate: 2 });
    expect(findings[0]?.attributes).toMatchObject({
      duplicate: true,
      falsePositive: false,
      "defectdojo.org/original-finding": { attributes: { falsePositive: true } },
    });
  });
});
