import { describe, expect, it } from "vitest";
import { type AskedScan, checkKubernetes } from "../../../cli/doctor/check-kubernetes.ts";
import { RIGHTS } from "../../../cli/kubernetes/rights.ts";
import { RelayError } from "../../../lib/errors.ts";
import { aScanResource, type FakeCluster, fakeCluster, type ResourceParts, UID } from "../../helpers/cluster.ts";
import { memoryStorage } from "../../helpers/memory-storage.ts";

const KEY = `scan-${UID}`;
const page = (...items: ResourceParts[]) => ({
  items: items.map(aScanResource),
  resourceVersion: "1",
  next: undefined,
});

interface Told {
  readonly env?: Record<string, string>;
  readonly asked?: AskedScan;
  readonly objects?: readonly string[];
}

async function check(
  cluster: FakeCluster,
  { env = {}, asked = true, objects = ["findings.json", "nmap-results.xml"] }: Told = {},
) {
  const storage = memoryStorage();
  for (const name of objects) storage.put({ bucket: "securecodebox", key: `${KEY}/${name}` }, "x");
  const config = { BUCKET: "securecodebox", FINDINGS_NAME: "findings.json" };
  const diagnoses = await checkKubernetes(env, { config, storage } as never, asked, async () => cluster);
  return Object.fromEntries(diagnoses.map(({ check, level, says }) => [check, `${level}: ${says}`]));
}

describe("doctor --kubernetes", () => {
  it("is content where everything is there", async () => {
    const cluster = fakeCluster([page({})]);
    expect(await check(cluster)).toEqual({
      "Kubernetes rights": "ok: the service account has all permissions that the service needs",
      scans: "ok: https://kubernetes.example.com has 1 of them",
      operator: "ok: Scan scans/nmap-1 is final, with links to its results",
      "URL template": `ok: ${KEY}/findings.json is found by its link`,
      results: `ok: s3://securecodebox/${KEY}/nmap-results.xml can be read`,
    });
    expect(cluster.calls.filter((call) => call.startsWith("may all"))).toHaveLength(RIGHTS.length);
  });

  it("asks for no right to write status.findings where they are not written", async () => {
    const cluster = fakeCluster([page({})]);
    await check(cluster, { env: { SCAN_STATUS: "false" } });
    const asked = cluster.calls.filter((call) => call.startsWith("may"));
    expect(asked).toContain("may all patch scans");
    expect(asked).not.toContain("may all patch scans/status");
  });

  it("asks for each namespace that is named, and for one Scan where one is", async () => {
    const cluster = fakeCluster([page({})]);
    await check(cluster, { env: { SCAN_NAMESPACES: "a, b" }, asked: "scans/nmap-1" });
    expect(cluster.calls).toEqual(expect.arrayContaining(["list a", "list b", "get scans/nmap-1", "may b list scans"]));
  });

  it.each([
    ["list scans", "fail"],
    ["create events", "warn"],
  ])("names the right to %s where it is missing", async (right, level) => {
    const cluster = fakeCluster([page({})]);
    cluster.may = async ({ verb, resource, subresource }) =>
      `${verb} ${resource}` !== right || subresource !== undefined;
    expect((await check(cluster))["Kubernetes rights"]).toContain(`${level}: missing: ${right} in all namespaces`);
  });

  it("names a missing right where its want makes a look fail, and says what else it found", async () => {
    const forbidden = new RelayError("cluster-refused", "LIST scans: HTTP 403 forbidden", { status: 403 });
    const unlisted = fakeCluster([forbidden]);
    unlisted.may = async ({ verb }) => verb !== "list";
    expect(await check(unlisted)).toEqual({
      "Kubernetes rights": expect.stringContaining("fail: missing: list scans"),
      scans: expect.stringContaining("fail: LIST scans: HTTP 403"),
    });
    const unread = fakeCluster([page({})]);
    unread.may = async ({ verb }) => verb !== "get";
    unread.before = (call) => {
      if (call.startsWith("get")) throw forbidden;
    };
    expect(await check(unread, { asked: "scans/nmap-1" })).toEqual({
      "Kubernetes rights": expect.stringContaining("warn: missing: get scans"),
      scans: "ok: https://kubernetes.example.com has 1 of them",
      operator: expect.stringContaining("fail: LIST scans: HTTP 403"),
    });
  });

  it("says where rights cannot be asked, where the definition is missing, and where nobody begins Scans", async () => {
    const bare = fakeCluster([page({ status: { findingDownloadLink: "" } })]);
    bare.may = () => Promise.reject(new RelayError("cluster-refused", "HTTP 404", { status: 404 }));
    expect(await check(bare)).toMatchObject({
      "Kubernetes rights": expect.stringContaining("warn: this API server has no authorization API"),
      operator: expect.stringContaining("warn: no Scan has links"),
    });
    const without = fakeCluster([new RelayError("cluster-refused", "HTTP 404", { status: 404 })]);
    expect((await check(without)).scans).toContain("fail: the API server knows no scans");
    expect((await check(fakeCluster())).operator).toContain("ok: no Scan is finished yet");
  });

  it.each([
    ["another bucket", "http://minio/other/a/findings.json", "bucket of the operator", "fail"],
    ["another name", "http://minio/securecodebox/a/nmap-findings.json", "URL template", "fail"],
  ])("says that the operator writes to %s", async (_, link, name, level) => {
    const cluster = fakeCluster([page({ status: { findingDownloadLink: link } })]);
    expect((await check(cluster))[name]).toMatch(new RegExp(`^${level}`));
  });

  it("says which results are not there", async () => {
    const told = await check(fakeCluster([page({})]), { objects: ["findings.json"] });
    expect(told.results).toBe(`warn: s3://securecodebox/${KEY}/nmap-results.xml does not exist`);
  });
});
