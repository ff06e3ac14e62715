import { afterEach, describe, expect, it } from "vitest";
import type { StandinOptions } from "../../../infra/local/defectdojo/options.ts";
import { type Standin, startStandin } from "../../../infra/local/defectdojo/server.ts";
import { readImporterConfig } from "../../../lib/config.ts";
import { dojoPort } from "../../../lib/defectdojo/dojo-port.ts";
import { importLoad } from "../../../lib/importer/import-load.ts";
import { importRecord } from "../../../lib/importer/process-message.ts";
import { recordSettings } from "../../../lib/importer/settings.ts";
import { decodeJob, encodeJob, messageGroup, type ScanJob } from "../../../lib/model/job.ts";
import { receiptOf } from "../../../lib/model/object-keys.ts";
import type { Receipt } from "../../../lib/model/receipt.ts";
import { mapInOrder } from "../../../lib/util/concurrency.ts";
import { aFinding, aGenericScan, aJob } from "../../helpers/factories.ts";
import { deliveryOf, fakeClock } from "../../helpers/fake-clock.ts";
import { memoryQueue } from "../../helpers/memory-queue.ts";
import { memoryStorage } from "../../helpers/memory-storage.ts";
import { recorder } from "../../helpers/recorder.ts";

/** As many scans as were measured before real servers: there 3 of 81 receipts on 2.58, and 8 of 81 on 2.34, said that all was new. */
const SCANS = 81;
const PARALLEL = 4;
const EACH = 3;

let standin: Standin;
afterEach(() => standin.close());

/** A relay with one process before a DefectDojo that does not say when deduplication is done. */
async function relay(options: StandinOptions, env: Readonly<Record<string, string>> = {}) {
  standin = await startStandin({ asyncWait: false, ...options });
  const config = readImporterConfig({
    ...{ DEFECTDOJO_URL: standin.url, DEFECTDOJO_APIKEY: standin.apiKey, ...env },
    ...{ QUEUE_URL: "http://127.0.0.1/queue", DLQ_URL: "http://127.0.0.1/dlq" },
  });
  const storage = memoryStorage();
  const [queue, dlq, clock] = [memoryQueue(), memoryQueue(), fakeClock()];
  const { log, metrics, messages } = recorder();
  const ports = { storage, dojo: dojoPort(config, {}), clock, log, metrics, queue, dlq, load: importLoad() };
  const deliver = (body: string, receiveCount = 1) =>
    importRecord(
      { messageId: body, body, receiptHandle: body, group: messageGroup(decodeJob(body, "job")), receiveCount },
      ports,
      recordSettings(config),
      deliveryOf(clock, 900_000),
    );
  const work = async (bodies: readonly string[], receiveCount?: number) => {
    const settled: boolean[] = [];
    for await (const outcome of mapInOrder(each(bodies), PARALLEL, (body) => deliver(body, receiveCount)))
      settled.push(outcome.settled);
    return settled;
  };
  const upload = (run: number, n: number): ScanJob => {
    const ref = { bucket: "securecodebox", key: `scan-${run}-${n}/findings.json` };
    const found = (i: number) => aFinding({ id: `${n}-${i}`, name: `Finding ${n} ${i}`, attributes: {} });
    const etag = storage.put(ref, JSON.stringify(Array.from({ length: EACH }, (_, i) => found(i))));
    const annotations = { "product-name": "shop", "engagement-name": `${n}` };
    return aJob({ ...ref, etag, scan: aGenericScan({ name: `scan-${run}-${n}`, annotations }) });
  };
  const scans = (run: number) => Array.from({ length: SCANS }, (_, n) => upload(run, n));
  const receipts = (jobs: readonly ScanJob[]) =>
    jobs.map((job) => JSON.parse(storage.text(receiptOf(job)) ?? "null") as Receipt);
  const written = (job: ScanJob) => JSON.parse(storage.text(job) ?? "[]") as { attributes: { duplicate: boolean } }[];
  return { queue, dlq, clock, deliver, work, scans, receipts, written, messages };
}

