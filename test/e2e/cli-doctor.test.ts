import { CreateQueueCommand } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Diagnosis } from "../../cli/doctor/finding.ts";
import { diagnose } from "../../cli/doctor.ts";
import { startProxy } from "./proxy.ts";
import { type Runtime, startRuntime } from "./runtime.ts";

describe("doctor", () => {
  let runtime: Runtime;
  let env: Record<string, string>;
  beforeAll(async () => {
    runtime = await startRuntime();
    const { s3Endpoint, sqsEndpoint } = runtime.service;
    const { url, apiKey } = runtime.standin;
    env = {
      AWS_ENDPOINT_URL_S3: s3Endpoint,
      AWS_ENDPOINT_URL_SQS: sqsEndpoint,
      DEFECTDOJO_URL: url,
      DEFECTDOJO_APIKEY: apiKey,
    };
  });
  afterAll(() => runtime.stop());
  const of = (diagnoses: readonly Diagnosis[], check: string) => diagnoses.filter((one) => one.check === check);

  it("finds no problem in a correct setup and leaves nothing behind", async () => {
    const diagnoses = await diagnose(env);
    expect(diagnoses.filter(({ level }) => level === "fail")).toEqual([]);
    expect(new Set(diagnoses.map(({ check }) => check))).toEqual(
      new Set([
        ...["configuration", "DefectDojo token", "DefectDojo version", "clock of DefectDojo", "rights", "product type"],
        ...[
          "deduplication",
          "end of deduplication",
          "location mode",
          "test types",
          "upload limit",
          "bucket",
          "clock of the store",
          "bucket rights",
        ],
        ...[
          "conditional writes",
          "conditional uploads in parts",
          "notification",
          "names of findings",
          "job queue",
          "dead-letter queue",
          "redrive policy",
          "visibility timeout",
        ],
      ]),
    );
    expect(await runtime.keys(".dojo-relay-doctor/")).toEqual([]);
  });

  it("checks for DefectDojo's import history in reimport mode", async () => {
    const living = { ...env, IMPORT_MODE: "reimport" };
    expect(of(await diagnose(living), "import history")).toMatchObject([{ level: "ok" }]);
    runtime.standin.state.intercept = ({ path }) =>
      path === "/test_imports/" ? { status: 403, body: { detail: "no" } } : undefined;
    const diagnoses = await diagnose(living);
    runtime.standin.state.intercept = undefined;
    expect(of(diagnoses, "import history")).toMatchObject([
      { level: "fail", remedy: expect.stringContaining("IMPORT_MODE=import") },
    ]);
  });

  /** One row per faulty setup: the change and doctor's message. */
  const WRONG: Readonly<Record<string, [Record<string, string>, Partial<Diagnosis>]>> = {
    "two variables are wrong": [
      { POLL_SECONDS: "x", DEFECTDOJO_URL: "dojo" },
      {
        check: "configuration",
        level: "fail",
        says: expect.stringMatching(/POLL_SECONDS.*DEFECTDOJO_URL|DEFECTDOJO_URL.*POLL_SECONDS/),
      },
    ],
    "no key": [
      { DEFECTDOJO_APIKEY: "" },
      { check: "configuration", level: "fail", says: expect.stringMatching(/DEFECTDOJO_APIKEY/) },
    ],
    "a wrong key": [
      { DEFECTDOJO_APIKEY: "other" },
      { check: "DefectDojo token", level: "fail", remedy: expect.stringMatching(/DEFECTDOJO_APIKEY/) },
    ],
    "nobody listens": [
      { DEFECTDOJO_URL: "http://127.0.0.1:9" },
      { check: "DefectDojo token", level: "fail", says: expect.stringMatching(/ECONNREFUSED/) },
    ],
    "a low-privileged key": [{ DEFECTDOJO_APIKEY: "standin-low-privileged-key" }, { check: "rights", level: "warn" }],
    "a low-privileged key and a username": [
      { DEFECTDOJO_APIKEY: "standin-low-privileged-key", DEFECTDOJO_USERNAME: "admin" },
      { check: "rights", level: "fail", remedy: expect.stringMatching(/LOW_PRIVILEGED_MODE/) },
    ],
    "no such bucket": [
      { BUCKET: "nothing-here" },
      { check: "bucket", level: "fail", remedy: expect.stringMatching(/setup/) },
    ],
    "no such queue": [{ QUEUE_URL: "http://127.0.0.1:9/0/none.fifo" }, { check: "queues", level: "fail" }],
  };

  it.each(Object.entries(WRONG).map(([name, [change, says]]) => [name, change, says] as const))(
    "%s",
    async (_, change, says) => {
      const diagnoses = await diagnose({ ...env, ...change });
      expect(of(diagnoses, says.check ?? "")).toEqual(expect.arrayContaining([expect.objectContaining(says)]));
      expect(diagnoses.filter(({ level }) => level !== "ok").every(({ remedy }) => (remedy ?? "").length > 10)).toBe(
        true,
      );
    },
  );

  it.each([
    ["webhook", "fail"],
    ["kubernetes", "ok"],
    ["both", "ok"],
  ])("a bucket that notifies nobody, where jobs are triggered by %s", async (TRIGGER, level) => {
    const diagnoses = await diagnose({ ...env, FINDINGS_NAME: "other.json", TRIGGER });
    expect(of(diagnoses, "notification")).toMatchObject([{ level }]);
  });

  it("the store of `dojo-relay start` needs no queue directory", async () => {
    const { AWS_ENDPOINT_URL_S3 = "", ...others } = env;
    const own = { ...others, S3_PORT: new URL(AWS_ENDPOINT_URL_S3).port };
    expect(of(await diagnose(env), "notification")).toMatchObject([{ level: "warn" }]);
    expect(of(await diagnose(own), "notification")).toMatchObject([{ level: "ok" }]);
  });

  it("warns about disabled deduplication and a missing parser", async () => {
    const other = await startRuntime({}, { deduplication: false, missingScanTypes: ["ZAP Scan"] });
    const diagnoses = await diagnose({ ...env, DEFECTDOJO_URL: other.standin.url });
    expect(of(diagnoses, "deduplication")).toMatchObject([
      { level: "warn", says: expect.stringMatching(/every finding will be new/) },
    ]);
    expect(of(diagnoses, "test types")).toMatchObject([{ level: "warn", says: "no parser ZAP Scan" }]);
    await other.stop();
  });

  it.each([
    ["2.58.4", {}, { level: "warn", remedy: expect.stringMatching(/Block execution/) }],
    ["3.0.200", {}, { level: "warn", remedy: expect.stringMatching(/Block execution/) }],
    ["2.34.5", { blockExecution: true }, { level: "ok", says: expect.stringMatching(/within the import/) }],
    ["3.1.0", {}, { level: "ok", says: expect.stringMatching(/reported by/) }],
  ] as const)("the end of deduplication on %s, %j", async (version, options, expected) => {
    const other = await startRuntime({}, options);
    other.standin.state.intercept = ({ path }) =>
      path === "/oa3/schema/" ? { status: 200, body: { info: { version } } } : undefined;
    const diagnoses = await diagnose({ ...env, DEFECTDOJO_URL: other.standin.url });
    expect(of(diagnoses, "end of deduplication")).toMatchObject([expected]);
    await other.stop();
  });

  it("reports whether a missing product type can be created", async () => {
    expect(of(await diagnose(env, "Nowhere"), "product type")).toMatchObject([{ level: "ok" }]);
    expect([...runtime.standin.state.productTypes.values()]).toHaveLength(1);
    const low = { ...env, DEFECTDOJO_APIKEY: runtime.standin.lowPrivilegedApiKey };
    expect(of(await diagnose(low, "Nowhere"), "product type")).toMatchObject([{ level: "fail" }]);
    expect(
      of(await diagnose({ ...env, DEFECTDOJO_LOW_PRIVILEGED_MODE: "true" }, "Nowhere"), "product type"),
    ).toMatchObject([{ level: "fail" }]);
  });

  it("reports a product type in which the token may not create products", async () => {
    runtime.standin.state.intercept = ({ method, path }) =>
      method === "POST" && path === "/products/" ? { status: 403, body: { detail: "no" } } : undefined;
    const diagnoses = await diagnose(env);
    runtime.standin.state.intercept = undefined;
    expect(of(diagnoses, "product type")).toMatchObject([
      { level: "fail", remedy: expect.stringMatching(/Authorized Users/) },
    ]);
    expect(runtime.standin.state.products.size).toBe(0);
  });

  it("accepts a low-privileged token in low-privileged mode", async () => {
    const low = { DEFECTDOJO_APIKEY: runtime.standin.lowPrivilegedApiKey, DEFECTDOJO_LOW_PRIVILEGED_MODE: "true" };
    const diagnoses = await diagnose({ ...env, ...low });
    expect(diagnoses.filter(({ level }) => level === "fail")).toEqual([]);
    expect(of(diagnoses, "deduplication")).toMatchObject([{ level: "warn", says: expect.stringMatching(/^unknown/) }]);
  });

  it("leaves the service's own queue to the service, unless its port is known", async () => {
    const { AWS_ENDPOINT_URL_SQS: sqs, ...alone } = env;
    expect(of(await diagnose(alone), "queues")).toMatchObject([
      { level: "ok", says: expect.stringMatching(/SQS_PORT/) },
    ]);
    const diagnoses = await diagnose({ ...alone, SQS_PORT: new URL(sqs ?? "").port });
    expect(of(diagnoses, "job queue")).toMatchObject([{ level: "ok" }]);
  });

  it("reports a store that ignores conditions", async () => {
    const { hostname, port } = new URL(env.AWS_ENDPOINT_URL_S3 ?? "");
    await using deaf = await startProxy({ hostname, port }, ["if-match", "if-none-match"]);
    const diagnoses = await diagnose({ ...env, AWS_ENDPOINT_URL_S3: deaf.url });
    for (const check of ["conditional writes", "conditional uploads in parts"])
      expect(of(diagnoses, check)).toMatchObject([{ level: "fail" }]);
    expect(await runtime.keys(".dojo-relay-doctor/")).toEqual([]);
  });

  it("reports clocks that differ", async () => {
    const { hostname, port } = new URL(env.DEFECTDOJO_URL ?? "");
    await using late = await startProxy({ hostname, port }, [], { date: "Tue, 01 Jan 2030 00:00:00 GMT" });
    const diagnoses = await diagnose({ ...env, DEFECTDOJO_URL: late.url });
    expect(of(diagnoses, "clock of DefectDojo")).toMatchObject([
      { level: "warn", says: expect.stringMatching(/ahead of this machine/) },
    ]);
  });

  it("reports queues that are not FIFO", async () => {
    const { sqs } = runtime.service.clients;
    const { QueueUrl = "" } = await sqs.send(new CreateQueueCommand({ QueueName: "standard" }));
    const diagnoses = await diagnose({ ...env, QUEUE_URL: QueueUrl, DLQ_URL: QueueUrl });
    for (const check of ["job queue", "dead-letter queue", "redrive policy"])
      expect(of(diagnoses, check)).toMatchObject([{ level: "fail" }]);
  });
});
