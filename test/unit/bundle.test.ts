import { execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { CreateBucketCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { CreateQueueCommand, ReceiveMessageCommand } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { uploadScan } from "../../cli/scan-folder.ts";
import { type Bundle, bundle, FUNCTIONS } from "../../infra/bundle/bundle.ts";
import { startStandin } from "../../infra/local/defectdojo/server.ts";
import { startEmbeddedS3 } from "../../infra/local/s3/server.ts";
import { startEmbeddedSqs } from "../../infra/local/sqs/server.ts";
import { s3Storage } from "../../lib/aws/s3-storage.ts";
import { parseNotification } from "../../lib/ingest/notifications.ts";
import { decodeJob, deduplicationId, messageGroup } from "../../lib/model/job.ts";
import { readReceipt } from "../../lib/ports/receipt-store.ts";
import { s3Client, sqsClient } from "../contract/aws.ts";

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "../..");
const BUCKET = "securecodebox";
const SCAN = "scan-7d1f52c4";
const FINDINGS = { bucket: BUCKET, key: `${SCAN}/findings.json` };
const MOST_BYTES = 656_000;

const bundles = {} as Record<(typeof FUNCTIONS)[number], Bundle>;

beforeAll(async () => {
  for (const name of FUNCTIONS) bundles[name] = await bundle(name);
});

/** What must not be in a bundle, as parts of the paths of its files. */
const ABSENT = {
  ingest: [
    "lib/defectdojo/",
    "lib/importer/",
    "lib/report/",
    "lib/sync/",
    "lib/settings.ts",
    "lib/deferral.ts",
    "client-secrets-manager",
    "client-ssm",
    "powertools/parameters",
    "lib-storage",
    "stream-json",
  ],
  importer: ["lib/ingest/ingest.ts", "lib/ingest/notifications.ts", "lib/sync/resync-scans.ts", "ingest-handler"],
  resync: [
    "lib/ingest/ingest.ts",
    "lib/ingest/make-job.ts",
    "lib/importer/",
    "lib/aws/sqs-queue.ts",
    "client-sqs",
    "/batch/",
  ],
  follow: ["lib/importer/", "lib/report/", "lib/sync/", "lib/ingest/", "stream-json", "/batch/"],
  notify: ["lib/importer/", "lib/sync/", "lib/follow/", "lib/defectdojo/", "client-sqs", "/batch/"],
  all: ["nested-clients", "credential-provider-", "client-sso", "client-sts", "event-streams/", "/undici/", "/cli/"],
};

describe.each(FUNCTIONS)("the bundle of %s", (name) => {
  it(`is smaller than ${MOST_BYTES} bytes, the SDK inside`, () => {
    const { bytes, inputs } = bundles[name];
    process.stderr.write(`${name}.mjs: ${bytes} bytes of ${inputs.length} files\n`);
    expect(bytes).toBeLessThan(MOST_BYTES);
    expect(inputs.join("\n")).toContain("@aws-sdk/client-s3");
  });

  it("holds nothing that the function does not use", () => {
    const foreign = [...ABSENT[name], ...ABSENT.all];
    expect(bundles[name].inputs.filter((file) => foreign.some((part) => file.includes(part)))).toEqual([]);
  });

  it("keeps what is imported for its effect alone", async () => {
    const source = await readFile(join(ROOT, `functions/${name}.ts`), "utf8");
    const bare = [...source.matchAll(/^import "\.\.\/(.+)";$/gm)].map(([, file]) => file);
    expect(bundles[name].inputs).toEqual(expect.arrayContaining(bare));
  });

  it("is imported by itself", async () => {
    const code = `const t = performance.now(); const { handler } = await import(${JSON.stringify(bundles[name].path)});
      console.log(typeof handler, Math.round(performance.now() - t));`;
    const env = { QUEUE_URL: "http://127.0.0.1:1/jobs.fifo", DLQ_URL: "http://127.0.0.1:1/dlq.fifo" };
    const dojo = { DEFECTDOJO_URL: "http://127.0.0.1:1", DEFECTDOJO_APIKEY_SECRET: "unused" };
    // From a folder without node_modules: what is not inside is not found.
    const { stdout } = await run(process.execPath, ["--input-type=module", "--eval", code], {
      cwd: tmpdir(),
      env: { ...env, ...dojo },
      timeout: 55_000,
    });
    const [type, ms] = stdout.trim().split(" ");
    process.stderr.write(`${name}.mjs: imported in ${ms} ms (aim: under 300)\n`);
    expect(type).toBe("function");
  });
});

describe("npm run invoke", () => {
  let env: NodeJS.ProcessEnv;
  let stop: (() => Promise<unknown>)[] = [];
  let sqs: ReturnType<typeof sqsClient>;
  let s3: ReturnType<typeof s3Client>;
  const asked: string[] = [];

  beforeAll(async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "dojo-relay-bundle-"));
    const store = await startEmbeddedS3({ dataDir });
    const queues = await startEmbeddedSqs({ dataDir });
    const dojo = await startStandin();
    const keys = await startKeyStore(dojo.apiKey, asked);
    s3 = s3Client(store.url);
    sqs = sqsClient(queues.url);
    stop = [dojo.close, keys.close, () => queues.close(), () => store.close(), () => rm(dataDir, { recursive: true })];
    await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
    const settings = { bucket: BUCKET, prefix: "", findingsName: "findings.json" };
    await uploadScan(s3, join(ROOT, "infra/events", SCAN), settings);
    const Attributes = { FifoQueue: "true" };
    const [jobs, dlq] = [
      await sqs.send(new CreateQueueCommand({ QueueName: "jobs.fifo", Attributes })),
      await sqs.send(new CreateQueueCommand({ QueueName: "dlq.fifo", Attributes })),
    ];
    env = {
      AWS_ENDPOINT_URL_S3: store.url,
      AWS_ENDPOINT_URL_SQS: queues.url,
      AWS_ENDPOINT_URL_SECRETS_MANAGER: keys.url,
      AWS_ENDPOINT_URL_SSM: keys.url,
      AWS_ACCESS_KEY_ID: "any",
      AWS_SECRET_ACCESS_KEY: "any",
      QUEUE_URL: jobs.QueueUrl,
      DLQ_URL: dlq.QueueUrl,
      DEFECTDOJO_URL: dojo.url,
      POLL_SECONDS: "0.1",
    };
  });
  afterAll(async () => {
    s3.destroy();
    sqs.destroy();
    for (const end of stop) await end();
  });

  const received = async (QueueUrl: string | undefined) => {
    const MessageAttributeNames = ["All"];
    const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MessageAttributeNames }));
    return Messages;
  };

  it.each(["s3-put", "minio-put", "eventbridge", "sns-in-sqs"])("ingest takes %s", async (event) => {
    const { code, answer, log } = await invoke(["ingest", `infra/events/${event}.json`], env);
    expect(answer, log).toMatchObject({ enqueued: [expect.stringMatching(/^[0-9a-f]{64}$/)], batchItemFailures: [] });
    expect(code).toBe(0);
    expect(log).toContain("enqueued a job");
  });

  it("knows an object that is missing from one that is forbidden, by the error's code alone", async () => {
    const storage = s3Storage(s3);
    await storage.write({ bucket: BUCKET, key: "scan-alone/findings.json" }, "[]", { contentType: "application/json" });
    const [event] = await eventFile("s3-put", (text) => text.replaceAll(SCAN, "scan-alone").replace(/"eTag".*/, ""));
    const { answer, log } = await invoke(["ingest", "-"], env, event);
    expect(answer, log).toMatchObject({ enqueued: [], deadLettered: 1 });
    const [aside] = await received(env.DLQ_URL);
    expect(aside?.MessageAttributes?.reason?.StringValue).toBe("sidecar-missing");
  });

  it("the importer takes sqs-job, with the API key out of Secrets Manager", async () => {
    const { code, answer, log } = await invoke(["importer", "infra/events/sqs-job.json"], {
      ...env,
      DEFECTDOJO_APIKEY_SECRET: "dojo-relay/defectdojo",
    });
    expect(answer, log).toEqual({ batchItemFailures: [] });
    expect(code).toBe(0);
    expect(asked).toContain("secretsmanager.GetSecretValue dojo-relay/defectdojo");
    const storage = s3Storage(s3);
    const stored = await readReceipt(storage, FINDINGS, { debug() {}, info() {}, warn() {}, error() {} });
    expect(stored?.receipt).toMatchObject({ outcome: "synced", importedAs: "Nmap Scan" });
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: BUCKET, Prefix: `${SCAN}/` }));
    expect(Contents.map(({ Key }) => Key)).toEqual(
      ["defectdojo.json", "findings.json", "findings.original.json", "nmap-results.xml", "scan.json"].map(
        (file) => `${SCAN}/${file}`,
      ),
    );
  });

  it("the resync takes schedule, and needs no queue", async () => {
    const { code, answer, log } = await invoke(["resync", "infra/events/schedule.json"], {
      ...env,
      QUEUE_URL: "",
      DLQ_URL: "",
      DEFECTDOJO_APIKEY_SECRET: "dojo-relay/defectdojo",
      RESYNC_PREFIX: `${SCAN}/`,
    });
    expect(answer, log).toEqual({ synced: 1, skipped: 0, failed: 0, whole: true });
    expect(code).toBe(0);
    const metrics = log.split("\n").find((line) => line.includes('"ScansResynced"')) ?? "{}";
    expect(JSON.parse(metrics)).toMatchObject({ service: "resync", ScansResynced: 1, ResyncsFailed: 0 });
  });

  it("the importer has the API key out of the Parameter Store too", async () => {
    const settings = { bucket: BUCKET, prefix: "again/", findingsName: "findings.json" };
    await uploadScan(s3, join(ROOT, "infra/events", SCAN), settings);
    const [event] = await eventFile("sqs-job", (text) => text.replaceAll(`${SCAN}/`, `again/${SCAN}/`));
    const { answer, log } = await invoke(
      ["importer", "-"],
      { ...env, DEFECTDOJO_APIKEY_PARAMETER: "/dojo/key" },
      event,
    );
    expect(answer, log).toEqual({ batchItemFailures: [] });
    expect(log).toContain("the job ended: synced");
    expect(asked).toContain("AmazonSSM.GetParameter /dojo/key");
  });

  it("answers with the error as Lambda gives it", async () => {
    const { code, answer } = await invoke(["ingest", "infra/events/s3-put.json"], {
      ...env,
      AWS_ENDPOINT_URL_S3: "http://127.0.0.1:1",
    });
    expect(answer).toMatchObject({ errorType: expect.any(String), errorMessage: expect.stringContaining("s3://") });
    expect(code).toBe(1);
  });

  it("says what is missing", async () => {
    const noQueue = await invoke(["ingest", "infra/events/s3-put.json"], { ...env, QUEUE_URL: "" });
    expect(noQueue).toMatchObject({ code: 2, answer: { errorMessage: expect.stringContaining("QUEUE_URL") } });
    const noKeys = await invoke(["ingest", "infra/events/s3-put.json"], { ...env, AWS_ACCESS_KEY_ID: "" });
    expect(noKeys).toMatchObject({ code: 2, log: expect.stringContaining("AWS_ACCESS_KEY_ID") });
    for (const args of [[], ["ingest"], ["other", "x.json"], ["ingest", "no-such.json"], ["--wrong"]]) {
      expect(await invoke(args, env)).toMatchObject({ code: 2, log: expect.stringMatching(/^invoke: /) });
    }
  });

  it.each([
    ["ingest", "s3-put", { enqueued: [expect.any(String)] }, /queue: 1 message/],
    ["importer", "sqs-job", { batchItemFailures: [] }, /scan-7d1f52c4\/findings\.original\.json/],
    ["resync", "schedule", { synced: 1, failed: 0 }, /scan-7d1f52c4\/defectdojo\.json/],
    ["follow", "schedule", { changes: 0, resyncs: 0 }, /\.dojo-relay\/follow\//],
    ["notify", "receipt-put", { sent: 1 }, /the webhook was sent: .*"title":"2 new findings in Shop/],
  ])("%s works on a bare machine, with nothing set", async (name, event, expected, after) => {
    const { PATH } = process.env;
    const { code, answer, log } = await invoke([name, `infra/events/${event}.json`], { PATH });
    expect(answer, log).toMatchObject(expected);
    expect(log).toMatch(after);
    expect(code).toBe(0);
  });

  const emulator = process.env.RIE_BIN;
  if (emulator === undefined) process.stderr.write("\n*** SKIPPED: invoke --rie. Set RIE_BIN to run it. ***\n\n");
  it.skipIf(emulator === undefined)("runs under the Runtime Interface Emulator", async () => {
    const more = { ...env, RIE_BIN: emulator };
    const good = await invoke(["ingest", "infra/events/s3-put.json", "--rie"], more);
    expect(good.answer, good.log).toMatchObject({ ignored: expect.any(Number), batchItemFailures: [] });
    expect(good.code).toBe(0);
    const bad = await invoke(["ingest", "infra/events/s3-put.json", "--rie"], {
      ...more,
      AWS_ENDPOINT_URL_S3: "http://127.0.0.1:1",
    });
    expect(bad).toMatchObject({ code: 1, answer: { errorMessage: expect.stringContaining("s3://") } });
  });
});