async function* each<T>(items: readonly T[]) {
  yield* items;
}

const isWrong = ({ duplicates }: Receipt) => duplicates !== EACH;

/** The same findings were imported before: all of them are duplicates. */
async function importAgain(w: Awaited<ReturnType<typeof relay>>) {
  await w.work(w.scans(0).map(encodeJob));
  await Promise.all(standin.state.running);
  w.queue.sent.length = 0;
  standin.state.celery.stop();
  const jobs = w.scans(1);
  await w.work(jobs.map(encodeJob));
  return jobs;
}

describe("81 scans, all duplicates, four at once, before a Celery worker that is behind", () => {
  it.each(["true", "false"])("have no wrong receipt after the second look (written back: %s)", async (syncBack) => {
    const w = await relay({}, { DEFECTDOJO_SYNC_FINDINGS_BACK: syncBack, SECOND_LOOK_SECONDS: "3600" });
    const jobs = await importAgain(w);
    const first = w.receipts(jobs);
    expect(first.filter(isWrong)).toHaveLength(SCANS);
    expect(new Set(first.map(({ deduplication }) => deduplication))).toEqual(new Set(["assumed"]));

    const looks = w.queue.sent.splice(0).map(({ body }) => body);
    expect(looks).toHaveLength(SCANS);
    expect(await w.work(looks)).toEqual(looks.map(() => false));
    expect(w.receipts(jobs)).toEqual(first);

    standin.state.celery.start();
    await Promise.all(standin.state.running);
    w.clock.advance(3_600_000);
    const requests = standin.state.requests.length;
    expect(await w.work(looks, 2)).toEqual(looks.map(() => true));
    expect(w.receipts(jobs).filter(isWrong)).toEqual([]);
    expect((standin.state.requests.length - requests) / SCANS).toBeLessThanOrEqual(14);
    if (syncBack === "true") {
      expect(jobs.flatMap((job) => w.written(job)).every(({ attributes }) => attributes.duplicate)).toBe(true);
    }

    // What was found makes each look once more; nothing is found then, and that is the end.
    const again = w.queue.sent.splice(0).map(({ body }) => body);
    expect(again).toHaveLength(SCANS);
    w.clock.advance(7_200_000);
    const before = standin.state.requests.length;
    await w.work(again, 2);
    expect((standin.state.requests.length - before) / SCANS).toBeLessThanOrEqual(2);
    expect([w.queue.sent, w.dlq.sent]).toEqual([[], []]);
    expect(w.receipts(jobs).filter(isWrong)).toEqual([]);
  });

  it("have no wrong receipt at all where the token's user blocks execution", async () => {
    const w = await relay({ blockExecution: true });
    const receipts = w.receipts(await importAgain(w));
    expect(receipts.filter(isWrong)).toEqual([]);
    expect(new Set(receipts.map(({ deduplication }) => deduplication))).toEqual(new Set(["confirmed"]));
    expect(w.queue.sent).toEqual([]);
  });
});

describe("a second look", () => {
  it("at a test that was deleted meanwhile is dropped, and no dead letter", async () => {
    const w = await relay({});
    const [job] = w.scans(0);
    if (job === undefined) throw new Error("no scan");
    await w.work([encodeJob(job)]);
    const [look] = w.queue.sent.splice(0);
    standin.state.tests.clear();
    standin.state.findingsByTest.clear();
    w.clock.advance(120_000);
    expect(await w.deliver(look?.body ?? "", 2)).toMatchObject({ settled: true });
    expect([w.dlq.sent, w.queue.sent]).toEqual([[], []]);
    expect(w.messages("warn")).toContainEqual(expect.stringMatching(/is no longer in DefectDojo/));
  });

  it("follows no scan without findings, and none that is wanted", async () => {
    const w = await relay({}, { SECOND_LOOK_SECONDS: "0" });
    await w.work(w.scans(0).slice(0, 2).map(encodeJob));
    expect(w.queue.sent).toEqual([]);
  });
});
