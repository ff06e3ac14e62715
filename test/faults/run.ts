import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeJob, type Job, jobKey, messageGroup } from "../../lib/model/job.ts";
import { type ObjectRef, uri } from "../../lib/model/object-keys.ts";
import { parseSidecar } from "../../lib/model/scan.ts";
import type { Child } from "./children.ts";
import type { Report } from "./importer-child.ts";
import { BUCKET, type Lane } from "./lane.ts";
import type { Call, Side, Watch } from "./proxy.ts";
import type { Scenario } from "./scenarios.ts";

/** The point at which an importer is killed. */
export interface Point extends Call {
  readonly side: Side;
}

/** One scan on its way through a lane. */
export interface Run {
  readonly product: string;
  readonly findings: ObjectRef;
  readonly uploaded: Buffer;
  readonly jobKey: string;
  /** Every observed call, in order. */
  readonly calls: readonly Call[];
  /** Whether an importer was killed. */
  readonly killed: boolean;
  /** The logs of all importers involved. */
  readonly log: readonly string[];
}

/** Waits of the relay, as short as they can be while staying distinguishable. */
const QUICK = {
  POLL_SECONDS: "0.05",
  IMPORT_SETTLE_SECONDS: "1",
  IMPORT_STALLED_SECONDS: "1",
  IMPORT_REFUSAL_SECONDS: "0",
  DEDUPLICATION_QUIET_SECONDS: "0",
  // No run waits for this message; the random schedules cover it.
  SECOND_LOOK_SECONDS: "0",
  // The first heartbeat is immediate; the number of further ones would depend on the machine.
  HEARTBEAT_SECONDS: "30",
};
const LONGEST_RUN_MS = 40_000;
const LOOK_MS = 15;
let runs = 0;

/**
 * Sends one scan through a lane; its importer is killed at the given point, if any, and another takes over.
 * @throws Error if the queue is not empty after {@link LONGEST_RUN_MS}
 */
