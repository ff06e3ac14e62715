import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import http from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { compileFunction } from "node:vm";
import {
  GetBucketNotificationConfigurationCommand,
  type NotificationConfiguration,
  PutBucketNotificationConfigurationCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { mockClient } from "aws-sdk-client-mock";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { bundle, FUNCTIONS } from "../../infra/bundle/bundle.ts";
import {
  type Env,
  readCommonConfig,
  readFollowFunctionConfig,
  readImporterConfig,
  readNotifierConfig,
  readResyncConfig,
} from "../../lib/config.ts";
import { METRICS } from "../../lib/observe.ts";
import { LEAST_TIME } from "../../lib/sync/scheduled-resync.ts";
import { evaluate, type Properties, parseTemplate, type Template } from "./cloudformation.ts";

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "../..");
const osls = createRequire(import.meta.url).resolve("osls/bin/serverless.js");
const folder = await mkdtemp(join(tmpdir(), "dojo-relay-package-"));
afterAll(() => rm(folder, { recursive: true }));

/** Parameters as people give them: none, and all that switch something on. */
const VARIANTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  defaults: {},
  everything: {
    bucket: "my-scans",
    prefix: "nightly/",
    suffix: "/results.json",
    findingsName: "results.json",
    sidecarName: "scan.yml",
    trigger: "eventbridge",
    kmsKeyArn: "arn:aws:kms:eu-central-1:111122223333:key/1234",
    defectdojoUrl: "https://dojo.test",
    apiKeySecret: "dojo/key",
    headers: '{"X-Gate":"open"}',
    username: "relay",
    userId: "7",
    hookLabels: "a=b",
    lowPrivilegedMode: "true",
    syncFindingsBack: "false",
    syncMode: "merge",
    importMode: "reimport",
    scanTypeMap: '{"own":"Own Scan"}',
    onFewerFindings: "generic",
    genericDetails: "full",
    defaultProductTypeName: "Web Shops",
    defaultEngagementName: "nightly",
    readConcurrency: "2",
    resyncEnabled: "true",
    resyncSchedule: "cron(17 3 * * ? *)",
    resyncPrefix: "shop/",
    resyncDays: "30",
    followEnabled: "true",
    followSchedule: "rate(2 minutes)",
    notifyEnabled: "true",
    notifyUrlSecret: "dojo/chat",
    notifyFormat: "slack",
    notifyMinimumSeverity: "High",
    notifyTitle: "{new} new in {product}",
    maximumConcurrency: "10",
    ingestMemory: "256",
    importerMemory: "2048",
    logLevel: "debug",
    logRetentionDays: "7",
    tracing: "Active",
    subnetIds: "subnet-1,subnet-2",
    securityGroupIds: "sg-1",
    alarmTopicArn: "arn:aws:sns:eu-central-1:111122223333:alarms",
    alarmJobAgeSeconds: "600",
  },
};

interface Packaged {
  readonly path: string;
  readonly raw: Template;
  readonly template: Template;
}

/**
 * `osls package`, without an AWS account: what CloudFormation would get. In a folder of links to the project, as two runs in one folder take each other's
 * packages away from `.serverless`.
 */
async function packageWith(name: string, params: Readonly<Record<string, string>>): Promise<Packaged> {
  const project = join(folder, name);
  await mkdir(project);
  await copyFile(join(ROOT, "serverless.yml"), join(project, "serverless.yml"));
  for (const part of ["package.json", "functions", "infra", "lib", "node_modules"]) {
    await symlink(join(ROOT, part), join(project, part));
  }
  const path = join(project, "package");
  const args = Object.entries(params).map(([key, value]) => `--param=${key}=${value}`);
  const env = { PATH: process.env.PATH, HOME: folder, SLS_TELEMETRY_DISABLED: "1", SLS_NOTIFICATIONS_MODE: "off" };
  await run(process.execPath, [osls, "package", "--package", path, ...args], {
    cwd: project,
    env,
    timeout: 600_000,
  }).catch(
    // osls says on stdout what went wrong.
    (error: { stdout: string; stderr: string }) => Promise.reject(new Error(error.stdout + error.stderr)),
  );
  const raw = JSON.parse(await readFile(join(path, "cloudformation-template-update-stack.json"), "utf8")) as Template;
  const state = JSON.parse(await readFile(join(path, "serverless-state.json"), "utf8")) as {
    service: { provider: { stackParameters: { ParameterKey: string; ParameterValue: string }[] } };
  };
  const given = state.service.provider.stackParameters.map((one) => [one.ParameterKey, one.ParameterValue]);
  return { path, raw, template: evaluate(raw, Object.fromEntries(given)) };
}

