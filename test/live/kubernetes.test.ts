import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RELAY_PREFIX } from "../../lib/model/cluster-scan.ts";
import { type Cluster, clusterOf, finishScan, linkScan, NAMESPACE } from "./cluster-scans.ts";
import { DOJOS, type LiveDojo } from "./dojo.ts";
import { type Installation, startInstallation } from "./installation.ts";
import { type KubernetesApi, startKubernetes } from "./kubernetes.ts";
import { type SmallScan, smallScans } from "./many-scans.ts";
import { haveServers } from "./servers.ts";

const have = haveServers("Scans of a Kubernetes API", "minio", "kubernetes");
const [row] = DOJOS;

describe.skipIf(!have)("Scans of a Kubernetes API, with MinIO and without any notification", () => {
  const run = `k8s-${Date.now().toString(36)}`;
  let api: KubernetesApi;
  let cluster: Cluster;
  let dojo: LiveDojo;
  let installation: Installation;

  beforeAll(async () => {
    if (row === undefined) throw new Error("there is no DefectDojo");
    dojo = await row.open();
    api = await startKubernetes();
    cluster = clusterOf(api);
    await cluster.define();
    installation = await startInstallation({
      dojo,
      servers: { minio: true },
      notifies: false,
      env: {
        KUBECONFIG: api.kubeconfig,
        SCAN_SOURCE: "kubernetes",
        TRIGGER: "kubernetes",
      },
    });
  });
  afterAll(async () => {
    await installation?.stop();
    await api?.stop();
    await dojo?.close();
  });

  it("one Scan goes from its last state to DefectDojo and back", async () => {
    const [scan] = smallScans(run, 1, 1) as [SmallScan];
    const linked = await linkScan(scan, installation, cluster);
    await finishScan(scan, linked, installation, cluster);
    const key = linked.keyOf("findings.json");
    const receipt = await installation.receipt(key);
    expect(receipt).toMatchObject({ outcome: "synced", findings: { count: 2 } });
    expect(await dojo.tests({ build_id: receipt.jobKey })).toMatchObject([{ id: receipt.test.id }]);
    await installation.eventually("the outcome on the Scan", async () => {
      const told = await cluster.get(NAMESPACE, scan.name);
      return (
        told.metadata.annotations?.[`${RELAY_PREFIX}test`] === receipt.test.url && told.status?.findings?.count === 2
      );
    });
    // This API server has no core API, and so no Events; nothing else is amiss.
    expect(installation.relay.complaints()).toEqual([expect.stringContaining("may not create events")]);
  });
});
