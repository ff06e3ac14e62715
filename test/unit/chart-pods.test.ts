import { describe, expect, test } from "vitest";
import { helm, type Manifest, renderChart, type Values } from "../helpers/chart.ts";

if (helm === undefined) process.stderr.write("\n*** SKIPPED: the chart's pods. Set HELM_BIN to run it. ***\n\n");

interface SecurityContext {
  readonly runAsNonRoot?: boolean;
  readonly runAsUser?: number;
  readonly seccompProfile?: { readonly type: string };
  readonly appArmorProfile?: { readonly type: string };
  readonly seLinuxOptions?: object;
  readonly windowsOptions?: object;
  readonly sysctls?: readonly object[];
  readonly privileged?: boolean;
  readonly procMount?: string;
  readonly allowPrivilegeEscalation?: boolean;
  readonly readOnlyRootFilesystem?: boolean;
  readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] };
}

interface Volume {
  readonly name: string;
  readonly emptyDir?: { readonly sizeLimit?: string };
}

interface Container {
  readonly name: string;
  readonly securityContext?: SecurityContext;
  readonly ports?: readonly { readonly hostPort?: number }[];
  readonly resources?: { readonly requests?: Record<string, string>; readonly limits?: Record<string, string> };
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly readOnly?: boolean }[];
  readonly livenessProbe?: object;
  readonly readinessProbe?: object;
}

interface Pod {
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly restartPolicy?: string;
  readonly securityContext?: SecurityContext;
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Volume[];
  readonly nodeSelector?: object;
  readonly tolerations?: readonly object[];
  readonly imagePullSecrets?: readonly object[];
  readonly priorityClassName?: string;
}

/** Every optional part that has a pod, placed on nodes of its own. */
const EVERYTHING: Values = {
  imagePullSecrets: [{ name: "registry" }],
  relay: {
    nodeSelector: { pool: "scans" },
    tolerations: [{ key: "scans", operator: "Exists" }],
    priorityClassName: "high",
    extraVolumes: [{ name: "ca", configMap: { name: "ca" } }],
    extraVolumeMounts: [{ name: "ca", mountPath: "/ca", readOnly: true }],
  },
  elasticmq: { enabled: true },
  backfill: { enabled: true },
  resync: { enabled: true },
  autoscaling: { enabled: true },
  notify: { urlSecret: "chat" },
};

const CASES: readonly (readonly [string, Values, readonly string[]])[] = [
  ["the defaults", {}, ["Deployment release-dojo-relay"]],
  ["a queue without a volume", { persistence: { enabled: false } }, ["Deployment release-dojo-relay"]],
  [
    "everything",
    EVERYTHING,
    [
      "CronJob release-dojo-relay-backfill",
      "CronJob release-dojo-relay-resync",
      "Deployment release-dojo-relay",
      "StatefulSet release-dojo-relay-elasticmq",
    ],
  ],
];

describe.skipIf(helm === undefined)("the chart's pods", () => {
  test.each(CASES)("of %s are all known here", (_, values, expected) => {
    expect([...podsOf(values).keys()].sort()).toEqual(expected);
  });

  test.each(CASES)("of %s keep the Pod Security Standard `restricted`", (_, values) => {
    for (const [name, pod] of podsOf(values)) expect(violations(pod), name).toEqual([]);
  });

  test.each(CASES)(
    "of %s can write to /tmp, which their root file system refuses, and to no more than a limit",
    (_, values) => {
      for (const [name, { containers, volumes = [] }] of podsOf(values)) {
        for (const { securityContext, volumeMounts = [] } of containers) {
          expect(securityContext, name).toMatchObject({ readOnlyRootFilesystem: true });
          const tmp = volumeMounts.find(({ mountPath }) => mountPath === "/tmp");
          expect(tmp?.readOnly ?? false, name).toBe(false);
          expect(volumes.find((volume) => volume.name === tmp?.name)?.emptyDir, `/tmp of ${name}`).toBeDefined();
        }
        for (const { emptyDir } of volumes) if (emptyDir !== undefined) expect(emptyDir).toHaveProperty("sizeLimit");
      }
    },
  );

  test.each(CASES)("of %s ask for what they need, and are probed where they stay", (_, values) => {
    for (const [name, { containers, restartPolicy }] of podsOf(values)) {
      for (const container of containers) {
        expect(container.resources, name).toMatchObject({
          requests: { cpu: expect.any(String), memory: expect.any(String) },
          limits: { memory: expect.any(String) },
        });
        if (restartPolicy !== "Never") expect(Object.keys(container)).toEqual(expect.arrayContaining(PROBES));
      }
    }
  });

  test("are all scheduled as the values say", () => {
    const { nodeSelector, tolerations, priorityClassName } = EVERYTHING.relay as Values;
    const { imagePullSecrets } = EVERYTHING;
    for (const [name, pod] of podsOf(EVERYTHING))
      expect(pod, name).toMatchObject({ nodeSelector, tolerations, priorityClassName, imagePullSecrets });
  });

  test("a hanging CronJob run does not block later ones for good", () => {
    for (const { spec } of renderChart(EVERYTHING).filter(({ kind }) => kind === "CronJob"))
      expect(spec).toMatchObject({
        concurrencyPolicy: "Forbid",
        jobTemplate: { spec: { activeDeadlineSeconds: expect.any(Number) } },
      });
  });

  test("ElasticMQ restarts on a new configuration, and is reachable under restricted egress", () => {
    const annotations = (values: Values) => {
      const queue = renderChart(values).find(({ kind }) => kind === "StatefulSet");
      return (queue?.spec as { template: Manifest } | undefined)?.template.metadata.annotations;
    };
    expect(annotations(EVERYTHING)).not.toEqual(annotations({ ...EVERYTHING, s3: { region: "eu-central-1" } }));
    const egress = [{ to: [{ ipBlock: { cidr: "10.0.0.0/8" } }] }];
    const policy = renderChart({ ...EVERYTHING, networkPolicy: { enabled: true, egress } }).find(
      ({ kind, metadata }) => kind === "NetworkPolicy" && metadata.name === "release-dojo-relay",
    );
    const podSelector = { matchLabels: { "app.kubernetes.io/name": "release-dojo-relay-elasticmq" } };
    expect(policy?.spec.egress).toMatchObject([
      {},
      { to: [{ podSelector }], ports: [{ port: 9324 }] },
      egress[0] ?? {},
    ]);
  });

  test("a hook adds nothing to the operator's pod that `restricted` forbids", () => {
    const [hook] = renderChart({ mode: "hook" });
    const volumes = hook?.spec.volumes as readonly Volume[];
    expect(volumes.flatMap(volumeViolations)).toEqual([]);
  });
});

