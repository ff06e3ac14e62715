import { CreateQueueCommand } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Diagnosis } from "../../cli/doctor/finding.ts";
import { diagnose } from "../../cli/doctor.ts";
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

  it("finds nothing that will not work in a right set-up, and leaves nothing behind", async () => {
    const diagnoses = await diagnose(env);
    expect(diagnoses.filter(({ level }) => level === "fail")).toEqual([]);
    expect(new Set(diagnoses.map(({ check }) => check))).toEqual(
      new Set([
        ...["configuration", "DefectDojo token", "DefectDojo version", "clock of DefectDojo", "rights", "product type"],
        ...[
          "deduplication",
          "location mode",
          "test types",
          "upload limit",
          "bucket",
          "clock of the store",
          "bucket rights",
        ],
        ...[
          "conditional writes",
          "notification",
          "job queue",
          "dead-letter queue",
          "redrive policy",
          "visibility timeout",
        ],
      ]),
    );
    expect(await runtime.keys(".dojo-relay-doctor/")).toEqual([]);
  });

  /** One row a wrong set-up: what is changed, and what doctor says of it. */
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
    "findings of another name": [{ FINDINGS_NAME: "other.json" }, { check: "notification", level: "fail" }],
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

  it("deduplication that is off, and a parser that is missing, are warned of", async () => {
    const other = await startRuntime({}, { deduplication: false, missingScanTypes: ["ZAP Scan"] });
    const diagnoses = await diagnose({ ...env, DEFECTDOJO_URL: other.standin.url });
    expect(of(diagnoses, "deduplication")).toMatchObject([
      { level: "warn", says: expect.stringMatching(/every finding will be new/) },
    ]);
    expect(of(diagnoses, "test types")).toMatchObject([{ level: "warn", says: "no parser ZAP Scan" }]);
    await other.stop();
  });

  it("a product type that is not there", async () => {
    expect(of(await diagnose(env, "Nowhere"), "product type")).toMatchObject([{ level: "fail" }]);
  });

  it("queues that are no FIFO queues", async () => {
    const { sqs } = runtime.service.clients;
    const { QueueUrl = "" } = await sqs.send(new CreateQueueCommand({ QueueName: "standard" }));
    const diagnoses = await diagnose({ ...env, QUEUE_URL: QueueUrl, DLQ_URL: QueueUrl });
    for (const check of ["job queue", "dead-letter queue", "redrive policy"])
      expect(of(diagnoses, check)).toMatchObject([{ level: "fail" }]);
  });
});