export async function runScan(lane: Lane, scenario: Scenario, point: Point | undefined): Promise<Run> {
  const product = `product ${++runs} of ${scenario.name}`;
  const files = scenario.files(product);
  // Usually created once for all scans; here each scan creates it again.
  const { cicdInfrastructure, toolConfigurations, productTypes } = lane.dojo().state;
  cicdInfrastructure.clear();
  toolConfigurations.clear();
  for (const type of productTypes.values()) if (type.id !== 1) type.name = `of run ${runs}: ${type.id}`;
  const env = { ...lane.env(), ...QUICK, ...scenario.env };
  const timeoutMs = scenario.deliveryMs ?? 300_000;
  const deadline = Date.now() + LONGEST_RUN_MS;
  const calls: Call[] = [];
  const log: string[] = [];
  let killed = false;
  let finished = false;
  let receiptHandle: string | undefined;
  let child = await lane.children.take();

  const released = async () => {
    if (receiptHandle !== undefined) await lane.queue.release(receiptHandle);
  };
  const watch: Watch = {
    cut: (call) => {
      calls.push(call);
      const here = !killed && point !== undefined && isAt(call, point);
      return here ? point.side : undefined;
    },
    kill: async () => {
      killed = true;
      await child.kill();
      log.push(...child.log(), `--- killed ${point?.side} ${point?.service} ${point?.name}`);
    },
    answered: ({ service, name }, body) => {
      if (service !== "SQS" || !name.startsWith("ReceiveMessage")) return;
      const [message] =
        (JSON.parse(body.toString("utf8")) as { Messages?: { ReceiptHandle: string }[] }).Messages ?? [];
      receiptHandle = message?.ReceiptHandle ?? receiptHandle;
    },
  };
  /** Redelivers at once what would be redelivered later. */
  const hurry = (report: Report) => {
    if (report.report === "progress" && report.state === "again") void released();
  };
  const begin = (worker: Child) => {
    worker.listen(hurry);
    worker.tell({ order: "import", env, timeoutMs });
  };
  /** Waits until the queue is empty; another importer replaces a killed one. */
  let followed = false;
  const drain = async (done: () => Promise<boolean>) => {
    while (!(await done())) {
      if (Date.now() > deadline)
        throw new Error(`${scenario.name}: no end after ${LONGEST_RUN_MS / 1000} s\n${story(calls, child)}`);
      if (killed && !followed && child.hasEnded()) {
        followed = true;
        child = await lane.children.take();
        begin(child);
        await released();
      }
      await sleep(LOOK_MS);
    }
  };
  const isEmpty = async () => (await lane.queue.size()) === 0;

  try {
    const folder = `${scenario.name.replaceAll(/\W+/g, "-")}-${runs}/`;
    if (scenario.afterAnother) {
      const earlier = await upload(lane, `earlier-${folder}`, files);
      await enqueue(lane, earlier.job);
      begin(child);
      await drain(isEmpty);
      await child.stop();
    }
    const { job, findings, uploaded } = await upload(lane, folder, files);
    if (scenario.resync) {
      await enqueue(lane, job);
      begin(child);
      await drain(isEmpty);
      await child.stop();
      for (const finding of lane.dojo().state.findings.values()) {
        if (finding.title.endsWith("3")) Object.assign(finding, { false_p: true, active: false });
      }
    }
    lane.dojo().state.intercept = scenario.intercept?.();
    lane.watch(watch);
    if (scenario.ingest) {
      // Resent until it is acknowledged, and once more as a duplicate.
      for (let answers = 0; answers < 2; ) {
        const told = child.reported(({ report }) => report === "ingested").then(() => true);
        child.tell({ order: "ingest", env, event: notificationOf(job) });
        let answered = false;
        while (!answered && !child.hasEnded()) {
          answered = await Promise.race([told, sleep(LOOK_MS, false)]);
          if (Date.now() > deadline) throw new Error(`the notification is not taken\n${story(calls, child)}`);
        }
        if (answered) answers++;
        if (child.hasEnded()) {
          child = await lane.children.take();
          followed = true;
        }
      }
    } else await enqueue(lane, scenario.resync ? { ...job, kind: "resync" } : job);
    begin(child);
    await drain(async () => (await isEmpty()) && (scenario.deadLettered === undefined || (await lane.dlq.size()) > 0));
    if (scenario.deadLettered !== undefined) {
      lane.dojo().state.intercept = undefined;
      for (const { body, group, reason } of await lane.dlq.takeAll()) {
        if (reason !== scenario.deadLettered) throw new Error(`dead-lettered for the reason ${reason}`);
        await lane.queue.send(body, group, randomUUID());
      }
      await drain(isEmpty);
    }
    // Killed after its message was deleted: nothing was left for another importer.
    if (killed && !followed) await child.kill();
    else {
      await child.stop();
      log.push(...child.log());
      lane.children.giveBack(child);
      finished = true;
    }
    return { product, findings, uploaded, jobKey: jobKey(job), calls, killed, log };
  } finally {
    lane.watch({ cut: () => undefined, kill: async () => undefined, answered: () => undefined });
    lane.dojo().state.intercept = undefined;
    if (!finished) await child.kill();
    await lane.queue.takeAll();
  }
}

const story = (calls: readonly Call[], child: Child) =>
  [
    `alive: ${!child.hasEnded()}`,
    ...calls.slice(-20).map((call) => `${call.service} ${call.name}`),
    ...child.log(),
  ].join("\n");

const isAt = (call: Call, point: Point) =>
  call.service === point.service && call.name === point.name && call.nth === point.nth;

/** Uploads a scan's folder, the findings last. */
async function upload(lane: Lane, folder: string, files: ReturnType<Scenario["files"]>) {
  let etag = "";
  for (const [name, body] of Object.entries(files).sort(
    ([a], [b]) => Number(a === "findings.json") - Number(b === "findings.json"),
  ))
    etag = await lane.storage.write({ bucket: BUCKET, key: folder + name }, body, { contentType: "application/json" });
  const findings = { bucket: BUCKET, key: `${folder}findings.json` };
  const scan = parseSidecar(JSON.parse(String(files["scan.json"])), uri(findings));
  const job: Job = { version: 1, kind: "import", ...findings, etag, scan, sequencer: "0055AED6DCD90281E5" };
  return { job, findings, uploaded: Buffer.from(files["findings.json"] ?? "") };
}

async function enqueue(lane: Lane, job: Job): Promise<void> {
  await lane.queue.send(encodeJob(job), messageGroup(job), randomUUID());
}

function notificationOf({ bucket, key, etag, sequencer }: Job): unknown {
  const object = { key: encodeURIComponent(key), eTag: etag, sequencer };
  return { Records: [{ eventName: "s3:ObjectCreated:Put", s3: { bucket: { name: bucket }, object } }] };
}
