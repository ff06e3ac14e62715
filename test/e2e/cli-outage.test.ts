import { afterAll, beforeAll, expect, it } from "vitest";
import { cliJson } from "./cli.ts";
import { putScan } from "./cli-bucket.ts";
import { type Runtime, startRuntime } from "./runtime.ts";

const JOBS = 50;
/** Several products, so that some jobs run in parallel. */
const PRODUCTS = 10;

let runtime: Runtime;
beforeAll(async () => {
  runtime = await startRuntime({ MAX_FAILURES: "1", MAX_CONCURRENCY: "10" });
});
afterAll(() => runtime.stop());

it("50 jobs dead-lettered in a DefectDojo outage are redriven and end as 50 tests, none twice", {
  timeout: 240_000,
}, async () => {
  const { standin, service } = runtime;
  const env = { AWS_ENDPOINT_URL_S3: service.s3Endpoint, AWS_ENDPOINT_URL_SQS: service.sqsEndpoint };
  // The outage hits each job at its import: half of the imports succeed and only lose the response.
  const lookedUp = new Set<string | null>();
  standin.state.intercept = ({ path, query, method }) => {
    if (path === "/import-scan/")
      return standin.state.tests.size < JOBS / 2 ? { processThenHangUp: true } : { hangUp: true };
    if (path !== "/tests/" || method !== "GET") return undefined;
    if (lookedUp.has(query.get("build_id"))) return { hangUp: true };
    lookedUp.add(query.get("build_id"));
    return undefined;
  };
  const keys: string[] = [];
  for (let n = 0; n < JOBS; n++) {
    const annotations = { "product-name": `product ${n % PRODUCTS}` };
    keys.push(await putScan(service.clients.s3, `scan-${n}`, { annotations }));
  }
  const failed = await Promise.all(keys.map((key) => runtime.ended(key)));
  expect(new Set(failed.map(({ state }) => state))).toEqual(new Set(["failed"]));
  // A job is reported as complete a moment before its message is deleted.
  const status = () => expect.poll(() => cliJson(["status"], env), { timeout: 60_000 });
  await status().toMatchObject({ scans: { done: 0 }, queue: { waiting: 0, running: 0, failed: JOBS } });
  const listed = await cliJson<{ reason: string; scan: string }[]>(["dlq", "list"], env);
  expect(new Set(listed.map(({ scan }) => scan)).size).toBe(JOBS);
  expect(new Set(listed.map(({ reason }) => reason))).toEqual(new Set(["dojo-unreachable"]));

  standin.state.intercept = undefined;
  expect(await cliJson(["dlq", "redrive"], env)).toEqual({ moved: JOBS });
  const ends = await Promise.all(keys.map((key) => runtime.ended(key, 1)));
  expect(new Set(ends.map(({ state }) => state))).toEqual(new Set(["done"]));
  const tests = [...standin.state.tests.values()];
  expect(tests).toHaveLength(JOBS);
  expect(new Set(tests.map(({ build_id }) => build_id)).size).toBe(JOBS);
  await status().toMatchObject({
    scans: { done: JOBS, running: 0, waiting: 0 },
    queue: { waiting: 0, running: 0, failed: 0 },
    findings: { findings: JOBS, duplicates: 0 },
  });
});
