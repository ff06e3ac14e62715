import { Readable } from "node:stream";
import { parseNotification } from "../../lib/ingest/notifications.ts";
import { decodeJob, encodeJob } from "../../lib/model/job.ts";
import { readFindings } from "../../lib/report/findings-file.ts";
import { toGenericFinding } from "../../lib/report/to-generic-finding.ts";
import { toSyncedFinding } from "../../lib/sync/to-synced-finding.ts";
import { minioEvent, sqsEvent } from "../helpers/events.ts";
import { aDojoFinding, aJob } from "../helpers/factories.ts";
import { benchFinding } from "./workload.ts";

export interface Speed {
  readonly what: string;
  readonly opsPerSecond: number;
  readonly microsecondsEach: number;
}

const FOR_MS = 1_000;

/** How often a second each pure piece of work is done, on one core. */
export async function micro(): Promise<Speed[]> {
  const now = new Date();
  const finding = benchFinding(1, 0);
  const dojoFinding = aDojoFinding({ description: finding.description ?? "", locations: [finding.location ?? ""] });
  const duplicate = { ...dojoFinding, duplicate: true, duplicateOf: dojoFinding.id };
  const context = { scan: aJob().scan, now: now.toISOString(), url: (kind: string, id: number) => `${kind}/${id}` };
  const [minio, queued] = [minioEvent(), sqsEvent([{ body: JSON.stringify(minioEvent()) }])];
  const job = aJob();
  const body = encodeJob(job);
  const file = Buffer.from(JSON.stringify(Array.from({ length: 1_000 }, (_, number) => benchFinding(number, 0))));
  return [
    speedOf("finding to DefectDojo", () => toGenericFinding(finding, 1, now)),
    speedOf("finding from DefectDojo", () => toSyncedFinding(dojoFinding, undefined, context)),
    speedOf("duplicate with its original from DefectDojo", () => toSyncedFinding(duplicate, dojoFinding, context)),
    speedOf("MinIO's event parsed", () => parseNotification(minio)),
    speedOf("the same out of SQS", () => parseNotification(queued)),
    speedOf("job encoded", () => encodeJob(job)),
    speedOf("job decoded", () => decodeJob(body, "bench")),
    await findingsRead(file, 1_000),
  ];
}

function speedOf(what: string, work: () => unknown): Speed {
  for (let n = 0; n < 1_000; n++) work();
  const started = performance.now();
  let done = 0;
  let elapsed = 0;
  while (elapsed < FOR_MS) {
    for (let n = 0; n < 100; n++) work();
    done += 100;
    elapsed = performance.now() - started;
  }
  return toSpeed(what, done, elapsed);
}

async function findingsRead(file: Buffer, each: number): Promise<Speed> {
  const started = performance.now();
  let done = 0;
  while (performance.now() - started < FOR_MS) {
    for await (const _ of readFindings(Readable.from([file]), "bench")) done++;
  }
  return toSpeed(`finding of a file of ${each} read and checked`, done, performance.now() - started);
}

function toSpeed(what: string, done: number, elapsedMs: number): Speed {
  const opsPerSecond = Math.round((done / elapsedMs) * 1_000);
  return { what, opsPerSecond, microsecondsEach: Math.round((elapsedMs / done) * 10_000) / 10 };
}
