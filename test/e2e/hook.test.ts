import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FINDINGS, NMAP_XML, scanResource } from "./hook-scan.ts";
import { FOUND, type HookWorld, RAW, startHookWorld } from "./hook-world.ts";

const STATUS_PATH = "/apis/execution.securecodebox.io/v1/namespaces/pentest/scans/nmap-scanme/status";

let world: HookWorld;

beforeEach(async () => {
  world = await startHookWorld();
});

afterEach(() => world.stop());

describe("dojo-relay hook", () => {
  test("read-only mode imports and leaves findings and Scan unchanged", async () => {
    const result = await world.hook(world.readOnly());
    expect(result).toMatchObject({ outcome: "imported", patched: false, receipt: { importedAs: "Nmap Scan" } });
    expect(world.tests()).toHaveLength(1);
    expect(world.store.text(FOUND)).toBe(JSON.stringify(FINDINGS));
    expect(world.store.requests.every(({ method }) => method === "GET")).toBe(true);
    expect(world.kube.patches()).toEqual([]);
  });

  test("read-and-write mode replaces the findings and patches their counts into the Scan's status", async () => {
    const result = await world.hook(world.readWrite());
    expect(result).toMatchObject({ outcome: "synced", patched: true });
    const written = world.findings();
    expect(written).toHaveLength(3);
    expect(written[0]).toMatchObject({
      category: "DefectDojo Imported Finding",
      attributes: { "defectdojo.org/test-id": result.receipt?.test.id, duplicate: false, falsePositive: false },
      scan: { name: "nmap-scanme", namespace: "pentest" },
    });
    const [patch] = world.kube.patches();
    expect(patch).toMatchObject({
      path: STATUS_PATH,
      contentType: "application/json-patch+json",
      authorization: "Bearer kube-token",
    });
    expect(patch?.body).toEqual([
      {
        op: "add",
        path: "/status/findings",
        value: {
          count: 3,
          severities: { informational: 3, low: 0, medium: 0, high: 0 },
          categories: { "DefectDojo Imported Finding": 3 },
        },
      },
    ]);
  });

  test("uploads the findings with one PUT of known length and never writes the raw result", async () => {
    await world.hook(world.readWrite());
    const puts = world.store.requests.filter(({ method }) => method === "PUT");
    expect(puts).toHaveLength(1);
    expect(puts[0]).toMatchObject({
      path: FOUND,
      headers: { "content-length": String(world.store.objects.get(FOUND)?.body.length) },
    });
    expect(puts[0]?.headers["transfer-encoding"]).toBeUndefined();
    // A version 2 signature covers the content type; unsigned headers are rejected.
    expect(puts[0]?.headers["content-type"]).toBeUndefined();
    expect(Object.keys(puts[0]?.headers ?? {}).filter((name) => name.startsWith("x-amz"))).toEqual([]);
    expect(world.store.text(RAW)).toBe(NMAP_XML);
    expect(world.store.requests.some(({ method }) => method === "HEAD")).toBe(false);
  });

  test("the Scan determines its context: product of the ScheduledScan, engagement and test of the scan", async () => {
    world.kube.scans.set(
      "pentest/nmap-scanme",
      scanResource({ annotations: { "defectdojo.securecodebox.io/engagement-version": "v2" } }),
    );
    const { receipt } = await world.hook(world.readOnly());
    expect(receipt).toMatchObject({
      product: { name: "nmap-daily" },
      engagement: { name: "nmap-scanme" },
      test: { name: "nmap-scanme" },
    });
    expect([...world.dojo.state.engagements.values()].map(({ version }) => version)).toContain("v2");
  });

  test("DEFECTDOJO_SYNC_FINDINGS_BACK=false only reads despite four URLs", async () => {
    expect(await world.hook(world.readWrite(), { DEFECTDOJO_SYNC_FINDINGS_BACK: "false" })).toMatchObject({
      outcome: "imported",
      patched: false,
    });
    expect(world.store.text(FOUND)).toBe(JSON.stringify(FINDINGS));
  });

  test("a scan type without a parser is imported from its findings; merge mode keeps them and adds the verdicts", async () => {
    world.kube.scans.set(
      "pentest/nmap-scanme",
      scanResource({ spec: { scanType: "custom" }, status: { rawResultType: "custom" } }),
    );
    const { receipt } = await world.hook(world.readWrite(), { SYNC_MODE: "merge" });
    expect(receipt).toMatchObject({ importedAs: "Generic Findings Import", syncMode: "merge" });
    expect(world.findings().map(({ id, category }) => [id, category])).toEqual(
      FINDINGS.map(({ id, category }) => [id, category]),
    );
    expect(world.findings()[0]?.attributes).toMatchObject({ port: 22, duplicate: false });
    // Restarted after its own write-back, it writes the same.
    const before = world.findings();
    await world.hook(world.readWrite(), { SYNC_MODE: "merge" });
    expect(world.findings()).toEqual(before);
    expect(world.tests()).toHaveLength(1);
  });

  test("SCAN_TYPE_MAP applies", async () => {
    world.kube.scans.set(
      "pentest/nmap-scanme",
      scanResource({ spec: { scanType: "custom-scanner" }, status: { rawResultType: "custom" } }),
    );
    const { receipt } = await world.hook(world.readOnly(), { SCAN_TYPE_MAP: '{"custom-scanner":"Nmap Scan"}' });
    expect(receipt).toMatchObject({ importedAs: "Nmap Scan" });
  });

  test("without status.rawResultFile the URL names the raw result", async () => {
    world.kube.scans.set("pentest/nmap-scanme", scanResource({ status: { rawResultFile: undefined } }));
    expect(await world.hook(world.readOnly())).toMatchObject({ receipt: { importedAs: "Nmap Scan" } });
  });

  test("low-privileged mode requests no users and links no orchestration engine", async () => {
    const result = await world.hook(world.readOnly(), {
      DEFECTDOJO_APIKEY: world.dojo.lowPrivilegedApiKey,
      DEFECTDOJO_LOW_PRIVILEGED_MODE: " True ",
    });
    expect(result.outcome).toBe("imported");
    const asked = world.dojo.state.requests.map(({ url }) => url);
    expect(asked.filter((url) => /\/(users|tool_types|tool_configurations|ci_cd)/.test(url))).toEqual([]);
  });

  test("do-not-import and unselected hook labels succeed without any action", async () => {
    world.kube.scans.set(
      "pentest/nmap-scanme",
      scanResource({ annotations: { "defectdojo.securecodebox.io/do-not-import": "true" } }),
    );
    expect(await world.hook(world.readWrite())).toMatchObject({ outcome: "do-not-import", patched: false });
    world.kube.scans.set(
      "pentest/nmap-scanme",
      scanResource({ spec: { hookSelector: { matchLabels: { team: "a" } } } }),
    );
    expect(await world.hook(world.readWrite(), { DEFECTDOJO_HOOK_LABELS: "team=b" })).toMatchObject({
      outcome: "not-selected",
    });
    expect(world.dojo.state.requests).toEqual([]);
    expect(world.store.requests).toEqual([]);
  });

  test("old variables work or cause a warning", async () => {
    await world.hook(world.readOnly(), {
      DEFECTDOJO_IS_DEV: undefined,
      IS_DEV: "true",
      DEFECTDOJO_REFETCH_WAIT_SECONDS: "30",
    });
    const warnings = world.lines.filter(({ level }) => level === "warn").map(({ message }) => message);
    expect(warnings).toEqual([
      expect.stringContaining("IS_DEV is deprecated"),
      expect.stringContaining("DEFECTDOJO_REFETCH_WAIT_SECONDS is deprecated and ignored"),
      expect.stringContaining("DefectDojo keeps less than the scanner found"),
    ]);
  });
});