const sam = parseTemplate(await readFile(join(ROOT, "infra/aws/template.yaml"), "utf8"));
const upper = (name: string) => name.charAt(0).toUpperCase() + name.slice(1);
const lower = (name: string) => name.charAt(0).toLowerCase() + name.slice(1);
const withSam = (params: Readonly<Record<string, string>>) =>
  evaluate(sam, Object.fromEntries(Object.entries(params).map(([name, value]) => [upper(name), value])));

const variants = await Promise.all(
  Object.entries(VARIANTS).map(async ([name, params]) => {
    const packaged = await packageWith(name, params);
    return { name, packaged, osls: packaged.template, sam: withSam(params) };
  }),
);
const [defaults, everything] = variants as [(typeof variants)[0], (typeof variants)[0]];

/** Made by osls for itself. */
const OWN = new Set(["ServerlessDeploymentBucket", "ServerlessDeploymentBucketPolicy"]);
const ids = ({ Resources }: Template) => Object.keys(Resources).filter((id) => !OWN.has(id));

/** CloudFormation takes numbers as text too; where the code lies is for each tool to say. */
function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value !== "object" || value === null) return String(value);
  const fields = Object.entries(value).filter(([name]) => name !== "S3Key" && name !== "S3Bucket");
  return Object.fromEntries(fields.map(([name, field]) => [name, comparable(field)]));
}

function propertiesOf({ Resources }: Template, id: string): Record<string, unknown> {
  const { Code, ...properties } = Resources[id]?.Properties ?? {};
  return comparable({ ...properties, ...(id === "NotificationLambdaFunction" ? { Code } : {}) }) as Record<
    string,
    unknown
  >;
}

describe.each(variants)("serverless.yml and infra/aws/template.yaml, $name", ({ osls, sam }) => {
  it("have the same resources", () => {
    expect(ids(sam).toSorted()).toEqual(ids(osls).toSorted());
    expect(ids(sam).map((id) => [id, sam.Resources[id]?.Type])).toEqual(
      ids(sam).map((id) => [id, osls.Resources[id]?.Type]),
    );
  });

  it.each([...new Set([...ids(osls), ...ids(sam)])])("%s is the same in both", (id) => {
    expect(propertiesOf(sam, id)).toEqual(propertiesOf(osls, id));
  });

  it("have the same outputs", () => {
    const { ServerlessDeploymentBucketName: _, ...outputs } = osls.Outputs ?? {};
    expect(sam.Outputs).toEqual(outputs);
  });
});

describe("parameters", () => {
  it("are the same in both, with the same defaults", async () => {
    const service = parseTemplate(await readFile(join(ROOT, "serverless.yml"), "utf8")) as unknown as {
      params: { default: Properties };
    };
    const ofSam = Object.entries(sam.Parameters ?? {}).map(([name, { Default }]) => [lower(name), Default]);
    expect(Object.fromEntries(ofSam)).toEqual(service.params.default);
    expect(Object.keys(VARIANTS.everything ?? {}).toSorted()).toEqual(Object.keys(service.params.default).toSorted());
  });

  it("are all explained in docs/aws.md", async () => {
    const docs = await readFile(join(ROOT, "docs/aws.md"), "utf8");
    for (const name of Object.keys(sam.Parameters ?? {})) expect(docs, name).toContain(`\`${lower(name)}\``);
  });
});