describe("the events of infra/events", () => {
  it.each(["s3-put", "minio-put", "eventbridge", "sns-in-sqs"])("%s tells of the scan beside it", async (name) => {
    const [, event] = await eventFile(name);
    const findings = await readFile(join(ROOT, "infra/events", SCAN, "findings.json"));
    const { createHash } = await import("node:crypto");
    const etag = createHash("md5").update(findings).digest("hex");
    expect(parseNotification(event)).toMatchObject([{ created: { ...FINDINGS, etag } }]);
  });

  it("sqs-job is what ingest makes of it", async () => {
    const [, event] = await eventFile("sqs-job");
    const [record] = (event as { Records: { body: string; attributes: Record<string, string> }[] }).Records;
    const job = decodeJob(record?.body ?? "", "sqs-job.json");
    expect(job).toMatchObject({ ...FINDINGS, kind: "import", scan: { scanType: "nmap" } });
    expect(record?.attributes).toMatchObject({
      MessageGroupId: messageGroup(job),
      MessageDeduplicationId: deduplicationId(job),
    });
  });
});

// --- utils ---

async function eventFile(name: string, change = (content: string) => content): Promise<[string, unknown]> {
  const content = change(await readFile(join(ROOT, `infra/events/${name}.json`), "utf8")).replace(/,(\s*})/g, "$1");
  return [content, JSON.parse(content)];
}

/** As `npm run invoke` does it. */
async function invoke(args: readonly string[], env: NodeJS.ProcessEnv, stdin = "") {
  const child = spawn(process.execPath, ["infra/invoke/invoke.ts", ...args], { cwd: ROOT, env });
  child.stdin.end(stdin);
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const [stdout, log] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await ended, answer: stdout === "" ? undefined : (JSON.parse(stdout) as unknown), log };
}

/** Secrets Manager and the Parameter Store, as far as a function asks them. */
async function startKeyStore(key: string, asked: string[]) {
  const answer = (target: unknown, body: string) => {
    const { SecretId, Name } = JSON.parse(body) as { SecretId?: string; Name?: string };
    asked.push(`${String(target)} ${SecretId ?? Name}`);
    return SecretId === undefined ? { Parameter: { Name, Value: key } } : { SecretString: key };
  };
  const server = http.createServer((request, response) => {
    response.setHeader("content-type", "application/x-amz-json-1.1");
    text(request)
      .then((body) => response.end(JSON.stringify(answer(request.headers["x-amz-target"], body))))
      .catch((error: unknown) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, close: () => new Promise((resolve) => server.close(resolve)) };
}