describe("the check itself", () => {
  const good: Pod = {
    securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } },
    containers: [{ name: "c", securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } } }],
  };
  const container = (securityContext: SecurityContext): Partial<Pod> => ({
    containers: [{ name: "c", securityContext: { ...good.containers[0]?.securityContext, ...securityContext } }],
  });

  test("allows what the standard allows", () => {
    expect(violations(good)).toEqual([]);
    expect(
      violations({ ...good, ...container({ capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] } }) }),
    ).toEqual([]);
  });

  test.each<readonly [string, Partial<Pod>]>([
    ["the host's network", { hostNetwork: true }],
    ["root, or nothing about it", { securityContext: { seccompProfile: { type: "RuntimeDefault" } } }],
    ["user 0", { securityContext: { ...good.securityContext, runAsUser: 0 } }],
    ["no seccomp profile", { securityContext: { runAsNonRoot: true } }],
    ["a port of the host", { containers: [{ ...good.containers[0], name: "c", ports: [{ hostPort: 80 }] }] }],
    ["a path of the host", { volumes: [{ name: "v", hostPath: { path: "/" } } as Volume] }],
    ["more privileges by setuid", container({ allowPrivilegeEscalation: true })],
    ["capabilities that are kept", container({ capabilities: { drop: ["KILL"] } })],
    ["capabilities that are added", container({ capabilities: { drop: ["ALL"], add: ["SYS_ADMIN"] } })],
    ["a privileged container", container({ privileged: true })],
    ["root by a container's own word", container({ runAsNonRoot: false })],
    ["a container without a context", { initContainers: [{ name: "i" }] }],
  ])("refuses %s", (_, wrong) => {
    expect(violations({ ...good, ...wrong })).not.toEqual([]);
  });
});

// --- utils ---

const PROBES = ["livenessProbe", "readinessProbe"];

/** The pods of all workloads, by kind and name. */
function podsOf(values: Values): Map<string, Pod> {
  const pods = new Map<string, Pod>();
  for (const { kind, metadata, spec } of renderChart(values)) {
    // A ServiceAccount, for one, has no spec.
    const { jobTemplate, template } = (spec ?? {}) as { jobTemplate?: { spec: typeof spec }; template?: unknown };
    const found = (jobTemplate?.spec.template ?? template) as { spec: Pod } | undefined;
    if (found !== undefined) pods.set(`${kind} ${metadata.name}`, found.spec);
  }
  return pods;
}

const VOLUMES = new Set([
  ...["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"],
]);

const volumeViolations = ({ name, ...source }: Volume): string[] =>
  Object.keys(source)
    .filter((kind) => !VOLUMES.has(kind))
    .map((kind) => `volume ${name} is a ${kind}`);

/** What the level `restricted` refuses, `baseline` included: https://kubernetes.io/docs/concepts/security/pod-security-standards/ */
function violations(pod: Pod): string[] {
  const host = (["hostNetwork", "hostPID", "hostIPC"] as const).filter((name) => pod[name] === true);
  const both = [...pod.containers, ...(pod.initContainers ?? [])];
  return [
    ...host,
    ...(pod.volumes ?? []).flatMap(volumeViolations),
    ...(pod.securityContext?.sysctls ?? []).map(() => "sysctls"),
    ...both.flatMap((container) => containerViolations(container, pod.securityContext ?? {})),
  ];
}

const PROFILES = new Set(["RuntimeDefault", "Localhost"]);

function containerViolations(
  { name, ports = [], securityContext: own = {} }: Container,
  pod: SecurityContext,
): string[] {
  const merged = { ...pod, ...own };
  const { drop = [], add = [] } = own.capabilities ?? {};
  const wrong: Readonly<Record<string, boolean>> = {
    privileged: own.privileged === true,
    allowPrivilegeEscalation: own.allowPrivilegeEscalation !== false,
    runAsNonRoot: merged.runAsNonRoot !== true,
    runAsUser: merged.runAsUser === 0,
    seccompProfile: !PROFILES.has(merged.seccompProfile?.type ?? ""),
    appArmorProfile: !PROFILES.has(merged.appArmorProfile?.type ?? "RuntimeDefault"),
    seLinuxOptions: merged.seLinuxOptions !== undefined,
    windowsOptions: merged.windowsOptions !== undefined,
    procMount: (own.procMount ?? "Default") !== "Default",
    hostPort: ports.some(({ hostPort = 0 }) => hostPort !== 0),
    "capabilities.drop": !drop.includes("ALL"),
    "capabilities.add": add.some((one) => one !== "NET_BIND_SERVICE"),
  };
  return Object.keys(wrong).flatMap((rule) => (wrong[rule] === true ? [`${name}: ${rule}`] : []));
}
