import { importRecord } from "../../lib/importer/process-message.ts";
import type { RecordOutcome } from "../../lib/importer/settle-message.ts";
import { encodeJob, jobKey } from "../../lib/model/job.ts";
import { checkpointOf, receiptOf, sibling } from "../../lib/model/object-keys.ts";
import type { DefectDojo, Test } from "../../lib/ports/defectdojo.ts";
import { aGenericScan, aJob, aSidecar, aTest, FINDINGS } from "../helpers/factories.ts";
import { deliveryOf, fakeClock } from "../helpers/fake-clock.ts";
import { fakeDojo } from "../helpers/fake-dojo.ts";
import { memoryQueue } from "../helpers/memory-queue.ts";
import { memoryStorage } from "../helpers/memory-storage.ts";
import { recorder } from "../helpers/recorder.ts";
import { recordSettings } from "../helpers/settings.ts";

export const JOB = aJob({ scan: aGenericScan() });
export const KEY = jobKey(JOB);
export const [PENDING, RECEIPT] = [checkpointOf(FINDINGS), receiptOf(FINDINGS)];
export const SETTLE_MS = 120_000;
export const STALLED_MS = 300_000;
const DELIVERY_MS = 900_000;

const SETTINGS = recordSettings();

export interface Played {
  readonly outcome: RecordOutcome;
  readonly deliveries: number;
  /** How long workers were busy with it in all. Milliseconds. */
  readonly busyMs: number;
  readonly imports: number;
}

/** One upload of no findings in a bucket that strangers write into, and a DefectDojo that imports it at once. */
export function importWorld(methods: Partial<DefectDojo> = {}) {
  const storage = memoryStorage();
  const [queue, dlq] = [memoryQueue(), memoryQueue()];
  const { log, metrics, lines } = recorder();
  const clock = fakeClock();
  const tests: Test[] = [];
  let imports = 0;
  const dojo = fakeDojo({
    user: async () => ({ id: 2, username: "token", superuser: true }),
    productType: async () => ({ id: 1, name: "type" }),
    product: async ({ name }) => ({ id: 12, name, productTypeId: 1 }),
    engagement: async ({ name }) => ({ id: 5, name, productId: 12 }),
    hasTestType: async () => true,
    testsByBuildId: async (buildId) => tests.filter((test) => test.buildId === buildId),
    importScan: async ({ scanType, buildId }) => {
      imports++;
      const test = aTest({ id: 7 + tests.length, scanType, buildId });
      tests.push(test);
      return { testId: test.id, total: 0, deduplicated: true };
    },
    findingCount: async () => 0,
    findingPages: async function* () {
      yield { total: 0, findings: [], originals: new Map() };
    },
    updateTest: async (id) => aTest({ id }),
    deleteTest: async (id) => {
      const at = tests.findIndex((test) => test.id === id);
      if (at >= 0) tests.splice(at, 1);
      return true;
    },
    ...methods,
  });
  storage.put(FINDINGS, "[]");
  storage.put(sibling(FINDINGS, "scan.json"), JSON.stringify(aSidecar()));
  const ports = { storage, queue, dlq, clock, log, metrics, dojo };
  return {
    ...ports,
    tests,
    lines,
    /** Delivers the job until it is settled, but no more often than `most` times; `before` each of them a stranger acts. */
    play: async (most = 250, before: () => void = () => undefined): Promise<Played> => {
      const message = { messageId: "m-1", body: encodeJob(JOB), receiptHandle: "handle", group: "group" };
      let busyMs = 0;
      for (let receiveCount = 1; ; receiveCount++) {
        before();
        const started = clock.now();
        const delivery = deliveryOf(clock, DELIVERY_MS);
        const outcome = await importRecord({ ...message, receiveCount }, ports, SETTINGS, delivery);
        busyMs += clock.now() - started;
        if (outcome.settled || receiveCount === most) return { outcome, deliveries: receiveCount, busyMs, imports };
        clock.advance((queue.visibility.at(-1)?.seconds ?? 0) * 1000);
      }
    },
  };
}
