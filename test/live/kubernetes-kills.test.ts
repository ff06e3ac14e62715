import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RIGHTS, rightName } from "../../cli/kubernetes/rights.ts";
import { RELAY_PREFIX } from "../../lib/model/cluster-scan.ts";
import { type Cluster, clusterOf, finishScan, linkScan, NAMESPACE } from "./cluster-scans.ts";
import { DOJOS, type LiveDojo } from "./dojo.ts";
import { type Installation, startInstallation } from "./installation.ts";
import { type KubernetesApi, startKubernetes } from "./kubernetes.ts";
import { type SmallScan, smallScans } from "./many-scans.ts";
import { haveServers } from "./servers.ts";

const have = haveServers("Scans of a Kubernetes API while everything is killed", "minio", "elasticmq", "kubernetes");

/** LIVE_SCANS=500 for the full number. */
const SCANS = Number(process.env.LIVE_SCANS || 60);
const PRODUCTS = Math.ceil(SCANS / 10);
const [row] = DOJOS;
const BUSY = { timing: { fixedMs: 3, importMsPerFinding: 10, workers: 4 } };

describe.skipIf(!have)(
  `${SCANS} Scans, two relays, no notification: relays and API server are killed, watches expire`,
  () => {
    const run = `kube-${Date.now().toString(36)}`;
    const scans = smallScans(run, SCANS, PRODUCTS);
    const figures: Record<string, unknown> = { scans: SCANS };
    const keys = new Map<string, string>();
    let dojo: LiveDojo;
    let api: KubernetesApi;
    let cluster: Cluster;
    let installation: Installation;

    beforeAll(async () => {
      if (row === undefined) throw new Error("there is no DefectDojo");
      dojo = await row.open(BUSY);
      api = await startKubernetes();
      cluster = clusterOf(api);
      await cluster.define();
      installation = await startInstallation({
        dojo,
        servers: { minio: true, elasticmq: true },
        notifies: false,
        second: true,
        env: {
          KUBECONFIG: api.kubeconfig,
          ...{ SCAN_SOURCE: "auto", TRIGGER: "kubernetes", SCAN_NAMESPACES: NAMESPACE },
          ...{ VISIBILITY_SECONDS: "10", HEARTBEAT_SECONDS: "10", MAX_CONCURRENCY: "6" },
        },
      });
    });
    afterAll(async () => {
      process.stderr.write(
        `\n${Object.entries(figures)
          .map(([name, value]) => `${name}: ${value}`)
          .join(", ")}\n\n`,
      );
      await installation?.stop();
      await api?.stop();
      await dojo?.close();
    });

    it("every Scan ends with its receipt, and is told so", async () => {
      const { relays, eventually } = installation;
      const [first, second] = relays;
      const started = performance.now();
      const done = async () => (await installation.keys("", "/defectdojo.json")).length;
      const through = (part: number) =>
        eventually(`receipt ${part * SCANS}`, async () => (await done()) >= part * SCANS);
      const finished = finishAll(scans, keys, installation, cluster);

      for (const [part, relay] of [
        [0.1, first],
        [0.25, second],
        [0.6, first],
      ] as const) {
        await through(part);
        expect((await relay?.end("SIGKILL"))?.signal).toBe("SIGKILL");
        await sleep(1_000);
        await relay?.start();
      }
      // One relay stands still, and its watch is cut, while there are new versions and the earlier ones are forgotten.
      const lists = (await api.requests())["list scans"] ?? 0;
      second?.pause(true);
      await api.restart();
      await cluster.create(NAMESPACE, {
        metadata: { name: `${run}-never-begun` },
        spec: { scanType: "nmap", parameters: [] },
      });
      await api.restart(() => api.compact());
      second?.pause(false);
      await finished;
      await eventually("all receipts", async () => (await done()) === SCANS);
      await eventually("all Scans told", async () => (await told()).length === SCANS);
      await installation.idle();
      figures["seconds"] = Math.round((performance.now() - started) / 1000);
      expect((await api.requests())["list scans"]).toBeGreaterThan(lists);
      const bytes = await Promise.all(relays.map((relay) => relay.metric("process_resident_memory_bytes")));
      figures["MiB of the relays"] = bytes.map((one) => Math.round(one / 2 ** 20)).join(" and ");
      figures["requests to the API"] = JSON.stringify(await api.requests());
    });

    const told = async () =>
      (await cluster.list()).filter(
        ({ metadata, status }) =>
          metadata.annotations?.[`${RELAY_PREFIX}run`] === metadata.uid && status?.findings?.count === 2,
      );

    it("once: one test in DefectDojo each, with the Scan kept beside the findings", async () => {
      const tests = new Set<number>();
      for (const { name } of scans) {
        const key = keys.get(name) ?? "";
        const receipt = await installation.receipt(key);
        expect(receipt).toMatchObject({ outcome: "synced", findings: { count: 2 }, scan: { name } });
        expect(await dojo.tests({ title: name })).toMatchObject([{ id: receipt.test.id, build_id: receipt.jobKey }]);
        tests.add(receipt.test.id);
        const kept = JSON.parse(String(await installation.get(key.replace("findings.json", "scan.json"))));
        expect(kept).toMatchObject({ metadata: { name, namespace: NAMESPACE } });
        expect(JSON.stringify(kept)).not.toContain("X-Amz-Signature");
      }
      expect(tests.size).toBe(SCANS);
      expect(await installation.takeDeadLetters()).toEqual([]);
      expect(await installation.keys("", "defectdojo.pending.json")).toEqual([]);
    });

    it("with no other request than those that the chart grants", async () => {
      const granted = new Set(RIGHTS.map(rightName));
      // Asked of this API server, which has no core API, only to learn that.
      expect(Object.keys(await api.requests()).filter((request) => !granted.has(request))).toEqual([]);
    });

    it("and a relay that starts again asks the bucket nothing of Scans that are told", async () => {
      const { relay } = installation;
      await relay.end("SIGTERM");
      await relay.start();
      await installation.eventually("the list", async () => ((await api.requests())["watch scans"] ?? 0) > 0);
      await sleep(1_000);
      expect(await relay.metric("dojo_relay_notifications_received_total")).toBe(0);
    });
  },
);

// --- utils ---

/** Finishes Scans side by side, whatever is killed meanwhile. */
async function finishAll(
  scans: readonly SmallScan[],
  keys: Map<string, string>,
  installation: Installation,
  cluster: Cluster,
): Promise<void> {
  const rest = scans.values();
  const finish = async () => {
    for (const scan of rest) {
      const linked = await linkScan(scan, installation, cluster);
      keys.set(scan.name, linked.keyOf("findings.json"));
      await finishScan(scan, linked, installation, cluster);
    }
  };
  await Promise.all(Array.from({ length: 4 }, finish));
}
