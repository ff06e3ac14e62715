import { s3Storage } from "../../lib/aws/s3-storage.ts";
import type { SyncMode } from "../../lib/model/receipt.ts";
import { parseSidecar } from "../../lib/model/scan.ts";
import type { ImporterMethods } from "./importer-child.ts";
import { readReceipt, settle, take, watchPeak } from "./measure.ts";
import { type Child, startChild } from "./rpc.ts";
import type { Servers } from "./servers.ts";
import { benchFinding, benchSidecar } from "./workload.ts";

export interface ReimportOptions {
  /** Of each run. */
  readonly findings: number;
  readonly runs: number;
  readonly syncMode: SyncMode;
}

/** What one run of a living test took. */
export interface LivingRun {
  readonly run: number;
  readonly new: number;
  readonly known: number;
  readonly closed: number;
  readonly requests: number;
  readonly longestUrl: number;
  /** Until DefectDojo has it, until its findings are in the bucket again, and all of it. */
  readonly importMs: number;
  readonly syncMs: number;
  readonly wallMs: number;
  readonly peakRssMiB: number;
}

const DAY = 86_400_000;
const LONGEST_RUN_MS = 3_600_000;
/** One in so many findings of a run is new, and as many are gone, so that the test's history grows. */
const CHANGE = 100;

/**
 * Runs of one ScheduledScan in its living test, the first of which makes it: what the first, the second, the middle and the last took, each of them in
 * a process of its own.
 */
export async function reimport(
  servers: Servers,
  { findings, runs, syncMode }: ReimportOptions,
  say: (text: string) => void,
): Promise<LivingRun[]> {
  const env = { ...servers.env, IMPORT_MODE: "reimport", SYNC_MODE: syncMode };
  const start = () => startChild<ImporterMethods>("importer-child.ts", { env });
  const name = `living-${Date.now()}`;
  const shown = new Set([1, 2, Math.ceil(runs / 2), runs]);
  const measured: LivingRun[] = [];
  const others = await start();
  try {
    for (let run = 1; run <= runs; run++) {
      if (!shown.has(run)) {
        await importRun(servers, others, { name, run, findings });
        continue;
      }
      say(`run ${run} of ${runs}, ${findings} findings`);
      const own = await start();
      try {
        measured.push(await importRun(servers, own, { name, run, findings }));
      } finally {
        await own.stop();
      }
    }
  } finally {
    await others.stop();
  }
  return measured;
}

async function importRun(
  servers: Servers,
  importer: Child<ImporterMethods>,
  { name, run, findings }: { readonly name: string; readonly run: number; readonly findings: number },
): Promise<LivingRun> {
  const { s3, bucket } = servers;
  const folder = `${name}/${run}`;
  const first = (run - 1) * Math.ceil(findings / CHANGE);
  const found = Array.from({ length: findings }, (_, at) => benchFinding(first + at, 0));
  const key = `${folder}/findings.json`;
  const etag = await s3Storage(s3).write({ bucket, key }, JSON.stringify(found), { contentType: "application/json" });
  const scan = parseSidecar(sidecarOf(name, run), "the bench's sidecar");
  const event = await take(servers, { version: 1, kind: "import", bucket, key, etag, scan });
  const watched = watchPeak(importer.pid);
  const took = await importer.call.handle({ event, timeoutMs: LONGEST_RUN_MS });
  const peakRssMiB = Math.max(took.peakRssMiB, await watched());
  if (took.failures > 0) throw new Error(`the importer failed on run ${run}`);
  await settle(servers, event);
  const receipt = await readReceipt(servers, folder);
  const { known = 0, closed = 0, timings } = receipt;
  if (receipt.new + known + receipt.duplicates !== findings || receipt.onlyInScan !== 0)
    throw new Error(`run ${run} has ${receipt.new} new and ${known} known findings, ${receipt.onlyInScan} not at all`);
  return {
    ...{ run, new: receipt.new, known, closed, requests: took.requests, longestUrl: took.longestUrl },
    ...{ importMs: timings.importMs ?? 0, syncMs: timings.syncMs ?? 0, wallMs: Math.round(took.wallMs) },
    peakRssMiB: Math.round(peakRssMiB * 10) / 10,
  };
}

function sidecarOf(name: string, run: number) {
  const at = (minutes: number) => new Date(Date.UTC(2025, 0, 1) + run * DAY + minutes * 60_000).toISOString();
  const { metadata, ...sidecar } = benchSidecar({ scan: `${name}-${run}`, product: name, raw: false }) as {
    metadata: { annotations: Record<string, string> };
  };
  // The engagement has the ScheduledScan's name.
  const annotations = Object.entries(metadata.annotations).filter(([annotation]) =>
    annotation.endsWith("product-name"),
  );
  return {
    ...sidecar,
    metadata: {
      ...metadata,
      ...{ name: `${name}-${run}`, uid: `${name}-${run}`, creationTimestamp: at(0) },
      ownerReferences: [{ kind: "ScheduledScan", name }],
      annotations: Object.fromEntries(annotations),
    },
    status: { finishedAt: at(5) },
  };
}
