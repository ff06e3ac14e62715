import { importRecord } from "../../lib/importer/process-message.ts";
import type { RecordOutcome } from "../../lib/importer/settle-message.ts";
import { encodeJob, jobKey } from "../../lib/model/job.ts";
import { checkpointOf, receiptOf, sibling } from "../../lib/model/object-keys.ts";
import type { DefectDojo } from "../../lib/ports/defectdojo.ts";
import { aGenericScan, aJob, aSidecar, FINDINGS } from "../helpers/factories.ts";
import { deliveryOf } from "../helpers/fake-clock.ts";
import { importWorld } from "../helpers/import-world.ts";
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
  /** Total time that workers were busy with it. Milliseconds. */
  readonly busyMs: number;
  readonly imports: number;
}

/** One upload without findings in a bucket that strangers can write to, and a DefectDojo that imports it at once. */
export function hostileBucket(methods: Partial<DefectDojo> = {}) {
  const w = importWorld({ methods });
  w.storage.put(FINDINGS, "[]");
  w.storage.put(sibling(FINDINGS, "scan.json"), JSON.stringify(aSidecar()));
  return {
    ...w,
    /** Delivers the job until it is settled, at most `most` times; a stranger acts `before` each delivery. */
    play: async (most = 250, before: () => void = () => undefined): Promise<Played> => {
      const message = { messageId: "m-1", body: encodeJob(JOB), receiptHandle: "handle", group: "group" };
      let busyMs = 0;
      for (let receiveCount = 1; ; receiveCount++) {
        before();
        const started = w.clock.now();
        const delivery = deliveryOf(w.clock, DELIVERY_MS);
        const outcome = await importRecord({ ...message, receiveCount }, w, SETTINGS, delivery);
        busyMs += w.clock.now() - started;
        if (outcome.settled || receiveCount === most) {
          return { outcome, deliveries: receiveCount, busyMs, imports: w.sent.length };
        }
        w.clock.advance((w.queue.visibility.at(-1)?.seconds ?? 0) * 1000);
      }
    },
  };
}
