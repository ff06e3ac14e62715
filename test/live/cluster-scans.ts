import { setTimeout as sleep } from "node:timers/promises";
import { PutObjectCommand } from "@aws-sdk/client-s3";
import type { Installation } from "./installation.ts";
import type { KubernetesApi } from "./kubernetes.ts";
import type { SmallScan } from "./many-scans.ts";
import { presignedGet } from "./presign.ts";

/** Where the tests' Scans are. */
export const NAMESPACE = "scans";

const GROUP = "execution.securecodebox.io";
const SCANS = `/apis/${GROUP}/v1`;

/** A definition of Scans as far as the relay reads them; everything else of theirs is kept as it is. */
const DEFINITION = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: `scans.${GROUP}` },
  spec: {
    group: GROUP,
    scope: "Namespaced",
    names: { plural: "scans", singular: "scan", kind: "Scan", listKind: "ScanList" },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
              status: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
            },
          },
        },
      },
    ],
  },
};

export interface ScanResource {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly status?: { readonly state?: string; readonly findings?: { readonly count: number } };
}

/** What an operator does with Scans, without one: creates them, and brings them from state to state. */
export function clusterOf(api: KubernetesApi) {
  const must = async (method: string, path: string, body?: unknown, type?: string) => {
    for (let tries = 1; ; tries++) {
      const answer = await api.request(method, path, body, type).catch(() => ({ status: 503, body: "no answer" }));
      if (answer.status < 300) return answer.body;
      // What was created before the answer was lost is there.
      if (answer.status === 409 && tries > 1 && method === "POST") return undefined;
      // A definition is served a moment after it is made; the API server is killed by some tests.
      if (tries === 300 || ![404, 409, 429, 500, 503].includes(answer.status)) {
        throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      }
      await sleep(200);
    }
  };
  const of = (namespace: string, name = "") => `${SCANS}/namespaces/${namespace}/scans${name && `/${name}`}`;
  return {
    define: async () => {
      await must("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", DEFINITION);
      await must("GET", `${SCANS}/scans`);
    },
    create: async (namespace: string, scan: object) =>
      ((await must("POST", of(namespace), { apiVersion: `${GROUP}/v1`, kind: "Scan", ...scan })) ??
        (await must("GET", of(namespace, (scan as ScanResource).metadata.name)))) as ScanResource,
    /** Merges this into the status. */
    status: async (namespace: string, name: string, status: object) =>
      (await must(
        "PATCH",
        `${of(namespace, name)}/status`,
        { status },
        "application/merge-patch+json",
      )) as ScanResource,
    list: async () => ((await must("GET", `${SCANS}/scans`)) as { items: ScanResource[] }).items,
    get: async (namespace: string, name: string) => (await must("GET", of(namespace, name))) as ScanResource,
    remove: async (namespace: string, name: string) => void (await must("DELETE", of(namespace, name))),
  };
}

export type Cluster = ReturnType<typeof clusterOf>;

interface LinkedScan {
  readonly keyOf: (name: string) => string;
}

/** What the operator does when a scan starts: its status has links to what is not there yet. */
export async function linkScan(
  scan: SmallScan,
  { bucket, minio }: Installation,
  cluster: Cluster,
): Promise<LinkedScan> {
  const { metadata, spec, status } = JSON.parse(new Map(scan.objects).get("scan.json") ?? "{}");
  // What must not be kept.
  const env = [{ name: "TOKEN", value: "X-Amz-Signature" }];
  const created = await cluster.create(NAMESPACE, {
    metadata: { ...metadata, namespace: NAMESPACE },
    spec: { ...spec, env },
  });
  const keyOf = (name: string) => `scan-${created.metadata.uid}/${name}`;
  const credentials = minio?.credentials ?? { accessKeyId: "", secretAccessKey: "" };
  const link = (name: string) => presignedGet(minio?.url ?? "", bucket, keyOf(name), credentials);
  await cluster.status(NAMESPACE, scan.name, {
    ...status,
    state: "Scanning",
    findingDownloadLink: link("findings.json"),
    rawResultDownloadLink: link(status.rawResultFile ?? "raw.txt"),
  });
  return { keyOf };
}

/** What scanner, parser and operator do then: results land, and the state goes on. */
export async function finishScan(
  scan: SmallScan,
  { keyOf }: LinkedScan,
  { s3, bucket }: Installation,
  cluster: Cluster,
): Promise<void> {
  for (const [name, body] of scan.objects)
    if (name !== "scan.json") await s3.send(new PutObjectCommand({ Bucket: bucket, Key: keyOf(name), Body: body }));
  await cluster.status(NAMESPACE, scan.name, { state: "ParseCompleted", findings: { count: 99 } });
  await cluster.status(NAMESPACE, scan.name, { state: "Done", finishedAt: new Date().toISOString() });
}
