import type { RecordPorts } from "../../lib/importer/settle-message.ts";
import type { Log } from "../../lib/observe.ts";
import type { DefectDojo } from "../../lib/ports/defectdojo.ts";
import { testLeases } from "../../lib/ports/test-lease.ts";
import { type Actor, errorOf, type Limbo, type Service } from "./actor.ts";
import type { MemoryDojo } from "./memory-dojo.ts";
import type { Fate } from "./memory-dojo-import.ts";
import { type MemoryS3, storageOver } from "./memory-s3.ts";
import { type MemorySqs, queueOver } from "./memory-sqs.ts";
import type { Random } from "./random.ts";
import type { Fault } from "./schedule.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** The path of all actors' calls. */
export interface Wires {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly s3: MemoryS3;
  readonly queue: MemorySqs;
  readonly dlq: MemorySqs;
  readonly dojo: MemoryDojo;
  /** Counts the call and returns its fault. */
  readonly faultOf: (service: Service, what: string, actor: Actor) => Fault | undefined;
  /** An outsider acts, or the message expires, right before the call. */
  readonly meanwhile: (fault: Fault, actor: Actor) => void;
  readonly log: Log;
  readonly limbo: Limbo;
}

const LATENCY_MS = 40;
/** Within IMPORT_SETTLE_SECONDS: a later effect is indistinguishable from none. */
const LATEST_IMPORT_SECONDS = 59;

/** The ports of one relay process; it can die in any call and then has no further effect. */
export function portsOf(actor: Actor, wires: Wires): RecordPorts {
  const { time, random, s3, queue, dlq, dojo, log } = wires;
  const never = () => wires.limbo.stay();
  const hop = () => time.sleep(random.between(1, LATENCY_MS));

  const call = async <T>(
    service: Service,
    what: string,
    effect: (fault: Fault | undefined) => T | Promise<T>,
  ): Promise<T> => {
    if (!actor.alive) return await never();
    const fault = wires.faultOf(service, what, actor);
    const kind = fault?.kind;
    if (fault !== undefined) wires.meanwhile(fault, actor);
    if (kind === "die-before") {
      actor.die();
      return await never();
    }
    await hop();
    if (fault !== undefined && (kind === "refused" || kind === "outage")) throw errorOf(service, what, fault);
    if (fault !== undefined && kind === "late") {
      const seconds = what === "importScan" ? Math.min(fault.seconds, LATEST_IMPORT_SECONDS) : fault.seconds;
      void time
        .sleep(seconds * 1000)
        .then(async () => await effect(undefined))
        .catch(() => undefined);
      throw errorOf(service, what, fault);
    }
    const outcome = await settle(() => effect(fault));
    const again = kind === "twice" && service !== "dojo" ? await settle(() => effect(fault)) : outcome;
    if (kind === "die-after") actor.die();
    await (kind === "slow" || kind === "lost" ? time.sleep((fault?.seconds ?? 0) * 1000) : hop());
    if (!actor.alive) return await never();
    if (fault !== undefined && kind === "lost") throw errorOf(service, what, fault);
    if ("error" in again) throw again.error;
    return again.value;
  };

  const clock = {
    now: time.now,
    sleep: async (ms: number) => {
      if (!actor.alive) await never();
      await time.sleep(ms);
      if (!actor.alive) await never();
    },
  };
  const storage = storageOver(s3, (what, ref, effect) =>
    call("s3", `${what} ${ref.key}`, (fault) => {
      const value = effect();
      return fault?.kind === "cut" && what === "GET" && value !== undefined ? { ...value, cut: true } : value;
    }),
  );
  return {
    log,
    metrics: { add: () => undefined },
    clock,
    storage,
    leases: (bucket) => testLeases(storage, bucket, clock),
    queue: queueOver(queue, (what, effect) => call("sqs", `queue ${what}`, effect)),
    dlq: queueOver(dlq, (what, effect) => call("sqs", `dlq ${what}`, effect)),
    dojo: dojoOver(dojo, call),
  };
}

type Call = <T>(service: Service, what: string, effect: (fault: Fault | undefined) => T | Promise<T>) => Promise<T>;

type Settled<T> = { readonly value: T } | { readonly error: unknown };

async function settle<T>(effect: () => T | Promise<T>): Promise<Settled<T>> {
  try {
    return { value: await effect() };
  } catch (error) {
    return { error };
  }
}

/** How DefectDojo ends an import by itself. */
const FATES: Partial<Record<Fault["kind"], Omit<Fate, "diesAfter">>> = {
  "dead-import": { answers: false },
  "failed-import": { answers: true },
  "conflicting-import": { answers: true, status: 409 },
};

function dojoOver(dojo: MemoryDojo, call: Call): DefectDojo {
  const { port } = dojo;
  const wrapped = <A extends unknown[], R>(name: string, method: (...args: A) => Promise<R>) => {
    return (...args: A) => call("dojo", name, () => method(...args));
  };
  const pagewise = async function* <P>(name: string, all: AsyncIterable<P>): AsyncGenerator<P> {
    const pages = all[Symbol.asyncIterator]();
    for (;;) {
      const page: IteratorResult<P> = await call("dojo", name, () => pages.next());
      if (page.done) return;
      yield page.value;
    }
  };
  return {
    user: wrapped("user", port.user),
    blocksExecution: wrapped("blocksExecution", port.blocksExecution),
    userNamed: wrapped("userNamed", port.userNamed),
    productType: wrapped("productType", port.productType),
    product: wrapped("product", port.product),
    forget: port.forget,
    engagement: wrapped("engagement", port.engagement),
    checkParameters: port.checkParameters,
    environment: wrapped("environment", port.environment),
    takesField: wrapped("takesField", port.takesField),
    hasTestType: wrapped("hasTestType", port.hasTestType),
    testType: wrapped("testType", port.testType),
    testsByBuildId: wrapped("testsByBuildId", port.testsByBuildId),
    livingTest: wrapped("livingTest", port.livingTest),
    importRecords: wrapped("importRecords", port.importRecords),
    isRecorded: wrapped("isRecorded", port.isRecorded),
    test: wrapped("test", port.test),
    importRecord: wrapped("importRecord", port.importRecord),
    importScan: (request) =>
      call("dojo", "importScan", async (fault) => {
        const fate = fault === undefined ? undefined : FATES[fault.kind];
        if (fault !== undefined && fate !== undefined)
          return await dojo.importScan(request, { diesAfter: fault.seconds % 3, ...fate });
        // The response is lost some time after the start of the import, which continues.
        if (fault?.kind === "lost") {
          dojo.importScan(request).catch(() => undefined);
          return { testId: 0, total: undefined, deduplicated: undefined };
        }
        return await port.importScan(request);
      }),
    placeOfTest: wrapped("placeOfTest", port.placeOfTest),
    findingCount: wrapped("findingCount", port.findingCount),
    countFindings: wrapped("countFindings", port.countFindings),
    findingPages: (testId, expected) => pagewise("findingPages", port.findingPages(testId, expected)),
    findingsById: (ids) => pagewise("findingsById", port.findingsById(ids)),
    findingsThat: (testId, are) => pagewise("findingsThat", port.findingsThat(testId, are)),
    updateTest: wrapped("updateTest", port.updateTest),
    deleteTest: wrapped("deleteTest", port.deleteTest),
    closeFindings: wrapped("closeFindings", port.closeFindings),
    url: port.url,
  };
}
