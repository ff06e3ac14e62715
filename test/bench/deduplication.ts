import { setTimeout as sleep } from "node:timers/promises";
import { s3Storage } from "../../lib/aws/s3-storage.ts";
import { receiptOf } from "../../lib/model/object-keys.ts";
import type { Receipt } from "../../lib/model/receipt.ts";
import { readSmall } from "../../lib/ports/read-small.ts";
import { startChild } from "./rpc.ts";
import { type Servers, startServers } from "./servers.ts";
import type { ServiceMethods, Step } from "./service-child.ts";
import { notify, type Scan, TOKEN, upload } from "./throughput.ts";

export interface DeduplicationOptions {
  readonly scans: number;
  readonly findingsEach: number;
  readonly concurrency: number;
  /** How far DefectDojo's Celery worker is behind. */
  readonly behindMs: number;
  readonly secondLookSeconds: number;
}

export interface WrongReceipts {
  readonly scans: number;
  readonly concurrency: number;
  readonly behindMs: number;
  /** Receipts that do not say that all findings are duplicates: at first, and after the second looks. */
  readonly wrongAtFirst: number;
  readonly wrongAfterLooks: number;
  readonly importsMs: number;
  readonly looksMs: number;
}

/** Scans that are all duplicates, through the service, before a DefectDojo that does not say when deduplication is done (before 3.1). */
export async function wrongReceipts(options: DeduplicationOptions): Promise<WrongReceipts> {
  const { scans: count, concurrency, behindMs } = options;
  const servers = await startServers({ asyncWait: false, deduplicationDelayMs: behindMs, timing: {} });
  const service = await startChild<ServiceMethods>("service-child.ts");
  const steps: Step[] = [];
  const done = async (wanted: number) => {
    for (const end = Date.now() + 600_000; steps.filter(({ state }) => state === "done").length < wanted; ) {
      if (Date.now() > end) throw new Error(`only ${steps.length} steps`);
      await sleep(500);
      steps.push(...(await service.call.steps()));
    }
  };
  try {
    const { url } = await service.call.start({
      ...servers.env,
      WEBHOOK_TOKEN: TOKEN,
      MAX_CONCURRENCY: String(concurrency),
      SECOND_LOOK_SECONDS: "0",
    });
    const run = async (name: string) => {
      const uploaded = await upload(servers, { ...options, products: count }, name);
      steps.length = 0;
      await notify(`${url}/events`, servers.bucket, uploaded, 50);
      return uploaded;
    };
    await run("first");
    await done(count);
    await sleep(behindMs + 1_000);
    await service.call.close();
    await service.call.start({
      ...servers.env,
      WEBHOOK_TOKEN: TOKEN,
      PORT: new URL(url).port,
      MAX_CONCURRENCY: String(concurrency),
      SECOND_LOOK_SECONDS: String(options.secondLookSeconds),
    });
    const begun = Date.now();
    const again = await run("again");
    await done(count);
    const imported = Date.now();
    const wrongAtFirst = await countWrong(servers, again, options.findingsEach);
    await done(2 * count);
    return {
      ...{ scans: count, concurrency, behindMs, wrongAtFirst },
      wrongAfterLooks: await countWrong(servers, again, options.findingsEach),
      importsMs: imported - begun,
      looksMs: Date.now() - imported,
    };
  } finally {
    await service.call.close();
    await service.stop();
    await servers.stop();
  }
}

async function countWrong({ s3, bucket }: Servers, scans: readonly Scan[], findings: number): Promise<number> {
  let wrong = 0;
  for (const { key } of scans) {
    const found = await readSmall(s3Storage(s3), receiptOf({ bucket, key }), 1024 * 1024, "job-invalid");
    const receipt = JSON.parse(found?.bytes.toString("utf8") ?? "{}") as Partial<Receipt>;
    if (receipt.duplicates !== findings) wrong++;
  }
  return wrong;
}
