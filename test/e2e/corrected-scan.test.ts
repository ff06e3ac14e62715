import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cliJson } from "./cli.ts";
import { putScan } from "./cli-bucket.ts";
import { type Runtime, startRuntime } from "./runtime.ts";

/** A faulty annotation of the Scan, the reason of its dead letter, and the corrected annotation. */
const ROWS = [
  ["environment", "Prodution", "sidecar-invalid", "Production"],
  ["import-as", "Nikto", "sidecar-invalid", "Generic Findings Import"],
  ["scan-date", "2999-01-02", "dojo-rejected", "2026-11-20"],
] as const;

describe("a Scan corrected in its sidecar", { timeout: 60_000 }, () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await startRuntime();
  });
  afterAll(() => runtime.stop());

  it.each(ROWS)("is read again by a redrive: %s", async (annotation, wrong, reason, corrected) => {
    const { service, standin } = runtime;
    const env = { AWS_ENDPOINT_URL_S3: service.s3Endpoint, AWS_ENDPOINT_URL_SQS: service.sqsEndpoint };
    const key = await putScan(service.clients.s3, annotation, { annotations: { [annotation]: wrong } });
    expect(await runtime.ended(key)).toMatchObject({ state: "failed", error: { reason } });

    const sidecar = key.replace("findings.json", "scan.json");
    const scan = String(await runtime.get(sidecar));
    await runtime.put(sidecar, scan.replace(wrong, corrected));
    expect(await cliJson(["dlq", "redrive", "--filter", `findings=*${key}`], env)).toEqual({ moved: 1 });
    expect(await runtime.ended(key, 1)).toMatchObject({ state: "done", outcome: { outcome: "synced" } });
    expect(await runtime.receipt(key)).toMatchObject({ outcome: "synced", scan: { name: annotation } });
    const { jobKey } = (await runtime.receipt(key)) ?? {};
    expect([...standin.state.tests.values()].filter(({ build_id }) => build_id === jobKey)).toHaveLength(1);
  });
});
