import { createReadStream } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setInterval as every } from "node:timers/promises";
import { DeleteMessageCommand, ReceiveMessageCommand, SendMessageCommand } from "@aws-sdk/client-sqs";
import type { SQSEvent } from "aws-lambda";
import { s3Storage } from "../../lib/aws/s3-storage.ts";
import { encodeJob, type Job, messageGroup } from "../../lib/model/job.ts";
import type { Receipt, SyncMode } from "../../lib/model/receipt.ts";
import { parseSidecar } from "../../lib/model/scan.ts";
import { readSmall } from "../../lib/ports/read-small.ts";
import { byHand, type Filed } from "./floor.ts";
import type { ImporterMethods } from "./importer-child.ts";
import { startChild } from "./rpc.ts";
import type { Servers } from "./servers.ts";
import {
  benchSidecar,
  writeFindingsJson,
  writeFoundByGitleaks,
  writeGenericReport,
  writeRawResult,
} from "./workload.ts";

export interface Workload {
  readonly findings: number;
  /** All of them are duplicates of an earlier scan's. */
  readonly duplicates: boolean;
  /** Bytes of a raw result that a native parser reads; without it the findings are the report. */
  readonly rawBytes?: number;
  /** Nothing is written back: by hand the import alone is made. */
  readonly readOnly?: boolean;
  readonly syncMode: SyncMode;
  /** How many times faster than measured the stand-in is. */
  readonly speedup: number;
}

export interface Measured {
  readonly findings: number;
  readonly duplicates: number;
  readonly requests: number;
  readonly wallMs: number;
  readonly floorMs: number;
  readonly ratio: number;
  readonly peakRssMiB: number;
}

export interface Details extends Measured {
  readonly longestUrl: number;
  readonly initMs: number;
  readonly floorImportMs: number;
  readonly timings: Readonly<Record<string, number>>;
}

