import { randomUUID } from "node:crypto";
import type { Reason } from "../../lib/errors.ts";
import { encodeJob, messageGroup } from "../../lib/model/job.ts";
import type { Queue } from "../../lib/ports/queue.ts";
import { pace } from "../terminal/pace.ts";
import type { DeadLetter } from "./dead-letter.ts";
import type { Selects } from "./dead-letter-filter.ts";
import { type VisitOptions, visitDeadLetters } from "./dead-letter-visit.ts";
import type { Fifo } from "./fifo.ts";

export interface RedriveOptions {
  readonly selects: Selects;
  /** Messages per second. */
  readonly rate?: number | undefined;
  /** Imports even if a later run of the scan is in DefectDojo (reimport mode). */
  readonly force?: boolean | undefined;
  readonly signal?: AbortSignal;
  readonly enough?: () => boolean;
  readonly onMoved?: (letter: DeadLetter) => void;
}

/** Reasons that are often cured in the Scan. Its correction counts: the job leaves its own copy of the Scan behind, and the importer reads the sidecar again. */
const CURED_IN_SCAN: ReadonlySet<string> = new Set<Reason>([
  "sidecar-invalid",
  "dojo-rejected",
  "product-type-missing",
  "report-refused",
]);

/** Longer than the gap between two messages at the lowest sensible rate. */
const LEAST_VISIBILITY_SECONDS = 60;

/**
 * Moves messages from the dead-letter queue back to the job queue, one by one: sent with a fresh deduplication id in the job's own group, then deleted.
 * Works on every backend and loses nothing when interrupted; at worst a message is in both queues, which the importer recognises.
 * @returns how many were moved
 */
export async function redriveDeadLetters(dlq: Fifo, queue: Queue, options: RedriveOptions): Promise<number> {
  const { selects, rate, force = false, signal = new AbortController().signal, enough, onMoved } = options;
  const wait = pace(rate, signal);
  let moved = 0;
  const visit = async (letter: DeadLetter) => {
    if (!selects(letter)) return "kept";
    await wait();
    if (signal.aborted) return "kept";
    const { group, job } = letter;
    await queue.send({
      body: redrivenBody(letter, force),
      group: job === undefined ? group : messageGroup(job),
      deduplicationId: randomUUID(),
    });
    await dlq.remove(letter.message);
    moved++;
    onMoved?.(letter);
    return "gone";
  };
  await visitDeadLetters(dlq, visit, { signal, ...(enough === undefined ? {} : { enough }), ...batchFor(rate) });
  return moved;
}

function redrivenBody({ body, job, reason }: DeadLetter, force: boolean): string {
  if (job === undefined) return body;
  const { scan: _, ...withoutScan } = job;
  const again = job.kind === "import" && CURED_IN_SCAN.has(reason) ? withoutScan : job;
  if (force) return encodeJob({ ...again, force });
  return again === job ? body : encodeJob(again);
}

/** Received messages wait for their turn and must stay hidden until then. */
function batchFor(rate: number | undefined): Pick<VisitOptions, "most" | "visibilitySeconds"> {
  if (rate === undefined) return {};
  const most = Math.max(1, Math.min(10, Math.floor(rate * 5)));
  return {
    most,
    visibilitySeconds: Math.min(43_200, Math.max(LEAST_VISIBILITY_SECONDS, Math.ceil((3 * most) / rate))),
  };
}
