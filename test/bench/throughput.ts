import { setTimeout as sleep } from "node:timers/promises";
import { s3Storage } from "../../lib/aws/s3-storage.ts";
import { minioEvent } from "../helpers/events.ts";
import { startChild } from "./rpc.ts";
import { paceOf, type Servers, startServers } from "./servers.ts";
import type { ServiceMethods, Step } from "./service-child.ts";
import { benchFinding, benchSidecar } from "./workload.ts";

export interface ThroughputOptions {
  readonly scans: number;
  readonly products: number;
  readonly findingsEach: number;
  readonly concurrency: number;
  /** Notifications a second that are sent to ingest. */
  readonly rate: number;
  /** How many times faster than measured the stand-in is. */
  readonly speedup: number;
}

export interface Throughput {
  readonly scans: number;
  readonly products: number;
  readonly notificationsPerSecond: number;
  /** Of an answer of ingest, which comes when the job is in the queue. */
  readonly ingestMedianMs: number;
  readonly ingestSlowestMs: number;
  readonly scansPerSecond: number;
  readonly sideBySide: number;
  readonly outOfOrder: number;
  readonly requestsEach: number;
  readonly peakRssMiB: number;
}

export const TOKEN = "bench-token";

export interface Scan {
  readonly product: number;
  readonly key: string;
  readonly etag: string;
}

/**
 * Many small scans of several products through the service, which is a process of its own beside store, queues and DefectDojo: the scans lie in a bucket that sends no notifications, then their notifications are sent at a
 * steady rate, and all are imported.
 */
export async function throughput(options: ThroughputOptions): Promise<Throughput> {
  const servers = await startServers({ timing: paceOf(1 / options.speedup) });
  const service = await startChild<ServiceMethods>("service-child.ts");
  try {
    const started = await service.call.start({
      ...servers.env,
      WEBHOOK_TOKEN: TOKEN,
      MAX_CONCURRENCY: String(options.concurrency),
      POLL_SECONDS: "0.1",
    });
    const scans = await upload(servers, options);
    const begun = Date.now();
    const answers = await notify(`${started.url}/events`, servers.bucket, scans, options.rate);
    const notified = Date.now() - begun;
    const steps: Step[] = [];
    while (steps.filter(({ state }) => state === "done" || state === "failed").length < scans.length) {
      await sleep(500);
      steps.push(...(await service.call.steps()));
    }
    if (steps.some(({ state }) => state === "failed" || state === "again")) throw new Error("some scans failed");
    const lastDone = Math.max(...steps.map(({ at }) => at));
    const requests = await servers.requests();
    return {
      scans: scans.length,
      products: options.products,
      notificationsPerSecond: round(scans.length / (notified / 1_000)),
      ingestMedianMs: round(answers.toSorted((a, b) => a - b)[Math.floor(answers.length / 2)] ?? 0),
      ingestSlowestMs: round(Math.max(...answers)),
      scansPerSecond: round(scans.length / ((lastDone - begun) / 1_000)),
      sideBySide: mostAtOnce(steps),
      outOfOrder: outOfOrder(scans, steps),
      requestsEach: round(requests / scans.length),
      peakRssMiB: round(await service.call.peakRssMiB()),
    };
  } finally {
    await service.call.close();
    await service.stop();
    await servers.stop();
  }
}

/** @param name of the folders, for each of which all findings are at places of their own */
export async function upload(
  { s3, bucket }: Servers,
  {
    scans,
    products,
    findingsEach,
    findingOf = benchFinding,
  }: Pick<ThroughputOptions, "scans" | "products" | "findingsEach"> & { readonly findingOf?: typeof benchFinding },
  name = "scan",
): Promise<Scan[]> {
  const storage = s3Storage(s3);
  const put = (key: string, content: unknown) =>
    storage.write({ bucket, key }, JSON.stringify(content), { contentType: "application/json" });
  const uploaded: Scan[] = [];
  for (let number = 0; number < scans; number++) {
    const product = number % products;
    const folder = `${name}-${number}`;
    const names = { scan: `nightly-${product}`, product: `product-${product}`, raw: false };
    const findings = Array.from({ length: findingsEach }, (_, i) => findingOf(i, number));
    await put(`${folder}/scan.json`, benchSidecar(names));
    const key = `${folder}/findings.json`;
    uploaded.push({ product, key, etag: await put(key, findings) });
  }
  return uploaded;
}

/**
 * Sends each notification at its time, side by side but for those of one product: their order is only told by one being answered before the next is sent.
 * @returns milliseconds from when each was due to its answer
 */
export async function notify(url: string, bucket: string, scans: readonly Scan[], rate: number): Promise<number[]> {
  const begun = performance.now();
  const headers = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };
  const before = new Map<number, Promise<unknown>>();
  const answers = scans.map(async ({ product, key, etag }, index) => {
    const due = (index / rate) * 1_000;
    const earlier = before.get(product);
    const send = async () => {
      await Promise.all([earlier, sleep(Math.max(1, begun + due - performance.now()))]);
      const event = minioEvent({
        key: encodeURIComponent(key),
        eTag: etag,
        sequencer: index.toString(16).padStart(16, "0"),
      });
      for (const record of event.Records) record.s3.bucket.name = bucket;
      const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(event) });
      if (!answer.ok) throw new Error(`ingest answered ${answer.status}: ${await answer.text()}`);
      await answer.arrayBuffer();
      return performance.now() - begun - due;
    };
    const sent = send();
    before.set(product, sent);
    return await sent;
  });
  return await Promise.all(answers);
}

function mostAtOnce(steps: readonly Step[]): number {
  let [now, most] = [0, 0];
  for (const { state } of steps) {
    if (state === "running") most = Math.max(most, ++now);
    if (state === "done") now--;
  }
  return most;
}

/** Scans that began before one that was notified earlier for the same product had ended. */
function outOfOrder(scans: readonly Scan[], steps: readonly Step[]): number {
  const product = new Map(scans.map((scan) => [scan.key, scan.product]));
  const waiting = Map.groupBy(scans, (scan) => scan.product);
  let wrong = 0;
  const under = new Set<number>();
  for (const { state, key } of steps) {
    const of = product.get(key) ?? -1;
    if (state === "running") {
      if (under.has(of) || waiting.get(of)?.shift()?.key !== key) wrong++;
      under.add(of);
    } else if (state === "done") under.delete(of);
  }
  return wrong;
}

const round = (value: number) => Math.round(value * 10) / 10;