describe("a restarted hook", () => {
  test("finds its test if it died after the import", async () => {
    world.store.fault = ({ method }) =>
      method === "PUT" ? { status: 403, body: "<Error><Code>AccessDenied</Code></Error>" } : undefined;
    await expect(world.hook(world.readWrite())).rejects.toMatchObject({ reason: "storage-forbidden" });
    expect(world.tests()).toHaveLength(1);
    world.store.fault = () => undefined;
    expect(await world.hook(world.readWrite())).toMatchObject({ outcome: "synced", patched: true });
    expect(world.tests()).toHaveLength(1);
    expect(world.posts("/import-scan/")).toBe(1);
  });

  test("imports nothing of its own write-back if it died before patching the status", async () => {
    world.kube.refuse = ({ method }) => (method === "PATCH" ? 403 : undefined);
    await expect(world.hook(world.readWrite())).rejects.toMatchObject({ reason: "cluster-refused" });
    const written = world.findings();
    world.kube.refuse = () => undefined;
    expect(await world.hook(world.readWrite())).toMatchObject({ outcome: "synced", patched: true });
    expect(world.tests()).toHaveLength(1);
    expect(world.posts("/import-scan/")).toBe(1);
    expect(world.findings()).toEqual(written);
  });

  test("is the same job with new signatures; another scan of the same raw result is another job", async () => {
    await world.hook(world.readOnly());
    await world.hook(world.readOnly().map((url) => `${url}&X-Amz-Date=20261120T100000Z`));
    expect(world.tests()).toHaveLength(1);
    const again = scanResource();
    world.kube.scans.set("pentest/nmap-scanme", {
      ...again,
      metadata: { ...again.metadata, uid: "11111111-1111-4111-8111-111111111111" },
    });
    await world.hook(world.readOnly());
    expect(world.tests()).toHaveLength(2);
  });

  test("looks up an import without a response instead of sending it again", async () => {
    world.dojo.state.intercept = ({ method, path, earlier }) =>
      method === "POST" && path === "/import-scan/" && earlier === 0 ? { processThenHangUp: true } : undefined;
    expect(await world.hook(world.readWrite())).toMatchObject({ outcome: "synced" });
    expect(world.tests()).toHaveLength(1);
    expect(world.posts("/import-scan/")).toBe(1);
  });
});