export interface MeasureOptions {
  /** Pages read side by side, by hand and by the importer. */
  readonly concurrency: number;
  /** False: nothing is done by hand; for tests that look at counts and memory alone. */
  readonly floor: boolean;
  /** More of the importer's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

const LONGEST_RUN_MS = 3_600_000;
/** Runs of the same findings, each with locations of its own. */
const [ORIGINALS, BY_HAND, RELAYED] = [0, 1, 2];
let scans = 0;

/** The same scan by hand and through the importer, one after the other on the same servers. */
export async function measure(servers: Servers, workload: Workload, options: MeasureOptions): Promise<Details> {
  const folder = await mkdtemp(join(tmpdir(), "dojo-relay-bench-"));
  try {
    const name = `bench-${Date.now()}-${++scans}`;
    const hand = byHand(servers.dojo);
    const filed = workload.duplicates ? await withOriginals(servers, workload, name, folder) : undefined;
    await servers.pace(1 / workload.speedup);
    let floor = { importMs: 0, readMs: 0 };
    if (options.floor) {
      const product = filed ?? (await hand.product(`${name} by hand`));
      floor = await measureFloor(servers, workload, product, folder, options.concurrency);
    }
    return await measureRelay(servers, workload, name, folder, floor, options);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function withOriginals(servers: Servers, workload: Workload, product: string, folder: string): Promise<Filed> {
  const hand = byHand(servers.dojo);
  await servers.pace(0);
  const filed = await hand.product(product);
  await hand.import(filed.engagement, ...(await report(workload, ORIGINALS, folder)));
  return { ...filed, engagement: await hand.engagement(filed.product, "by hand") };
}

async function measureFloor(
  { dojo }: Servers,
  workload: Workload,
  { engagement }: Filed,
  folder: string,
  concurrency: number,
) {
  const hand = byHand(dojo);
  const locations = await hand.hasLocations();
  const prepared = await report(workload, BY_HAND, folder);
  const started = performance.now();
  const test = await hand.import(engagement, ...prepared);
  const imported = performance.now();
  if (workload.readOnly !== true) await hand.read(test, workload.findings, concurrency, locations);
  return { importMs: imported - started, readMs: performance.now() - imported };
}

async function measureRelay(
  servers: Servers,
  workload: Workload,
  product: string,
  folder: string,
  floor: { importMs: number; readMs: number },
  options: MeasureOptions,
): Promise<Details> {
  const { findings, duplicates } = workload;
  const readOnly = workload.readOnly === true ? { DEFECTDOJO_SYNC_FINDINGS_BACK: "false" } : {};
  const event = await enqueue(servers, workload, product, folder);
  const importer = await startChild<ImporterMethods>("importer-child.ts", {
    env: {
      ...servers.env,
      READ_CONCURRENCY: String(options.concurrency),
      SYNC_MODE: workload.syncMode,
      ...readOnly,
      ...options.env,
    },
  });
  try {
    const watched = watchPeak(importer.pid);
    const run = await importer.call.handle({ event, timeoutMs: LONGEST_RUN_MS });
    const peakRssMiB = Math.max(run.peakRssMiB, await watched());
    if (run.failures > 0) throw new Error(`the importer failed on ${product}`);
    await settle(servers, event);
    const receipt = await readReceipt(servers, product);
    const duplicated = duplicates ? findings : 0;
    if (receipt.findings.count !== findings || receipt.duplicates !== duplicated) {
      throw new Error(`${receipt.findings.count} findings and ${receipt.duplicates} duplicates came back`);
    }
    if (workload.readOnly !== true && receipt.matched !== findings)
      throw new Error(`${receipt.matched} findings of ${findings} have a counterpart`);
    const floorMs = floor.importMs + floor.readMs;
    return {
      findings,
      duplicates: duplicated,
      requests: run.requests,
      wallMs: Math.round(run.wallMs),
      floorMs: Math.round(floorMs),
      ratio: floorMs === 0 ? 0 : Math.round((run.wallMs / floorMs) * 1000) / 1000,
      peakRssMiB: Math.round(peakRssMiB * 10) / 10,
      longestUrl: run.longestUrl,
      initMs: Math.round(run.initMs),
      floorImportMs: Math.round(floor.importMs),
      timings: receipt.timings,
    };
  } finally {
    await importer.stop();
  }
}

async function report(workload: Workload, run: number, folder: string): Promise<[scanType: string, path: string]> {
  const path = join(folder, `report-${run}.json`);
  if (workload.rawBytes === undefined) {
    await writeGenericReport(path, workload.findings, run);
    return ["Generic Findings Import", path];
  }
  await writeRawResult(path, workload.findings, workload.rawBytes);
  return ["Gitleaks Scan", path];
}

/** Puts the scan into the bucket and its job through the queue, as ingest does. */
async function enqueue(servers: Servers, workload: Workload, product: string, folder: string): Promise<SQSEvent> {
  const { s3, bucket } = servers;
  const storage = s3Storage(s3);
  const raw = workload.rawBytes !== undefined;
  const sidecar = benchSidecar({ scan: `${product}-relayed`, product, raw });
  const put = async (name: string, path: string) =>
    await storage.write({ bucket, key: `${product}/${name}` }, createReadStream(path), {
      contentType: "application/json",
    });
  if (workload.rawBytes !== undefined) {
    const path = join(folder, "raw.json");
    await writeRawResult(path, workload.findings, workload.rawBytes);
    await put("raw.json", path);
  }
  const path = join(folder, "findings.json");
  await (raw ? writeFoundByGitleaks : writeFindingsJson)(path, workload.findings, RELAYED);
  const etag = await put("findings.json", path);
  const scan = parseSidecar(sidecar, "the bench's sidecar");
  return await take(servers, { version: 1, kind: "import", bucket, key: `${product}/findings.json`, etag, scan });
}

/** Sends a job through the queue, and takes it as the importer is handed it. */
export async function take({ sqs, queueUrl }: Servers, job: Job): Promise<SQSEvent> {
  await sqs.send(
    new SendMessageCommand({
      QueueUrl: queueUrl,
      MessageBody: encodeJob(job),
      MessageGroupId: messageGroup(job),
      MessageDeduplicationId: job.key,
    }),
  );
  const { Messages = [] } = await sqs.send(
    new ReceiveMessageCommand({ QueueUrl: queueUrl, MessageSystemAttributeNames: ["All"] }),
  );
  const [message] = Messages;
  if (message === undefined) throw new Error("the queue lost the job");
  const { MessageId = "", ReceiptHandle = "", Body = "", Attributes = {} } = message;
  const record = { messageId: MessageId, receiptHandle: ReceiptHandle, body: Body, attributes: Attributes };
  return { Records: [record] } as unknown as SQSEvent;
}

/** Ends the message. */
export async function settle({ sqs, queueUrl }: Servers, { Records: [record] }: SQSEvent): Promise<void> {
  await sqs.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle: record?.receiptHandle }));
}

/** @param folder of the scan, without a slash at its end */
export async function readReceipt({ s3, bucket }: Servers, folder: string): Promise<Receipt> {
  const ref = { bucket, key: `${folder}/defectdojo.json` };
  const found = await readSmall(s3Storage(s3), ref, 1024 * 1024, "job-invalid");
  if (found === undefined) throw new Error(`${folder} has no receipt`);
  return JSON.parse(found.bytes.toString("utf8")) as Receipt;
}

/** Reads the process's peak from /proc until asked, so that a process that dies has told its last one. */
export function watchPeak(pid: number): () => Promise<number> {
  const stop = new AbortController();
  let peak = 0;
  const look = async () => {
    const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
    peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
  };
  const watching = (async () => {
    for await (const _ of every(250, undefined, { signal: stop.signal })) await look();
  })().catch(() => undefined);
  return async () => {
    stop.abort();
    await watching;
    await look();
    return peak;
  };
}