describe.each(variants)("what is deployed, $name", ({ name, packaged, osls }) => {
  const properties = (id: string) => osls.Resources[id]?.Properties ?? {};

  it.each(FUNCTIONS)("%s: its handler is in its package", async (fn) => {
    expect(properties(`${upper(fn)}LambdaFunction`)).toMatchObject({
      Handler: `functions/${fn}.handler`,
      Runtime: "nodejs24.x",
      Architectures: ["arm64"],
      FunctionName: `dojo-relay-dev-${fn}`,
    });
    expect(existsSync(join(ROOT, `functions/${fn}.ts`))).toBe(true);
    const zip = await readFile(join(packaged.path, `${fn}.zip`), "latin1");
    const files = new Set([...zip.matchAll(/[\w/.-]+\.(mjs|js|map|json)(?=[^\w/.-])/g)].map(([file]) => file));
    expect([...files]).toEqual([`functions/${fn}.mjs`]);
  });

  it.each([
    ["ingest", readCommonConfig],
    ["importer", readImporterConfig],
    ["resync", readResyncConfig],
    ["follow", readFollowFunctionConfig],
    ["notify", readNotifierConfig],
  ] as const)("%s: its environment is a configuration, and nothing else", (fn, read) => {
    const { Variables } = properties(`${upper(fn)}LambdaFunction`).Environment as {
      Variables: Record<string, unknown>;
    };
    // The queues' addresses are CloudFormation's to fill in.
    const env: Env = Object.fromEntries(
      Object.entries(Variables).map(([key, value]) => [key, String(value).replace(/^<(.+)>$/, "https://$1")]),
    );
    const given = Object.keys(env).filter((key) => env[key] !== "");
    expect(Object.keys(read(env))).toEqual(expect.arrayContaining(given));
    expect(Object.keys(env).includes("QUEUE_URL")).toBe(fn !== "resync" && fn !== "notify");
  });

  it("the resync runs by its schedule, which is off by default, and is not repeated", () => {
    const on = name !== "defaults";
    expect(properties("ResyncEventsRuleSchedule1")).toMatchObject({
      ScheduleExpression: on ? "cron(17 3 * * ? *)" : "rate(1 day)",
      State: on ? "ENABLED" : "DISABLED",
      Targets: [{ Arn: "<ResyncLambdaFunction.Arn>" }],
    });
    expect(properties("ResyncLambdaEvConf")).toMatchObject({ MaximumRetryAttempts: 0 });
    const { Timeout, MemorySize, Environment } = properties("ResyncLambdaFunction");
    expect({ Timeout, MemorySize }).toEqual({
      Timeout: 900,
      MemorySize: properties("ImporterLambdaFunction").MemorySize,
    });
    expect((Environment as { Variables: unknown }).Variables).toMatchObject({
      BUCKET: on ? "my-scans" : "securecodebox",
      RESYNC_PREFIX: on ? "nightly/shop/" : "",
      RESYNC_DAYS: on ? "30" : "7",
    });
  });

  it("no function reserves concurrency, which small accounts have none of", () => {
    for (const fn of FUNCTIONS)
      expect(properties(`${upper(fn)}LambdaFunction`).ReservedConcurrentExecutions).toBeUndefined();
  });

  it("jobs come one at a time, with partial failures, hidden for six times the importer's timeout", () => {
    const mapping = properties("ImporterEventSourceMappingSQSJobQueue");
    expect(mapping).toMatchObject({ BatchSize: 1, FunctionResponseTypes: ["ReportBatchItemFailures"], Enabled: true });
    expect(Number((mapping.ScalingConfig as Properties).MaximumConcurrency)).toBe(name === "defaults" ? 4 : 10);
    expect(properties("JobQueue").VisibilityTimeout).toBe(6 * Number(properties("ImporterLambdaFunction").Timeout));
  });

  it("queues are encrypted, FIFO with a FIFO dead-letter queue", () => {
    for (const id of ["JobQueue", "DeadLetterQueue", "IngestFailureQueue", "NotifyFailureQueue"]) {
      expect(properties(id)).toMatchObject({ SqsManagedSseEnabled: true, MessageRetentionPeriod: 1_209_600 });
    }
    expect(properties("JobQueue")).toMatchObject({
      FifoQueue: true,
      RedrivePolicy: { deadLetterTargetArn: "<DeadLetterQueue.Arn>", maxReceiveCount: 200 },
    });
    expect(properties("DeadLetterQueue")).toMatchObject({ FifoQueue: true });
  });

  it("an event that a function failed on, or that EventBridge cannot deliver, lies in that function's own queue", () => {
    for (const [fn, rule] of [
      ["Ingest", "ObjectCreatedRule"],
      ["Notify", "ReceiptCreatedRule"],
    ] as const) {
      const queue = `<${fn}FailureQueue.Arn>`;
      expect(properties(`${fn}LambdaEvConf`)).toMatchObject({
        MaximumRetryAttempts: 2,
        DestinationConfig: { OnFailure: { Destination: queue } },
      });
      expect(properties(`${fn}FailureQueue`).FifoQueue).toBeUndefined();
      if (name === "defaults") continue;
      expect(properties(rule).Targets).toMatchObject([
        { Arn: `<${fn}LambdaFunction.Arn>`, DeadLetterConfig: { Arn: queue } },
      ]);
      const { Statement } = properties(`${fn}FailureQueuePolicy`).PolicyDocument as { Statement: Statement[] };
      expect(Statement.filter(({ Effect }) => Effect === "Allow")).toMatchObject([
        { Principal: { Service: "events.amazonaws.com" }, Action: "sqs:SendMessage", Resource: queue },
      ]);
    }
  });

  it("logs are kept for a limited time", () => {
    const functions = ids(osls).filter((id) => osls.Resources[id]?.Type === "AWS::Lambda::Function");
    const groups = Object.values(osls.Resources).filter(({ Type }) => Type === "AWS::Logs::LogGroup");
    expect(groups.map(({ Properties }) => Properties.LogGroupName).toSorted()).toEqual(
      functions.map((id) => `/aws/lambda/${properties(id).FunctionName}`).toSorted(),
    );
    for (const { Properties } of groups) expect(Number(Properties.RetentionInDays)).toBeGreaterThan(0);
  });
});

