import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv } from "ajv";
import { afterAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { RIGHTS } from "../../cli/kubernetes/rights.ts";
import {
  readHookConfig,
  readImporterConfig,
  readNotifierConfig,
  readOperatorConfig,
  readResyncConfig,
  readServiceConfig,
} from "../../lib/config.ts";
import {
  CHART,
  helm,
  type Manifest,
  renderChart as render,
  runHelm as run,
  TOOLS,
  tool,
  type Values,
} from "../helpers/chart.ts";

const text = (path: string) => readFileSync(join(CHART, path), "utf8");
const folder = mkdtempSync(join(tmpdir(), "chart-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

const kubeconform = tool("KUBECONFORM_BIN", "kubeconform");
const schemas =
  process.env.KUBECONFORM_SCHEMA_LOCATION ??
  join(
    TOOLS,
    "kubernetes-schemas/{{.NormalizedKubernetesVersion}}-local{{.StrictSuffix}}/{{.ResourceKind}}{{.KindSuffix}}.json",
  );
if (helm === undefined) process.stderr.write("\n*** SKIPPED: rendering the chart. Set HELM_BIN to run it. ***\n\n");
if (kubeconform === undefined)
  process.stderr.write(
    "\n*** SKIPPED: the manifests against Kubernetes' schemas. Set KUBECONFORM_BIN to run it. ***\n\n",
  );

interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { secretKeyRef: { name: string; key: string } };
}

/** What the reference chart (persistence-defectdojo 3.1) has, by path. */
const REFERENCE_VALUES = [
  "imagePullSecrets",
  "hook.image.repository",
  "hook.image.tag",
  "hook.image.pullPolicy",
  "hook.labels",
  "hook.priority",
  "hook.ttlSecondsAfterFinished",
  "hook.affinity",
  "hook.tolerations",
  "hook.resources",
  "hook.extraVolumes",
  "hook.extraVolumeMounts",
  "hook.env",
  "defectdojo.syncFindingsBack",
  "defectdojo.lowPrivilegedMode",
  "defectdojo.url",
  "defectdojo.authentication.userSecret",
  "defectdojo.authentication.usernameKey",
  "defectdojo.authentication.apiKeyKey",
  "defectdojo.authentication.userId",
];

describe("the chart's files", () => {
  const values = parse(text("values.yaml")) as Values;
  const validate = new Ajv({ strict: false, allErrors: true }).compile(
    JSON.parse(text("values.schema.json")) as object,
  );
  const at = (path: string, from: unknown) =>
    path.split(".").reduce<unknown>((value, name) => (value as Values | undefined)?.[name], from);

  test("it is a version 2 chart of the project's version", () => {
    const { version } = JSON.parse(readFileSync(join(CHART, "../../package.json"), "utf8")) as { version: string };
    expect(parse(text("Chart.yaml"))).toMatchObject({
      apiVersion: "v2",
      name: "dojo-relay",
      type: "application",
      version,
      appVersion: version,
    });
  });

  test.each(REFERENCE_VALUES)("value %s of the reference chart is there", (path) => {
    expect(at(path, values)).toBeDefined();
  });

  test("the defaults are what the schema allows, and it knows each of them", () => {
    expect(validate(values), JSON.stringify(validate.errors)).toBe(true);
  });

  test("the schema allows no value that the chart does not have: a typo or a dead one is refused", () => {
    interface Schema {
      readonly type?: string;
      readonly properties?: Readonly<Record<string, Schema>>;
      readonly additionalProperties?: unknown;
    }
    const unknown: string[] = [];
    const visit = ({ properties, ...schema }: Schema, path: string) => {
      if (at(path, values) === undefined) unknown.push(path);
      if (properties !== undefined) expect({ path, ...schema }).toMatchObject({ additionalProperties: false });
      for (const [name, inner] of Object.entries(properties ?? {})) visit(inner, `${path}.${name}`);
    };
    const { properties = {} } = JSON.parse(text("values.schema.json")) as Schema;
    for (const [name, inner] of Object.entries(properties)) if (name !== "global") visit(inner, name);
    expect(unknown).toEqual([]);
  });

  test.each([
    ["a mode that is none", { mode: "lambda" }],
    ["a misspelt value", { defectdojo: { ur: "http://x" } }],
    ["an address without a scheme", { defectdojo: { url: "defectdojo.example.com" } }],
    ["a sync mode that is none", { defectdojo: { syncMode: "append" } }],
    ["text where a number belongs", { relay: { replicas: "two" } }],
    ["a schedule that is none", { resync: { schedule: "daily" } }],
    ["an age that is none", { resync: { since: "a week" } }],
    ["a webhook's address among the values", { notify: { url: "https://hooks.example.com/secret" } }],
    ["a format of messages that is none", { notify: { format: "mail" } }],
  ])("the schema refuses %s", (_, wrong) => {
    expect(validate(wrong)).toBe(false);
  });

  test("every value is used by a template, and every template reads values that are there", () => {
    const templates = readdirSync(join(CHART, "templates"))
      .map((name) => text(join("templates", name)))
      .join("\n");
    const read = [...templates.matchAll(/\.Values\.([\w.]+)/g)].map(([, path = ""]) => path);
    expect(read.filter((path) => at(path, values) === undefined)).toEqual([]);
    const names = (tree: unknown, path: string): string[] =>
      typeof tree !== "object" || tree === null || Array.isArray(tree) || read.includes(path)
        ? [path]
        : Object.entries(tree).flatMap(([name, value]) => names(value, path === "" ? name : `${path}.${name}`));
    const authentication = /^defectdojo\.authentication\./;
    const unused = names(values, "").filter((path) => !read.includes(path) && !authentication.test(path));
    expect(unused).toEqual([]);
  });

  test("templates keep opened and closed blocks even", () => {
    for (const name of readdirSync(join(CHART, "templates"))) {
      const template = text(join("templates", name));
      const opened = template.match(/\{\{-? *(if|range|with|define)\b/g)?.length ?? 0;
      const closed = template.match(/\{\{-? *end\b/g)?.length ?? 0;
      expect({ name, closed }).toEqual({ name, closed: opened });
    }
  });
});

const SERVICE: Values = {
  relay: {
    hookLabels: { team: "a", stage: "prod" },
    env: [{ name: "MAX_FAILURES", value: "3" }],
    labels: { a: "b" },
    annotations: { a: "b" },
    podLabels: { a: "b" },
    podAnnotations: { a: "b" },
    nodeSelector: { "kubernetes.io/arch": "amd64" },
    tolerations: [{ key: "scans", operator: "Exists" }],
    affinity: { podAntiAffinity: {} },
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: "zone",
        whenUnsatisfiable: "ScheduleAnyway",
        labelSelector: { matchLabels: { a: "b" } },
      },
    ],
    priorityClassName: "high",
    extraVolumes: [{ name: "ca", configMap: { name: "ca" } }],
    extraVolumeMounts: [{ name: "ca", mountPath: "/ca", readOnly: true }],
    replicas: 3,
  },
  imagePullSecrets: [{ name: "registry" }],
  defectdojo: {
    syncMode: "merge",
    scanTypeMap: { "my-zap": "ZAP Scan" },
    onFewerFindings: "generic",
    genericDetails: "full",
    defaultProductTypeName: "Web Shops",
    defaultEngagementName: "nightly",
    authentication: { userId: 7, lookUpUsername: true, headersKey: "headers" },
  },
  sqs: {
    endpoint: "https://sqs.eu-central-1.amazonaws.com",
    queueUrl: "https://sqs.example/q.fifo",
    dlqUrl: "https://sqs.example/d.fifo",
  },
  s3: { endpoint: "https://s3.eu-central-1.amazonaws.com", region: "eu-central-1", bucket: "scans" },
  aws: { credentialsSecret: "keys" },
  webhook: { tokenSecret: "token" },
  notify: { urlSecret: "chat", format: "slack", minimumSeverity: "High", title: "{new} new in {product}" },
  service: { type: "NodePort", annotations: { a: "b" } },
  serviceAccount: { annotations: { "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/relay" } },
  podDisruptionBudget: { enabled: true },
  networkPolicy: {
    enabled: true,
    from: [{ namespaceSelector: { matchLabels: { name: "minio" } } }],
    egress: [{ to: [{ ipBlock: { cidr: "10.0.0.0/8" } }] }],
  },
  metrics: { serviceMonitor: { enabled: true, labels: { release: "prometheus" } } },
};

/** The values that the reference chart's own snapshot test sets, and further ones. */
const HOOK: Values = {
  mode: "hook",
  imagePullSecrets: [{ name: "foo" }],
  hook: {
    image: { repository: "registry.example.com/dojo-relay", tag: "1.2.3" },
    labels: { foo: "bar", baz: "qux" },
    priority: 100,
    ttlSecondsAfterFinished: 100,
    tolerations: [{ key: "foo", operator: "Exists", effect: "NoSchedule" }],
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: "foo", operator: "In", values: ["bar", "baz"] }] }],
        },
      },
    },
    resources: { requests: { cpu: "100m", memory: "100Mi" } },
    extraVolumes: [{ name: "foo", emptyDir: {} }],
    extraVolumeMounts: [{ name: "foo", mountPath: "/foo" }],
    env: [{ name: "foo", value: "bar" }],
  },
};