describe("dojo-relay hook in reimport mode", () => {
  const begin = (uid: string, createdAt: string) => {
    const scan = scanResource() as { metadata: object };
    const metadata = { ...scan.metadata, uid, creationTimestamp: createdAt };
    world.kube.scans.set("pentest/nmap-scanme", { ...scan, metadata });
    world.put(FOUND, JSON.stringify(FINDINGS));
    world.put(RAW, NMAP_XML);
  };

  test("runs share one living test, and an outdated run changes nothing", async () => {
    const env = { IMPORT_MODE: "reimport" };
    expect((await world.hook(world.readWrite(), env)).receipt).toMatchObject({
      new: 3,
      known: 0,
      importMode: "reimport",
    });
    begin("run-3", "2024-11-22T10:00:00Z");
    const third = await world.hook(world.readWrite(), env);
    expect(third.receipt).toMatchObject({ new: 0, known: 3, closed: 0, test: { name: "pentest/nmap-daily" } });
    expect(world.tests()).toHaveLength(1);
    begin("run-2", "2024-11-21T10:00:00Z");
    expect(await world.hook(world.readWrite(), env)).toMatchObject({
      ...{ outcome: "outdated", patched: false },
      receipt: { outcome: "outdated", test: third.receipt?.test, outdated: { laterRunAt: "2024-11-22T10:00:00.000Z" } },
    });
    expect(world.store.text(FOUND)).toBe(JSON.stringify(FINDINGS));
    expect((await world.cli(["hook", ...world.readWrite()], env)).stdout).toMatch(
      /^pentest\/nmap-\S+: outdated; test \d+ has a later run of this scan, .*; nothing was imported$/m,
    );
  });
});
