import { Deferral } from "../../lib/deferral.ts";
import { importRecord } from "../../lib/importer/process-message.ts";
import type { RecordSettings } from "../../lib/importer/settings.ts";
import { ingest } from "../../lib/ingest/ingest.ts";
import { type Job, jobKey } from "../../lib/model/job.ts";
import { type ObjectRef, sibling, uri } from "../../lib/model/object-keys.ts";
import { parseSidecar } from "../../lib/model/scan.ts";
import type { Log } from "../../lib/observe.ts";
import type { JobOutcome } from "../../lib/progress.ts";
import { aFlow, recordSettings } from "../helpers/settings.ts";
import { type Actor, limbo, newActor, type Service } from "./actor.ts";
import { type MemoryDojo, memoryDojo } from "./memory-dojo.ts";
import { type MemoryS3, memoryS3, type StoredObject } from "./memory-s3.ts";
import { type MemorySqs, memorySqs, type QueuedMessage } from "./memory-sqs.ts";
import { seededRandom } from "./random.ts";
import type { Fault, Schedule, UploadPlan } from "./schedule.ts";
import { filesOf, findingsOf, rawName } from "./uploads.ts";
import { virtualTime } from "./virtual-time.ts";
import { portsOf } from "./world-calls.ts";

/** The last change by an outsider to the findings of a folder. */
export type LastWord =
  | {
      readonly by: "upload";
      readonly plan: UploadPlan;
      readonly bytes: Buffer;
      readonly jobKey: string;
      /** The same content was here before, with another in between. */
      readonly again: boolean;
    }
  | { readonly by: "rival"; readonly bytes: Buffer }
  | { readonly by: "delete" };

interface End {
  readonly jobKey: string;
  readonly outcome: JobOutcome["outcome"] | "dead-lettered";
}

interface Hit {
  readonly kind: Fault["kind"];
  readonly what: string;
}

/** Its disposal closes the files of dead processes. */
export interface World extends AsyncDisposable {
  readonly s3: MemoryS3;
  readonly queue: MemorySqs;
  readonly dlq: MemorySqs;
  readonly dojo: MemoryDojo;
  /** By folder. */
  readonly lastWords: ReadonlyMap<number, LastWord>;
  /** Keys of all uploaded jobs. */
  readonly jobKeys: ReadonlySet<string>;
  readonly ends: readonly End[];
  /** Faults that occurred, with the call they hit. */
  readonly hits: readonly Hit[];
  /** Deliveries in which the importer failed or died, by job key; includes those that dead-lettered the job. */
  readonly failures: ReadonlyMap<string, number>;
  /** Every call, fault and log line, human-readable. */
  readonly story: readonly string[];
  /** Runs uploads and faults with all their consequences. */
  run(): Promise<void>;
  /** Redrives the dead-letter queue and continues without faults. */
  redrive(): Promise<void>;
}

const VISIBILITY_SECONDS = 120;
const NOTICE_AGAIN_MS = 3_000;
const CONSUMERS = 3;