const RESYNC: Values = {
  ...SERVICE,
  resync: { enabled: true, schedule: "@daily", timeZone: "Europe/Berlin", prefix: "nightly/", since: "30d" },
};

const ELASTICMQ: Values = {
  elasticmq: { enabled: true, storageClass: "fast" },
  autoscaling: { enabled: true },
  backfill: { enabled: true, prefix: "nightly/", since: "2d" },
  resync: { enabled: true },
};

const BOTH: Values = {
  mode: "both",
  kubernetes: { namespaces: ["team-a"], trigger: "kubernetes" },
  hook: { namespaces: ["team-c", "team-d"] },
};

/** What Kubernetes itself has no schema for. */
const CUSTOM = new Set(["ScanCompletionHook", "ServiceMonitor", "ScaledObject"]);

const CASES: readonly (readonly [string, Values])[] = [
  ["the defaults", {}],
  ["a service with everything", SERVICE],
  ["a service without a volume", { persistence: { enabled: false } }],
  [
    "a service with a volume that is there",
    { persistence: { existingClaim: "jobs" }, serviceAccount: { create: false } },
  ],
  ["a service with a resync", { resync: { enabled: true } }],
  ["a service and a resync with everything", RESYNC],
  ["a service for some namespaces", { kubernetes: { namespaces: ["team-a", "team-b"] } }],
  ["a service without Kubernetes' API", { kubernetes: { enabled: false } }],
  ["a service with ElasticMQ that grows with its queue", ELASTICMQ],
  ["a service that grows with its CPU", { ...ELASTICMQ, autoscaling: { enabled: true, kind: "hpa" } }],
  ["a service and hooks side by side", BOTH],
  ["a hook", { mode: "hook" }],
  ["a hook with everything", HOOK],
];