/** The names in the first column of the table of alarms; rows without one are about the service. */
async function explainedAlarms(file: string): Promise<string[]> {
  const docs = await readFile(join(ROOT, file), "utf8");
  const section = docs.split(/^## /m).find((part) => part.startsWith("Alarms\n")) ?? "";
  const firstCells = section.split("\n").flatMap((line) => /^\| ((?:`[a-z-]+`(?:, )?)+)/.exec(line)?.[1] ?? []);
  return firstCells.flatMap((cell) => [...cell.matchAll(/`([a-z-]+)`/g)].map(([, name = ""]) => name));
}

/** One row an alarm: what is watched, from which value on. */
const ALARMS: Readonly<Record<string, readonly [metric: string, of: string, statistic: string, above: number]>> = {
  DeadLettersAlarm: ["ApproximateNumberOfMessagesVisible", "<DeadLetterQueue.QueueName>", "Maximum", 0],
  IngestFailuresAlarm: ["ApproximateNumberOfMessagesVisible", "<IngestFailureQueue.QueueName>", "Maximum", 0],
  JobAgeAlarm: ["ApproximateAgeOfOldestMessage", "<JobQueue.QueueName>", "Maximum", 3600],
  IngestErrorsAlarm: ["Errors", "<IngestLambdaFunction>", "Sum", 0],
  IngestLostAlarm: ["DestinationDeliveryFailures", "<IngestLambdaFunction>", "Sum", 0],
  ImporterErrorsAlarm: ["Errors", "<ImporterLambdaFunction>", "Sum", 0],
  IngestThrottlesAlarm: ["Throttles", "<IngestLambdaFunction>", "Sum", 0],
  ImporterThrottlesAlarm: ["Throttles", "<ImporterLambdaFunction>", "Sum", 0],
  ImporterDeadlineAlarm: ["Duration", "<ImporterLambdaFunction>", "Maximum", 810_000],
  ResyncErrorsAlarm: ["Errors", "<ResyncLambdaFunction>", "Sum", 0],
  FollowErrorsAlarm: ["Errors", "<FollowLambdaFunction>", "Sum", 0],
  NotifyFailuresAlarm: ["ApproximateNumberOfMessagesVisible", "<NotifyFailureQueue.QueueName>", "Maximum", 0],
  FollowLagAlarm: ["FollowLag", "follow", "Maximum", 600_000],
  ResyncDeadlineAlarm: ["Duration", "<ResyncLambdaFunction>", "Maximum", 900_000 - LEAST_TIME],
};

describe("alarms and dashboard", () => {
  const { Resources } = defaults.osls;

  it.each(Object.entries(ALARMS))("%s", async (id, [metric, of, statistic, above]) => {
    const { AlarmName, ...alarm } = Resources[id]?.Properties ?? {};
    expect(alarm).toMatchObject({
      MetricName: metric,
      Dimensions: [{ Value: of }],
      Statistic: statistic,
      Threshold: above,
      ComparisonOperator: "GreaterThanThreshold",
      TreatMissingData: "notBreaching",
      AlarmActions: [],
    });
    // A follower that is on and says nothing does not follow.
    const missing = id === "FollowLagAlarm" ? "breaching" : "notBreaching";
    expect(everything.osls.Resources[id]?.Properties.TreatMissingData).toBe(missing);
    expect(everything.osls.Resources[id]?.Properties.AlarmActions).toEqual([VARIANTS.everything?.alarmTopicArn]);
    for (const file of ["docs/aws.md", "docs/operations.md"]) {
      expect(await explainedAlarms(file), file).toContain(String(AlarmName).replace("dojo-relay-dev-", ""));
    }
  });

  it("are no others than these, in the docs neither", async () => {
    const alarms = Object.entries(Resources).filter(([, { Type }]) => Type === "AWS::CloudWatch::Alarm");
    expect(alarms.map(([id]) => id).toSorted()).toEqual(Object.keys(ALARMS).toSorted());
    const names = alarms.map(([, { Properties }]) => String(Properties.AlarmName).replace("dojo-relay-dev-", ""));
    for (const file of ["docs/aws.md", "docs/operations.md"]) {
      expect((await explainedAlarms(file)).toSorted(), file).toEqual(names.toSorted());
    }
  });

  const body = JSON.parse(String(Resources.Dashboard?.Properties.DashboardBody)) as {
    widgets: { properties: { metrics: string[][] } }[];
  };
  const shown = body.widgets.flatMap(({ properties }) => properties.metrics);
  const own = shown.filter(([namespace]) => namespace === "DojoRelay");

  it("the dashboard shows every metric of lib/observe.ts", () => {
    expect([...new Set(own.map(([, name]) => name))].toSorted()).toEqual(Object.keys(METRICS).toSorted());
  });

  it.each(FUNCTIONS)("the dashboard shows metrics of %s under the name that it publishes them under", async (fn) => {
    const source = await readFile(join(ROOT, `functions/${fn}.ts`), "utf8");
    expect(source).toContain(`powertoolsObserver("${fn}", `);
    const { inputs } = await bundle(fn, join(folder, "bundles"));
    const files = inputs.filter((file) => /^lib\/(?!observe\.ts)/.test(file));
    const sources = await Promise.all(files.map((file) => readFile(join(ROOT, file), "utf8")));
    const metrics = own.flatMap(([, name, dimension, value]) =>
      dimension === "service" && value === fn ? [`"${name}"`] : [],
    );
    expect(metrics.length).toBeGreaterThan(0);
    for (const name of metrics)
      expect(
        sources.some((text) => text.includes(name)),
        name,
      ).toBe(true);
  });

  it("the dashboard asks for no other services and functions than there are", () => {
    const services = own.map(([, , dimension, value]) => [dimension, value]);
    for (const service of services) expect(FUNCTIONS.map((fn) => ["service", fn])).toContainEqual(service);
    const functions = shown.flatMap(([namespace, , , name]) => (namespace === "AWS/Lambda" ? [name] : []));
    expect([...new Set(functions)].toSorted()).toEqual(FUNCTIONS.map((fn) => `dojo-relay-dev-${fn}`).toSorted());
  });
});

interface Statement {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: unknown;
}
const list = <T>(value: T | readonly T[]): readonly T[] => (Array.isArray(value) ? value : [value as T]);

/** Actions that know no resource. https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html */
const WITHOUT_RESOURCES = new Set(["xray:PutTraceSegments", "xray:PutTelemetryRecords"]);

describe.each(variants)("permissions, $name", ({ osls, name }) => {
  const statements = Object.entries(osls.Resources).flatMap(([id, { Type, Properties }]) => {
    const documents =
      Type === "AWS::IAM::Role"
        ? (Properties.Policies as { PolicyDocument: { Statement: Statement[] } }[])
        : "PolicyDocument" in Properties
          ? [Properties as unknown as { PolicyDocument: { Statement: Statement[] } }]
          : [];
    return documents.flatMap(({ PolicyDocument }) =>
      PolicyDocument.Statement.map((statement) => ({ id, ...statement })),
    );
  });
  const allowed = statements.filter(({ Effect }) => Effect === "Allow");

  it("no action is a wildcard", () => {
    const actions = allowed.flatMap(({ Action }) => list(Action));
    expect(actions.length).toBeGreaterThan(15);
    expect(actions.filter((action) => action.includes("*"))).toEqual([]);
  });

  it("every resource that can be named is", () => {
    for (const { Action, Resource, id } of allowed) {
      if (list(Action).every((action) => WITHOUT_RESOURCES.has(action))) continue;
      for (const resource of list(Resource)) {
        expect(resource, `${id}: ${list(Action).join()}`).toMatch(/^(<\w+\.Arn>|arn:aws:\w+:[^*]*:[^*:]+)/);
        expect(resource).not.toMatch(/^arn:aws:s3:::\*|:function:\*|:\*$(?<!:log-group:\/aws\/lambda\/[\w-]+:\*)/);
      }
    }
  });

  const { bucket = "securecodebox", prefix = "" } = VARIANTS[name] ?? {};
  const under = `arn:aws:s3:::${bucket}/${prefix}`;
  const of = (role: string, action: string) =>
    allowed.flatMap(({ id, Action, Resource }) => (id === role && list(Action).includes(action) ? list(Resource) : []));

  it("ingest reads findings and sidecars, and writes nothing but messages", () => {
    const findings = name === "defaults" ? "findings.json" : "results.json";
    const sidecar = name === "defaults" ? "scan.json" : "scan.yml";
    expect(of("IngestRole", "s3:GetObject")).toEqual(
      [findings, sidecar, "scan.yaml"].map((file) => `${under}*${file}`),
    );
    const actions = allowed.flatMap(({ id, Action }) => (id === "IngestRole" ? list(Action) : []));
    expect(actions.filter((action) => /Put|Delete|Secret/.test(action) && !/^(logs|xray):/.test(action))).toEqual([]);
  });

  it("the importer writes its own four objects, removes one, and reads one secret", () => {
    const [findings, original] =
      name === "defaults" ? ["findings.json", "findings.original.json"] : ["results.json", "results.original.json"];
    expect(of("ImporterRole", "s3:PutObject")).toEqual([
      ...[findings, original, "defectdojo.json", "defectdojo.pending.json"].map((file) => `${under}*${file}`),
      `arn:aws:s3:::${bucket}/.dojo-relay/tests/*`,
      `arn:aws:s3:::${bucket}/.dojo-relay/living/*`,
    ]);
    expect(of("ImporterRole", "s3:DeleteObject")).toEqual([`${under}*defectdojo.pending.json`]);
    expect(of("ImporterRole", "s3:GetObject")).toEqual([
      `${under}*`,
      `arn:aws:s3:::${bucket}/.dojo-relay/tests/*`,
      `arn:aws:s3:::${bucket}/.dojo-relay/living/*`,
    ]);
    expect(of("ImporterRole", "secretsmanager:GetSecretValue")).toEqual([
      `arn:aws:secretsmanager:eu-central-1:111122223333:secret:${VARIANTS[name]?.apiKeySecret ?? "dojo-relay/defectdojo"}-??????`,
    ]);
    expect(of("ImporterRole", "sqs:SendMessage")).toEqual(["<JobQueue.Arn>", "<DeadLetterQueue.Arn>"]);
  });

  it("the resync reads and writes what it syncs again, below its prefix, and has nothing to do with queues", () => {
    const [findings, original, sidecar] =
      name === "defaults"
        ? ["findings.json", "findings.original.json", "scan.json"]
        : ["results.json", "results.original.json", "scan.yml"];
    const below = `${under}${VARIANTS[name]?.resyncPrefix ?? ""}`;
    expect(of("ResyncRole", "s3:GetObject")).toEqual(
      [findings, original, "defectdojo.json", sidecar, "scan.yaml"].map((file) => `${below}*${file}`),
    );
    for (const action of ["s3:PutObject", "s3:AbortMultipartUpload"]) {
      expect(of("ResyncRole", action)).toEqual([findings, "defectdojo.json"].map((file) => `${below}*${file}`));
    }
    expect(of("ResyncRole", "secretsmanager:GetSecretValue")).toEqual(
      of("ImporterRole", "secretsmanager:GetSecretValue"),
    );
    expect(allowed.flatMap(({ id, Action }) => (id === "ResyncRole" ? list(Action) : [])).toSorted()).toEqual(
      [
        ...["logs:CreateLogStream", "logs:PutLogEvents"],
        ...["s3:AbortMultipartUpload", "s3:GetObject", "s3:ListBucket", "s3:PutObject"],
        "secretsmanager:GetSecretValue",
        ...(name === "defaults" ? [] : ["kms:Decrypt", "kms:GenerateDataKey", ...WITHOUT_RESOURCES]),
      ].toSorted(),
    );
  });

  it("follow keeps its state apart from scans, enqueues, and reads one secret", () => {
    for (const action of ["s3:GetObject", "s3:PutObject"]) {
      expect(of("FollowRole", action)).toEqual([`arn:aws:s3:::${bucket}/.dojo-relay/*`]);
    }
    expect(of("FollowRole", "sqs:SendMessage")).toEqual(["<JobQueue.Arn>"]);
    expect(of("FollowRole", "secretsmanager:GetSecretValue")).toEqual(
      of("ImporterRole", "secretsmanager:GetSecretValue"),
    );
    expect(of("FollowRole", "s3:ListBucket")).toEqual([`arn:aws:s3:::${bucket}`]);
    expect(of("ImporterRole", "s3:PutObject")).toContain(`arn:aws:s3:::${bucket}/.dojo-relay/tests/*`);
  });

  it("notify reads receipts and findings, keeps its notes apart, and reads one secret of its own", () => {
    expect(of("NotifyRole", "s3:PutObject")).toEqual([`arn:aws:s3:::${bucket}/.dojo-relay/notify/*`]);
    expect(of("NotifyRole", "s3:GetObject")).toContain(`arn:aws:s3:::${bucket}/${prefix}*defectdojo.json`);
    expect(of("NotifyRole", "sqs:SendMessage")).toEqual(["<NotifyFailureQueue.Arn>"]);
    expect(of("NotifyRole", "secretsmanager:GetSecretValue")).toHaveLength(1);
    expect(of("NotifyRole", "secretsmanager:GetSecretValue")).not.toEqual(
      of("ImporterRole", "secretsmanager:GetSecretValue"),
    );
  });

  it("a missing object is told from a forbidden one", () => {
    for (const role of ["IngestRole", "ImporterRole", "ResyncRole"]) {
      const below = role === "ResyncRole" ? (VARIANTS[name]?.resyncPrefix ?? "") : "";
      expect(of(role, "s3:ListBucket")).toEqual([`arn:aws:s3:::${bucket}`]);
      const condition = allowed.find(({ id, Action }) => id === role && Action === "s3:ListBucket")?.Condition;
      // StringLike would take 404 away: a GET of one object has no s3:prefix.
      expect(condition).toEqual({ StringLikeIfExists: { "s3:prefix": `${prefix}${below}*` } });
    }
  });

  it("network interfaces are managed by AWS' own policy, and only in a VPC", () => {
    for (const role of ["IngestRole", "ImporterRole", "ResyncRole", "FollowRole", "NotifyRole"]) {
      expect(osls.Resources[role]?.Properties.ManagedPolicyArns).toEqual(
        name === "defaults" ? [] : ["arn:aws:iam::aws:policy/service-role/AWSLambdaENIManagementAccess"],
      );
    }
  });

  it("queues refuse what does not come by TLS", () => {
    const denied = statements.filter(({ Effect, id }) => Effect === "Deny" && id.endsWith("QueuePolicy"));
    expect(denied.map(({ Resource }) => Resource)).toEqual([
      "<JobQueue.Arn>",
      "<DeadLetterQueue.Arn>",
      "<IngestFailureQueue.Arn>",
      "<NotifyFailureQueue.Arn>",
    ]);
  });
});

describe("the notification on the bucket", () => {
  const s3 = mockClient(S3Client);
  afterEach(() => s3.reset());
  const OTHERS: NotificationConfiguration = {
    QueueConfigurations: [{ Id: "other", QueueArn: "arn:q", Events: ["s3:ObjectRemoved:*"] }],
    LambdaFunctionConfigurations: [{ Id: "theirs", LambdaFunctionArn: "arn:f", Events: ["s3:ObjectCreated:*"] }],
  };
  const OWN_ID = "dojo-relay-dev-ingest";
  const own = (Rules: unknown) => ({
    Id: OWN_ID,
    LambdaFunctionArn: "arn:ingest",
    Events: ["s3:ObjectCreated:*"],
    Filter: { Key: { FilterRules: Rules } },
  });

  /** Runs the function of the template as CloudFormation does; returns what it put and what it answered. */
  async function deploy(RequestType: string, properties: Properties, present: NotificationConfiguration | Error) {
    if (present instanceof Error) s3.on(GetBucketNotificationConfigurationCommand).rejects(present);
    else s3.on(GetBucketNotificationConfigurationCommand).resolves({ ...present, $metadata: {} });
    s3.on(PutBucketNotificationConfigurationCommand).resolves({});
    let answer: unknown;
    const cloudFormation = http.createServer((request, response) => {
      text(request)
        .then((body) => {
          answer = JSON.parse(body);
          response.end();
        })
        .catch((error: unknown) => response.writeHead(500).end(String(error)));
    });
    await new Promise<void>((resolve) => {
      cloudFormation.listen(0, "127.0.0.1", resolve);
    });
    const { port } = cloudFormation.address() as AddressInfo;
    const code = defaults.osls.Resources.NotificationLambdaFunction?.Properties.Code as { ZipFile: string } | undefined;
    const exports: { handler?: (event: unknown) => Promise<void> } = {};
    const silent = { error: () => undefined };
    compileFunction(code?.ZipFile ?? "", ["require", "exports", "fetch", "console"])(
      createRequire(import.meta.url),
      exports,
      fetch,
      silent,
    );
    await exports.handler?.({
      RequestType,
      ResponseURL: `http://127.0.0.1:${port}/`,
      StackId: "stack",
      RequestId: "request",
      LogicalResourceId: "BucketNotification",
      ResourceProperties: { Bucket: "my-scans", Id: OWN_ID, FunctionArn: "arn:ingest", ...properties },
    });
    await new Promise((resolve) => cloudFormation.close(resolve));
    const put = s3.commandCalls(PutBucketNotificationConfigurationCommand)[0]?.args[0].input;
    return { put, answer };
  }
  const success = {
    Status: "SUCCESS",
    PhysicalResourceId: "my-scans",
    StackId: "stack",
    RequestId: "request",
    LogicalResourceId: "BucketNotification",
  };

  it.each(["Create", "Update"])("%s adds ours and keeps those of others", async (type) => {
    const present = { ...OTHERS, LambdaFunctionConfigurations: [...(OTHERS.LambdaFunctionConfigurations ?? [])] };
    if (type === "Update") present.LambdaFunctionConfigurations.push(own([]) as never);
    const { put, answer } = await deploy(type, { Trigger: "bucket", Prefix: "", Suffix: "findings.json" }, present);
    expect(put).toEqual({
      Bucket: "my-scans",
      NotificationConfiguration: {
        ...OTHERS,
        LambdaFunctionConfigurations: [
          ...(OTHERS.LambdaFunctionConfigurations ?? []),
          own([{ Name: "suffix", Value: "findings.json" }]),
        ],
      },
    });
    expect(answer).toEqual(success);
  });

  it("tells notify of receipts where that is switched on, and takes it away again", async () => {
    const trigger = { Trigger: "bucket", Prefix: "a/", Suffix: "findings.json", NotifyArn: "arn:notify" };
    const on = await deploy("Update", { ...trigger, NotifyEnabled: "true" }, OTHERS);
    const receipts = {
      Id: `${OWN_ID}-receipts`,
      LambdaFunctionArn: "arn:notify",
      Events: ["s3:ObjectCreated:*"],
      Filter: {
        Key: {
          FilterRules: [
            { Name: "prefix", Value: "a/" },
            { Name: "suffix", Value: "defectdojo.json" },
          ],
        },
      },
    };
    expect(on.put?.NotificationConfiguration?.LambdaFunctionConfigurations?.at(-1)).toEqual(receipts);
    s3.reset();
    const off = await deploy("Update", { ...trigger, NotifyEnabled: "false" }, on.put?.NotificationConfiguration ?? {});
    const ids = off.put?.NotificationConfiguration?.LambdaFunctionConfigurations?.map(({ Id }) => Id);
    expect(ids).toEqual(["theirs", OWN_ID]);
  });

  it("switches EventBridge on instead, and never off", async () => {
    const trigger = { Trigger: "eventbridge", Prefix: "a/", Suffix: "findings.json" };
    const on = await deploy("Update", trigger, { LambdaFunctionConfigurations: [own([]) as never] });
    expect(on.put?.NotificationConfiguration).toEqual({
      LambdaFunctionConfigurations: [],
      EventBridgeConfiguration: {},
    });
    s3.reset();
    const deleted = await deploy("Delete", trigger, { ...OTHERS, EventBridgeConfiguration: {} });
    expect(deleted.put?.NotificationConfiguration).toEqual({ ...OTHERS, EventBridgeConfiguration: {} });
  });

  it("answers that it failed, and lets go of a bucket that is gone", async () => {
    const missing = Object.assign(new Error("no such bucket"), { name: "NoSuchBucket" });
    const failed = await deploy("Create", { Trigger: "bucket" }, missing);
    expect(failed.answer).toMatchObject({ Status: "FAILED", Reason: "my-scans: NoSuchBucket: no such bucket" });
    expect((await deploy("Delete", { Trigger: "bucket" }, missing)).answer).toMatchObject({ Status: "SUCCESS" });
  });
});

describe("linters", () => {
  const { CFN_LINT_BIN: cfnLint, SAM_BIN: samCli } = process.env;
  for (const [bin, variable] of [
    [cfnLint, "CFN_LINT_BIN"],
    [samCli, "SAM_BIN"],
  ]) {
    if (bin === undefined)
      process.stderr.write(`\n*** SKIPPED: a linter of the templates. Set ${variable} to run it. ***\n\n`);
  }
  const lint = { cwd: ROOT, env: { ...process.env, SAM_CLI_TELEMETRY: "0", AWS_DEFAULT_REGION: "eu-central-1" } };

  // W3005: osls says what its functions depend on, also where a reference says it already. W8003: it puts parameters into conditions.
  it.skipIf(cfnLint === undefined).each(variants)("cfn-lint, $name", async ({ packaged }) => {
    const template = join(packaged.path, "cloudformation-template-update-stack.json");
    const { stdout } = await run(cfnLint ?? "", ["--ignore-checks", "W3005", "W8003", "--template", template], lint);
    expect(stdout).toBe("");
  });

  it.skipIf(cfnLint === undefined)("cfn-lint of the SAM template", async () => {
    const { stdout } = await run(cfnLint ?? "", ["--template", "infra/aws/template.yaml"], lint);
    expect(stdout).toBe("");
  });

  it.skipIf(samCli === undefined)("sam validate and sam build", async () => {
    await run(samCli ?? "", ["validate", "--lint", "--template", "infra/aws/template.yaml"], lint);
    const out = join(folder, "sam");
    await run(samCli ?? "", ["build", "--template", "infra/aws/template.yaml", "--build-dir", out], lint);
    for (const fn of FUNCTIONS) {
      expect(existsSync(join(out, `${upper(fn)}LambdaFunction/functions/${fn}.mjs`)), fn).toBe(true);
    }
  });
});