export function createWorld(schedule: Schedule): World {
  const time = virtualTime();
  const random = seededRandom(schedule.seed);
  const faults = new Map(schedule.faults.map((fault) => [nameOf(fault.on, fault.call), fault]));
  const counts = new Map<string, number>();
  const lastWords = new Map<number, LastWord>();
  const jobKeys = new Set<string>();
  const ends: End[] = [];
  const hits: Hit[] = [];
  const failures = new Map<string, number>();
  const story: string[] = [];
  const outages = new Map<Service, number>();
  const start = time.now();
  const tell = (what: string) => {
    story.push(`${((time.now() - start) / 1000).toFixed(2).padStart(9)} ${what}`);
  };
  let calls = 0;
  let actors = 0;
  let sequence = 0;
  let quiet = false;

  const s3 = memoryS3((ref, stored) => {
    if (ref.key.endsWith("/findings.json") && !quiet) notify(ref, stored, 1);
  });
  const queue = memorySqs(time.now, (at) => time.at(at, pump));
  const dlq = memorySqs(time.now);
  const dojo = memoryDojo(time, {
    msPerFinding: schedule.msPerFinding,
    lowPrivileged: schedule.lowPrivileged,
    asyncWait: schedule.asyncWait,
    deduplicationDelayMs: 3_000,
    pageSize: 2,
  });

  const log: Log = {
    debug: () => undefined,
    info: (message, { error, ...fields } = {}) => tell(`    ${message} ${brief(fields, error)}`),
    warn: (message, { error, ...fields } = {}) => tell(`    ! ${message} ${brief(fields, error)}`),
    error: (message, { error, ...fields } = {}) => tell(`    !! ${message} ${brief(fields, error)}`),
  };

  const faultOf = (service: Service, what: string, actor: Actor): Fault | undefined => {
    const call = calls++;
    const named = `${service} ${what}`;
    const nth = counts.get(named) ?? 0;
    counts.set(named, nth + 1);
    const planned = faults.get(nameOf(undefined, call)) ?? faults.get(nameOf(named, nth));
    const until = outages.get(service) ?? 0;
    const fault = planned ?? (time.now() < until ? { kind: "outage" as const, call, seconds: 0 } : undefined);
    if (fault !== undefined) hits.push({ kind: fault.kind, what });
    tell(
      `${actor.name} ${service} ${what} #${call}${fault === undefined ? "" : ` <<< ${fault.kind} ${fault.seconds} s`}`,
    );
    return fault;
  };

  /** Writes as an outsider, without faults; the bucket may or may not send a notification. */
  const write = (ref: ObjectRef, bytes: Buffer, silently: boolean) => {
    quiet = silently;
    const stored = s3.put(ref, bytes);
    quiet = false;
    return stored;
  };
  const upload = (plan: UploadPlan) => {
    const ref = findingsOf(plan.folder);
    const files = filesOf(plan);
    write(sibling(ref, "scan.json"), Buffer.from(files.sidecar), true);
    write(sibling(ref, rawName(plan)), Buffer.from(files.raw), true);
    time.at(time.now() + 500, () => {
      const bytes = Buffer.from(files.findings);
      const stored = write(ref, bytes, true);
      const scan = parseSidecar(JSON.parse(files.sidecar), uri(ref));
      const key = jobKey({ ...ref, etag: stored.etag, scan });
      tell(
        `UPLOAD ${uri(ref)} ${plan.kind} content ${plan.content} run ${plan.run} product ${plan.product}: job ${key.slice(0, 8)}`,
      );
      lastWords.set(plan.folder, { by: "upload", plan, bytes, jobKey: key, again: jobKeys.has(key) });
      jobKeys.add(key);
      notify(ref, stored, plan.notices);
    });
  };

  const meanwhile = (fault: Fault, { ref, receiptHandle }: Actor) => {
    const folder = [0, 1].find((number) => findingsOf(number).key === ref.key);
    if (fault.kind === "outage") {
      const service = (["s3", "sqs", "dojo"] as const)[fault.call % 3] ?? "dojo";
      outages.set(service, time.now() + fault.seconds * 1000);
      tell(`OUTAGE of ${service} for ${fault.seconds} s`);
    }
    if (fault.kind === "switched-mode") dojo.switchMode(fault.seconds % 4);
    if (fault.kind === "expire" && receiptHandle !== undefined) giveBack(receiptHandle, 0);
    if (folder === undefined) return;
    if (fault.kind === "rival") {
      const bytes = Buffer.from(`[{"name":"by another writer, call ${fault.call}"}]`);
      write(ref, bytes, true);
      lastWords.set(folder, { by: "rival", bytes });
      tell(`RIVAL writes ${uri(ref)}`);
    }
    if (fault.kind === "delete") {
      s3.remove(ref);
      lastWords.set(folder, { by: "delete" });
      tell(`DELETE of ${uri(ref)}`);
    }
    if (fault.kind === "upload") {
      const kind = (["generic", "native", "unreadable", "overflowing"] as const)[fault.call % 4] ?? "generic";
      upload({
        at: 0,
        folder,
        kind,
        content: fault.seconds % 3,
        run: fault.call % 2,
        product: fault.call % 2,
        notices: 1,
      });
    }
  };

  const wires = { time, random, s3, queue, dlq, dojo, faultOf, meanwhile, log, limbo: limbo() };
  const settings = settingsOf(schedule);

  function notify(ref: ObjectRef, { etag, metadata }: StoredObject, copies: number): void {
    const sequencer = (0x100 + sequence++).toString(16).padEnd(random.between(3, 6), "0");
    const userMetadata = Object.fromEntries(
      Object.entries(metadata).map(([name, value]) => [`X-Amz-Meta-${name}`, value]),
    );
    const object = { key: encodeURIComponent(ref.key), eTag: etag, sequencer };
    const record = {
      eventName: "s3:ObjectCreated:Put",
      eventTime: new Date(time.now()).toISOString(),
      s3: {
        bucket: { name: ref.bucket },
        object: schedule.eventMetadata ? { ...object, userMetadata } : object,
      },
    };
    for (let copy = 0; copy < copies; copy++) {
      const delay = copy === 0 ? random.between(0, 5_000) : random.between(0, 400_000);
      time.at(time.now() + delay, () => void tellIngest(ref, { Records: [record] }));
    }
  }

  /** A notification is redelivered until it is accepted. */
  async function tellIngest(ref: ObjectRef, event: unknown): Promise<void> {
    const actor = newActor(`ingest-${++actors}`, ref);
    const taken = ingest(event, portsOf(actor, wires), settings.ingest).then(({ failed }) => failed.length === 0);
    if (await Promise.race([taken, actor.death.then(() => false)])) return;
    time.at(time.now() + NOTICE_AGAIN_MS, () => void tellIngest(ref, event));
  }

  function giveBack(receiptHandle: string, seconds: number): void {
    try {
      queue.changeVisibility(receiptHandle, seconds);
    } catch {
      // Another importer received it meanwhile.
    }
  }

  let busy = 0;
  function pump(): void {
    while (busy < CONSUMERS) {
      const message = queue.receive();
      if (message === undefined) return;
      busy++;
      void deliver(message).finally(() => {
        busy--;
        pump();
      });
    }
  }

  async function deliver({ messageId, body, group, receiveCount, receiptHandle }: QueuedMessage): Promise<void> {
    const job = JSON.parse(body) as Job;
    const key = jobKey(job);
    const actor = newActor(`importer-${++actors}`, { bucket: job.bucket, key: job.key }, receiptHandle);
    tell(`${actor.name} takes ${receiptHandle}: ${job.key} job ${key.slice(0, 8)}`);
    const end = time.now() + schedule.deliverySeconds * 1000;
    time.at(end, actor.die);
    const ports = portsOf(actor, wires);
    const delivery = { remainingMs: () => end - time.now() };
    const work = importRecord({ messageId, body, group, receiveCount, receiptHandle }, ports, settings, delivery);
    const outcome = await Promise.race([work, actor.death]);
    if (outcome?.settled) {
      const how = outcome.deadLettered === undefined ? (outcome.outcome?.outcome ?? "dead-lettered") : "dead-lettered";
      ends.push({ jobKey: key, outcome: how });
      tell(`${actor.name} ends ${how} ${outcome.deadLettered?.reason ?? outcome.outcome?.why ?? ""}`);
      await remove(actor, receiptHandle);
    } else if (outcome === undefined) tell(`${actor.name} is dead`);
    const waited = outcome?.settled === false && outcome.error instanceof Deferral;
    const failed = !waited && (outcome?.settled !== true || outcome.deadLettered !== undefined);
    if (failed) failures.set(key, (failures.get(key) ?? 0) + 1);
    // Unless its visibility was changed, a message stays hidden until its visibility timeout.
    const message = queue.messages.find((one) => one.receiptHandle === receiptHandle);
    if (message?.visibleAt === Number.POSITIVE_INFINITY) giveBack(receiptHandle, VISIBILITY_SECONDS);
    actor.die();
  }

  /** The runtime's call after the handler, which can fail like any other. */
  async function remove(actor: Actor, receiptHandle: string): Promise<void> {
    const fault = faultOf("sqs", "queue delete", actor);
    if (fault === undefined || fault.kind === "lost" || fault.kind === "die-after") {
      try {
        queue.delete(receiptHandle);
      } catch {
        tell(`${actor.name} could not delete its message`);
      }
    }
  }

  return {
    ...{ s3, queue, dlq, dojo, lastWords, jobKeys, ends, hits, failures, story },
    run: async () => {
      for (const plan of schedule.uploads) time.at(start + plan.at * 1000, () => upload(plan));
      await time.drain();
    },
    redrive: async () => {
      faults.clear();
      outages.clear();
      tell(`REDRIVE of ${dlq.messages.length} messages`);
      for (const { body, group } of dlq.messages.splice(0)) {
        queue.send({ body, group, deduplicationId: `redrive ${++actors}` });
      }
      await time.drain();
    },
    [Symbol.asyncDispose]: async () => {
      wires.limbo.end();
      await time.drain();
    },
  };
}

const nameOf = (on: string | undefined, call: number) => `${on ?? ""} #${call}`;

export const MAX_FAILURES = 5;

function settingsOf({ syncBack, merge, replaceFewer, lowPrivileged, reimport = false }: Schedule): RecordSettings {
  return recordSettings({
    maxFailures: MAX_FAILURES,
    // Heartbeats use real time, so a schedule sends none; `expire` simulates the consequence.
    heartbeatSeconds: VISIBILITY_SECONDS,
    secondLookMs: 20_000,
    flow: aFlow({
      lowPrivileged,
      syncBack,
      syncMode: merge ? "merge" : "replace",
      onFewerFindings: replaceFewer ? "generic" : "keep",
      ...(reimport ? { defaults: { importMode: "reimport" } } : {}),
    }),
  });
}

function brief(fields: object, error: unknown): string {
  const text = JSON.stringify(fields);
  return error === undefined ? text : `${text} (${error instanceof Error ? error.message : String(error)})`;
}