describe.skipIf(helm === undefined)("the chart rendered", () => {
  test.each(CASES)("helm lint is content with %s", (_, values) => {
    expect(run("lint", values)).toContain("0 chart(s) failed");
  });

  test.skipIf(kubeconform === undefined).each(CASES)("Kubernetes' schemas allow %s", (_, values) => {
    const path = join(folder, "manifests.yaml");
    writeFileSync(path, run("template", values));
    const args = [
      "-strict",
      "-summary",
      "-output",
      "json",
      "-kubernetes-version",
      "1.36.0",
      "-schema-location",
      schemas,
    ];
    const { summary } = JSON.parse(
      execFileSync(kubeconform ?? "", [...args, "-ignore-missing-schemas", path], { encoding: "utf8" }),
    ) as { summary: { valid: number; invalid: number; errors: number; skipped: number } };
    const custom = render(values).filter(({ kind }) => CUSTOM.has(kind)).length;
    expect(summary).toMatchObject({ invalid: 0, errors: 0, skipped: custom, valid: render(values).length - custom });
  });

  test("the hook is the reference chart's, with a folder for reports on top", () => {
    const [hook, ...others] = render(HOOK);
    expect(others).toEqual([]);
    expect(hook).toMatchObject({
      apiVersion: "execution.securecodebox.io/v1",
      kind: "ScanCompletionHook",
      metadata: { name: "release-dojo-relay", labels: { type: "Unstructured", foo: "bar", baz: "qux" } },
    });
    expect(hook?.spec).toEqual({
      type: "ReadAndWrite",
      priority: 100,
      image: "registry.example.com/dojo-relay:1.2.3",
      imagePullPolicy: "IfNotPresent",
      imagePullSecrets: [{ name: "foo" }],
      ttlSecondsAfterFinished: 100,
      env: [
        { name: "DEFECTDOJO_URL", value: "http://defectdojo-django.default.svc" },
        { name: "DEFECTDOJO_APIKEY", valueFrom: { secretKeyRef: { name: "defectdojo-credentials", key: "apikey" } } },
        { name: "DEFECTDOJO_LOW_PRIVILEGED_MODE", value: "false" },
        { name: "foo", value: "bar" },
      ],
      affinity: (HOOK.hook as Values).affinity,
      tolerations: [{ key: "foo", operator: "Exists", effect: "NoSchedule" }],
      resources: { requests: { cpu: "100m", memory: "100Mi" } },
      volumes: [
        { name: "dojo-relay-scratch", emptyDir: {} },
        { name: "foo", emptyDir: {} },
      ],
      volumeMounts: [
        { name: "dojo-relay-scratch", mountPath: "/tmp" },
        { name: "foo", mountPath: "/foo" },
      ],
    });
  });

  test("syncFindingsBack decides the hook's type; its name and labels can be the reference chart's", () => {
    const [hook] = render({
      mode: "hook",
      nameOverride: "persistence-defectdojo",
      defectdojo: { syncFindingsBack: false },
    });
    expect(hook?.spec.type).toBe("ReadOnly");
    expect(hook?.metadata).toMatchObject({
      name: "release-persistence-defectdojo",
      labels: { "app.kubernetes.io/name": "persistence-defectdojo" },
    });
  });

  test("a volume of one's own at /tmp takes the place of the hook's", () => {
    const extraVolumes = [{ name: "tmp", emptyDir: { medium: "Memory" } }];
    const extraVolumeMounts = [{ name: "tmp", mountPath: "/tmp" }];
    const [hook] = render({ mode: "hook", hook: { extraVolumes, extraVolumeMounts } });
    expect(hook?.spec).toMatchObject({ volumes: extraVolumes, volumeMounts: extraVolumeMounts });
  });

  test.each([
    ["a hook", { mode: "hook", hook: { timeoutSeconds: 600 } }],
    ["a hook with everything", HOOK],
  ])("the environment of %s is a configuration", (_, values) => {
    const [hook] = render(values);
    expect(() => readHookConfig(filled(hook?.spec.env as EnvVar[]))).not.toThrow();
  });

  test("the service's environment is a configuration", () => {
    const plain = filled(container({}).env);
    expect(readServiceConfig(plain)).toMatchObject({
      HOST: "0.0.0.0",
      PORT: 8080,
      DATA_DIR: "/data",
      WEBHOOK_TOKEN: "x",
    });
    // "hardened 5": the bucket reaches the receiver by the Service's names.
    expect(readServiceConfig(plain).ALLOWED_HOSTS).toEqual(
      expect.arrayContaining([expect.stringMatching(/^[\w-]+$/), expect.stringMatching(/^[\w-]+\.[\w-]+\.svc$/)]),
    );
    expect(plain.AWS_ENDPOINT_URL_SQS).toBeUndefined();
    const full = filled(container(SERVICE).env);
    expect(readImporterConfig(full)).toMatchObject({
      QUEUE_URL: "https://sqs.example/q.fifo",
      DEFECTDOJO_HOOK_LABELS: { team: "a", stage: "prod" },
      SYNC_MODE: "merge",
      SCAN_TYPE_MAP: { "my-zap": "ZAP Scan" },
      ON_FEWER_FINDINGS: "generic",
      GENERIC_DETAILS: "full",
      DEFAULT_PRODUCT_TYPE_NAME: "Web Shops",
      DEFAULT_ENGAGEMENT_NAME: "nightly",
      DEFECTDOJO_HEADERS: { "X-Gate": "open" },
      DEFECTDOJO_USER_ID: 7,
      DEFECTDOJO_SYNC_FINDINGS_BACK: true,
      MAX_FAILURES: 3,
    });
    expect(Object.keys(full)).toEqual(
      expect.arrayContaining(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "DEFECTDOJO_USERNAME"]),
    );
  });

  test("a webhook is told where a secret has its address, as the values say", () => {
    const named = (values: Values) => container(values).env.filter(({ name }) => name.startsWith("NOTIFY_"));
    expect(named({ notify: { format: "teams" } })).toEqual([]);
    expect(named(SERVICE)[0]).toEqual({
      name: "NOTIFY_URL",
      valueFrom: { secretKeyRef: { name: "chat", key: "url" } },
    });
    const env = { ...filled(container(SERVICE).env), NOTIFY_URL: "https://hooks.example.com/x" };
    expect(readNotifierConfig(env)).toMatchObject({
      BUCKET: "scans",
      NOTIFY_FORMAT: "slack",
      NOTIFY_MINIMUM_SEVERITY: "High",
      NOTIFY_TITLE: "{new} new in {product}",
    });
    const defaults = filled(container({ notify: { urlSecret: "chat" } }).env);
    expect(readNotifierConfig({ ...defaults, NOTIFY_URL: env.NOTIFY_URL })).toMatchObject({
      NOTIFY_FORMAT: "json",
      NOTIFY_MINIMUM_SEVERITY: "Medium",
    });
  });

  test("hardened 10: a NetworkPolicy is there wherever it is known who may come in", () => {
    const kinds = (values: Values) => render(values).map(({ kind }) => kind);
    const from = [{ namespaceSelector: { matchLabels: { name: "minio" } } }];
    expect(kinds({ networkPolicy: { from } })).toContain("NetworkPolicy");
    expect(kinds({ networkPolicy: { enabled: true } })).toContain("NetworkPolicy");
    expect(kinds({})).not.toContain("NetworkPolicy");
  });

  test("the service runs as nobody in particular, on a file system that is read only, and is probed", () => {
    expect(container({})).toMatchObject({
      args: ["start"],
      securityContext: {
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ["ALL"] },
      },
      livenessProbe: { httpGet: { path: "/healthz" } },
      readinessProbe: { httpGet: { path: "/readyz" } },
      volumeMounts: expect.arrayContaining([{ name: "scratch", mountPath: "/tmp" }]),
    });
    expect(pod({})).toMatchObject({
      securityContext: { runAsNonRoot: true },
      automountServiceAccountToken: true,
      // A Service named s3 would set S3_PORT, which is ours.
      enableServiceLinks: false,
    });
  });

  test("the service account may do what the code does, and nothing else", () => {
    const granted = (values: Values, kind: string) =>
      render(values)
        .filter((manifest) => manifest.kind === kind)
        .map((role) =>
          (role.rules ?? [])
            .flatMap(({ apiGroups, resources, verbs }) =>
              apiGroups.flatMap((group) =>
                resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`)),
              ),
            )
            .sort(),
        );
    const needed = RIGHTS.map(
      ({ group, resource, subresource, verb }) =>
        `${verb} ${group}/${[resource, subresource].filter(Boolean).join("/")}`,
    ).sort();
    expect(granted({}, "ClusterRole")).toEqual([needed]);
    const some = { kubernetes: { namespaces: ["team-a", "team-b"] } };
    expect(granted(some, "ClusterRole")).toEqual([]);
    expect(granted(some, "Role")).toEqual([needed, needed]);
    const silent = { kubernetes: { annotate: false, events: false, patchFindings: false } };
    expect(granted(silent, "ClusterRole")).toEqual([needed.filter((right) => /^(get|list|watch) /.test(right))]);
    for (const values of [
      { kubernetes: { enabled: false } },
      { kubernetes: { rbac: { create: false } } },
      { mode: "hook" },
    ])
      expect([granted(values, "ClusterRole"), granted(values, "Role")]).toEqual([[], []]);
    expect(pod({ kubernetes: { enabled: false } }).automountServiceAccountToken).toBe(false);
  });

  test("the roles are bound to the pod's service account", () => {
    for (const [values, kind] of [
      [{}, "ClusterRoleBinding"],
      [{ kubernetes: { namespaces: ["team-a"] } }, "RoleBinding"],
    ] as const) {
      const binding = find(kind, values);
      expect(binding.subjects).toEqual([
        { kind: "ServiceAccount", name: pod(values).serviceAccountName, namespace: "default" },
      ]);
      expect(find(binding.roleRef?.kind ?? "", values).metadata.name).toBe(binding.roleRef?.name);
    }
  });

  test("the service watches Scans where the values say so", () => {
    expect(readServiceConfig(filled(container({}).env))).toMatchObject({
      ...{ SCAN_SOURCE: "auto", TRIGGER: "both", SCAN_NAMESPACES: [], SCAN_STATUS: true },
    });
    const values = {
      kubernetes: {
        ...{ namespaces: ["a", "b"], scanSource: "kubernetes", trigger: "kubernetes", patchFindings: false },
        since: "2026-11-28",
      },
    };
    expect(readServiceConfig(filled(container(values).env))).toMatchObject({
      ...{ SCAN_SOURCE: "kubernetes", TRIGGER: "kubernetes", SCAN_NAMESPACES: ["a", "b"], SCAN_STATUS: false },
      SCAN_SINCE: "2026-11-28",
    });
    expect(filled(container({ kubernetes: { enabled: false } }).env).TRIGGER).toBeUndefined();
  });

  test("service and hooks are side by side in namespaces of their own", () => {
    const hooks = render(BOTH).filter(({ kind }) => kind === "ScanCompletionHook");
    expect(hooks.map(({ metadata }) => metadata.namespace)).toEqual(["team-c", "team-d"]);
    expect(readServiceConfig(filled(container(BOTH).env))).toMatchObject({
      TRIGGER: "kubernetes",
      SCAN_NAMESPACES: ["team-a"],
    });
    expect(kinds(BOTH)).toEqual(expect.arrayContaining(["Deployment", "Role"]));
  });

  test("ElasticMQ is reached by the service, the backfill and KEDA, and by nobody else", () => {
    const address = "http://release-dojo-relay-elasticmq.default.svc:9324";
    expect(filled(container(ELASTICMQ).env).AWS_ENDPOINT_URL_SQS).toBe(address);
    expect(find("ScaledObject", ELASTICMQ).spec.triggers).toMatchObject([
      { metadata: { queueURL: `${address}/000000000000/dojo-relay.fifo`, awsEndpoint: address } },
    ]);
    const keys = { awsAccessKeyIDFromEnv: "AWS_ACCESS_KEY_ID", awsSecretAccessKeyFromEnv: "AWS_SECRET_ACCESS_KEY" };
    for (const [credentialsSecret, authentication, expected] of [
      ["", "", { identityOwner: "operator" }],
      ["relay-s3", "", keys],
      ["relay-s3", "own", {}],
    ] as const) {
      const autoscaling = { enabled: true, authentication };
      const [trigger] = find("ScaledObject", { ...ELASTICMQ, autoscaling, aws: { credentialsSecret } }).spec
        .triggers as [{ metadata: Record<string, string>; authenticationRef?: object }];
      const names = [...Object.keys(keys), "identityOwner"].filter((name) => Object.hasOwn(trigger.metadata, name));
      expect(Object.fromEntries(names.map((name) => [name, trigger.metadata[name]]))).toEqual(expected);
      expect(trigger.authenticationRef).toEqual(authentication === "" ? undefined : { name: authentication });
    }
    const services = render(ELASTICMQ).filter(({ kind }) => kind === "Service");
    expect(services.map(({ metadata }) => metadata.name)).toEqual([
      "release-dojo-relay-elasticmq",
      "release-dojo-relay",
    ]);
    const policies = render(ELASTICMQ).filter(({ kind }) => kind === "NetworkPolicy");
    expect(policies).toMatchObject([
      { spec: { podSelector: { matchLabels: { "app.kubernetes.io/name": "release-dojo-relay-elasticmq" } } } },
    ]);
    expect(kinds(ELASTICMQ)).not.toContain("PersistentVolumeClaim");
    expect(find("Deployment", ELASTICMQ).spec).not.toHaveProperty("replicas");
  });

  test("ElasticMQ's pods can have their labels, however long the release's name is", () => {
    // Their label controller-revision-hash is the StatefulSet's name with eleven characters more, and may have 63.
    const { metadata } = find("StatefulSet", { ...ELASTICMQ, fullnameOverride: "x".repeat(63) });
    expect(metadata.name.length).toBeLessThanOrEqual(52);
  });

  test("an upgrade with the values of an earlier release has what it does not know", () => {
    const job = { enabled: true, activeDeadlineSeconds: null };
    const earlier = { ...ELASTICMQ, relay: { host: null }, backfill: job, resync: job, kubernetes: { since: null } };
    expect(readServiceConfig(filled(container(earlier).env))).toMatchObject({ HOST: "0.0.0.0" });
    expect(find("CronJob", earlier).spec).toMatchObject({ jobTemplate: { spec: { activeDeadlineSeconds: 43_200 } } });
  });

  test("the backfill runs the command with the queue's environment", () => {
    const job = find("CronJob", { ...ELASTICMQ, resync: { enabled: false } });
    expect(job.metadata.name).toBe("release-dojo-relay-backfill");
    const [backfill] = cronPod({ ...ELASTICMQ, resync: { enabled: false } }).containers;
    expect(backfill).toMatchObject({ args: ["backfill", "--since", "2d", "--", "nightly/"] });
    expect(readOperatorConfig(filled(backfill?.env ?? []))).toMatchObject({
      AWS_ENDPOINT_URL_SQS: "http://release-dojo-relay-elasticmq.default.svc:9324",
      BUCKET: "securecodebox",
    });
  });

  test.each([
    ["more than one replica with a queue inside the pod", { relay: { replicas: 2 } }],
    ["a service that may grow with a queue inside the pod", { autoscaling: { enabled: true, kind: "hpa" } }],
    ["KEDA without the queue's address", { sqs: { endpoint: "https://sqs" }, autoscaling: { enabled: true } }],
    ["two queues", { elasticmq: { enabled: true }, sqs: { endpoint: "https://sqs" } }],
    ["a backfill into a queue inside the pod", { backfill: { enabled: true } }],
    ["both modes for all namespaces", { mode: "both" }],
    ["both modes for one namespace", { ...BOTH, hook: { namespaces: ["team-a"] } }],
    ["both modes with the bucket's notifications", { ...BOTH, kubernetes: { namespaces: ["team-a"] } }],
  ])("the chart refuses %s", (_, values) => {
    expect(() => run("template", values)).toThrow();
  });

  test("the resync is off by default, and a CronJob of the service only", () => {
    expect(kinds({})).not.toContain("CronJob");
    expect(kinds({ mode: "hook", resync: { enabled: true } })).not.toContain("CronJob");
    expect(find("CronJob", { resync: { enabled: true } }).spec).toMatchObject({
      schedule: "17 3 * * *",
      concurrencyPolicy: "Forbid",
      jobTemplate: { spec: { backoffLimit: 0 } },
    });
    expect(find("CronJob", RESYNC).spec).toMatchObject({ schedule: "@daily", timeZone: "Europe/Berlin" });
    const long = { fullnameOverride: "x".repeat(63), resync: { enabled: true } };
    expect(find("CronJob", long).metadata.name).toHaveLength(52);
  });

  test("the resync runs the command with the service's environment, as nobody in particular", () => {
    const job = cronPod(RESYNC);
    expect(job.containers).toMatchObject([
      { args: ["resync", "--since", "30d", "--", "nightly/"], securityContext: { readOnlyRootFilesystem: true } },
    ]);
    expect(job).toMatchObject({
      restartPolicy: "Never",
      securityContext: { runAsNonRoot: true },
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      serviceAccountName: pod(RESYNC).serviceAccountName,
      volumes: expect.arrayContaining((SERVICE.relay as Values).extraVolumes as object[]),
      tolerations: (SERVICE.relay as Values).tolerations,
    });
    const env = filled(job.containers[0]?.env ?? []);
    expect(readResyncConfig(env)).toMatchObject({ BUCKET: "scans", DEFECTDOJO_SYNC_FINDINGS_BACK: true });
    expect(env).toMatchObject(
      Object.fromEntries(Object.entries(filled(container(RESYNC).env)).filter(([name]) => name.startsWith("AWS_A"))),
    );
    expect(Object.keys(env).filter((name) => /QUEUE|DLQ|SQS|WEBHOOK/.test(name))).toEqual([]);
  });

  test("the service's Service does not find the pods of the resync", () => {
    const values = { resync: { enabled: true } };
    const { selector } = find("Service", values).spec as { selector: Record<string, string> };
    const { jobTemplate } = find("CronJob", values).spec as { jobTemplate: { spec: { template: Manifest } } };
    const { labels } = jobTemplate.spec.template.metadata;
    expect(Object.entries(selector).every(([name, value]) => labels[name] === value)).toBe(false);
  });

  test("a queue in the pod has a volume and one replica; one elsewhere needs neither", () => {
    expect(kinds({})).toContain("PersistentVolumeClaim");
    expect(find("Deployment", {}).spec.strategy).toEqual({ type: "Recreate" });
    expect(kinds(SERVICE)).not.toContain("PersistentVolumeClaim");
    // Named, so that Helm may take it away again: what the API server fills in would forbid a later Recreate.
    expect(find("Deployment", SERVICE).spec.strategy).toMatchObject({ type: "RollingUpdate", rollingUpdate: {} });
    expect(() => run("template", { relay: { replicas: 2 } })).toThrow(/needs a queue outside of the pod/);
    expect(() => run("template", { sqs: { endpoint: "http://q", queueUrl: "http://q/q" } })).toThrow(/set both of sqs/);
  });

  test("a token is made where none is given, and what is optional is left out", () => {
    expect(kinds({}).sort()).toEqual([
      "ClusterRole",
      "ClusterRoleBinding",
      "Deployment",
      "PersistentVolumeClaim",
      "Secret",
      "Service",
      "ServiceAccount",
    ]);
    expect(kinds(SERVICE).sort()).toEqual([
      "ClusterRole",
      "ClusterRoleBinding",
      "Deployment",
      "NetworkPolicy",
      "PodDisruptionBudget",
      "Service",
      "ServiceAccount",
      "ServiceMonitor",
    ]);
  });

  test.each([
    [{ mode: "hook" }, /ReadAndWrite hook release-dojo-relay/],
    [
      {},
      /watches the Scans of all namespaces[\s\S]*persistence-defectdojo[\s\S]*doctor --kubernetes[\s\S]*describe scan[\s\S]*port-forward/,
    ],
    [BOTH, /hook release-dojo-relay in team-c, team-d[\s\S]*watches the Scans of team-a\./],
    [{ kubernetes: { trigger: "webhook" } }, /http:\/\/release-dojo-relay\.default\.svc:8080\/events/],
    [
      { kubernetes: { enabled: false }, webhook: { tokenSecret: "own", tokenKey: "my.token" } },
      /get secret own -o jsonpath='\{\.data\.my\\\.token\}'/,
    ],
    [SERVICE, /Try the webhook[\s\S]*deploy\/release-dojo-relay -- dojo-relay notify --mark/],
    [{ persistence: { enabled: false } }, /waiting jobs are lost with the pod/],
  ])("the notes after installing with %j say what is left to do", (values, expected) => {
    expect(run("install", values)).toMatch(expected);
  });
});

// --- utils ---

const kinds = (values: Values) => render(values).map(({ kind }) => kind);

function find(kind: string, values: Values): Manifest {
  const found = render(values).find((manifest) => manifest.kind === kind);
  if (found === undefined) throw new Error(`there is no ${kind}`);
  return found;
}

function pod(values: Values): Record<string, unknown> & { containers: { env: EnvVar[] }[] } {
  return (find("Deployment", values).spec.template as { spec: ReturnType<typeof pod> }).spec;
}

function cronPod(values: Values): ReturnType<typeof pod> {
  const { jobTemplate } = find("CronJob", values).spec as {
    jobTemplate: { spec: { template: { spec: ReturnType<typeof pod> } } };
  };
  return jobTemplate.spec.template.spec;
}

function container(values: Values): { env: EnvVar[] } {
  const [first] = pod(values).containers;
  if (first === undefined) throw new Error("there is no container");
  return first;
}

function filled(env: readonly EnvVar[]): Record<string, string> {
  const inSecret = (name: string) => (name === "DEFECTDOJO_HEADERS" ? '{"X-Gate":"open"}' : "x");
  return Object.fromEntries(env.map(({ name, value }) => [name, value ?? inSecret(name)]));
}
