import type { KubernetesApi } from "./kubernetes.ts";

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
      const answer = await api.request(method, path, body, type);
      if (answer.status < 300) return answer.body;
      // A definition is served a moment after it is made.
      if (tries === 50 || (answer.status !== 404 && answer.status !== 429)) {
        throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };
  const of = (namespace: string, name = "") => `${SCANS}/namespaces/${namespace}/scans${name && `/${name}`}`;
  return {
    define: async () => {
      await must("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", DEFINITION);
      await must("GET", `${SCANS}/scans`);
    },
    create: async (namespace: string, scan: object) =>
      (await must("POST", of(namespace), {
        apiVersion: `${GROUP}/v1`,
        kind: "Scan",
        ...scan,
      })) as ScanResource,
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
